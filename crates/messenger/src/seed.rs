//! A store full of made-up people and what they said to each other, to try things out and to measure with. It is
//! made by the same calls as everything else, so it is as any store that grew to this size; only the times are made
//! up, too. The same plan always yields the same words in the same order.

mod media;
mod text;

use crate::message::content_hash;
use crate::password::PasswordHasher;
use crate::store::{
    AccountRecord, Admission, AdvanceTerms, GroupRecord, NewMessage, ReactRecord, Store, StoreError,
};
use crate::thread::ThreadPlace;
use crate::{
    AccountKind, Advance, ClientId, ConversationId, Draft, MessageId, Messenger, Policies, Timestamp, UserId,
    Username,
};
use futures_util::future::join_all;
use media::Samples;
use std::collections::{BTreeMap, VecDeque};
use text::Language;

/// Everybody's password.
pub const PASSWORD: &str = "chinwag demo";

/// Who is in the largest conversations and in many others.
pub const FIRST_NAME: &str = "demo";

/// Calls under way at a time.
const BATCH: usize = 512;

/// Latest messages of a conversation that somebody may answer.
const ANSWERED_AMONG: usize = 12;

/// Most members of a group.
const GROUP_MAX: usize = 1_000;

/// What groups a seeded person may create, and conversations it may be in: more than there will be.
const NO_LIMIT: usize = 1_000_000_000;

const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1_000;

/// How much of what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Messages in all.
    pub messages: usize,
    /// People.
    pub users: usize,
    /// Conversations.
    pub conversations: usize,
    /// Messages of all of them that are in one conversation.
    pub one_conversation: usize,
    /// What makes this store another one than others of its size.
    pub seed: u64,
    /// How many accounts there are already. The new ones are numbered from there.
    pub accounts: usize,
    /// When the last message was sent. In an empty store the first is a year older; else all have this time, so
    /// that times go on rising.
    pub until: Timestamp,
}

impl Plan {
    /// So many messages, with people and conversations as a server of that size has.
    pub fn of(messages: usize, until: Timestamp) -> Self {
        Self {
            messages,
            users: (messages / 500).max(50),
            conversations: (messages / 200).max(100),
            one_conversation: 0,
            seed: 1,
            accounts: 0,
            until,
        }
    }

    fn time_of(&self, message: usize) -> Timestamp {
        if self.accounts > 0 {
            return self.until;
        }
        let share = message as f64 / self.messages.max(1) as f64;
        Timestamp(self.until.0 - YEAR_MS + (YEAR_MS as f64 * share) as i64)
    }
}

/// A conversation that is being filled.
struct Room {
    id: ConversationId,
    members: Vec<UserId>,
    language: Language,
    last_seq: u64,
    /// The latest messages, and whether each may be the root of a thread.
    latest: VecDeque<(MessageId, bool)>,
}

/// Numbers that look random and are the same every time (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    /// The same with low numbers far more often than high ones, as words and conversations are used.
    pub(crate) fn low_below(&mut self, bound: usize) -> usize {
        let unit = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        ((unit * unit * unit) * bound as f64) as usize
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Fills the messenger's store, with files if it has a place for them; `progress` is told how many messages there are.
/// Nobody else hears of them.
///
/// # Errors
/// When the store fails or refuses, as when it holds accounts that the plan does not know of.
pub async fn fill(
    messenger: &Messenger,
    plan: &Plan,
    mut progress: impl FnMut(usize),
) -> Result<(), StoreError> {
    let store = &*messenger.store;
    let mut dice = Dice(plan.seed);
    let ids = Dice(plan.seed ^ (plan.accounts as u64).rotate_left(32));
    let mut samples = Samples::make(messenger, plan.messages, ids).await?;
    // Hashing takes long on purpose, so all have the same.
    let password_hash = PasswordHasher::new().hash(PASSWORD).await?;
    let users = people(store, plan, &password_hash).await?;
    let mut rooms = rooms(store, plan, &users, &mut dice).await?;
    let mut sent = 0;
    while sent < plan.messages {
        let count = BATCH.min(plan.messages - sent);
        say(
            store,
            plan,
            &mut rooms,
            &mut samples,
            sent..sent + count,
            &mut dice,
        )
        .await?;
        sent += count;
        progress(sent);
    }
    read(store, &rooms, &mut dice).await
}

fn refused(what: &str) -> StoreError {
    StoreError::Broken(format!("the store refused {what}"))
}

async fn people(store: &dyn Store, plan: &Plan, password_hash: &str) -> Result<Vec<UserId>, StoreError> {
    let mut users = Vec::with_capacity(plan.users);
    let numbers: Vec<usize> = (0..plan.users).collect();
    for some in numbers.chunks(BATCH) {
        let creating = some.iter().map(|&number| {
            let (name, display_name) = match (number, plan.accounts) {
                (0, 0) => (FIRST_NAME.to_owned(), "Demo".to_owned()),
                _ => text::person(plan.accounts + number),
            };
            let record = AccountRecord {
                search_keys: crate::text::search_keys(&name, &display_name),
                username: Username::from_store(name),
                display_name,
                password_hash: password_hash.to_owned(),
                kind: AccountKind::Human,
                admission: Admission::Anyone,
                at: plan.time_of(0),
            };
            store.create_account(record)
        });
        for created in join_all(creating).await {
            users.push(created?.map_err(|_| refused("an account"))?.id);
        }
    }
    Ok(users)
}

async fn rooms(
    store: &dyn Store,
    plan: &Plan,
    users: &[UserId],
    dice: &mut Dice,
) -> Result<Vec<Room>, StoreError> {
    let mut wished: Vec<Vec<UserId>> = Vec::with_capacity(plan.conversations);
    for number in 0..plan.conversations {
        // The first is the one that may hold more than all others, the second the largest group.
        let size = match number {
            0 => 20,
            1 => GROUP_MAX,
            _ if number % 5 < 3 => 2,
            _ if dice.percent(75) => 3 + dice.below(6),
            _ if dice.percent(80) => 9 + dice.below(32),
            _ => 41 + dice.below(160),
        };
        let mut members = Vec::new();
        if number < 2 || number % 20 == 0 {
            members.push(users[0]);
        }
        if size >= users.len() {
            members = users.to_vec();
        }
        while members.len() < size.min(users.len()) {
            let user = users[dice.below(users.len())];
            if !members.contains(&user) {
                members.push(user);
            }
        }
        wished.push(members);
    }
    let mut rooms = Vec::with_capacity(wished.len());
    let numbered: Vec<(usize, Vec<UserId>)> = wished.into_iter().enumerate().collect();
    for some in numbered.chunks(BATCH) {
        let opening = some
            .iter()
            .map(|(number, members)| open(store, plan, *number, members));
        for (opened, (number, members)) in join_all(opening).await.into_iter().zip(some) {
            let (id, last_seq) = opened?;
            rooms.push(Room {
                id,
                members: members.clone(),
                language: Language::of(*number),
                last_seq,
                latest: VecDeque::new(),
            });
        }
    }
    Ok(rooms)
}

/// Opens a conversation; its id, and its last seq so far.
async fn open(
    store: &dyn Store,
    plan: &Plan,
    number: usize,
    members: &[UserId],
) -> Result<(ConversationId, u64), StoreError> {
    let at = plan.time_of(0);
    if let [one, other] = members {
        let opened = store
            .open_direct(*one, *other, Policies::default(), at, Box::new(|_| ()))
            .await?;
        return Ok((opened.conversation, 0));
    }
    let record = GroupRecord {
        title: text::title(number),
        creator: members[0],
        others: members[1..].to_vec(),
        policies: Policies::default(),
        per_day_max: NO_LIMIT,
        conversations_max: NO_LIMIT,
        at,
    };
    let created = store.create_group(record, Box::new(|_| ())).await?;
    let created = created.map_err(|_| refused("a group"))?;
    Ok((created.conversation, 2))
}

/// Sends one batch, with answers to earlier ones, and reactions after it.
async fn say(
    store: &dyn Store,
    plan: &Plan,
    rooms: &mut [Room],
    samples: &mut Samples,
    numbers: std::ops::Range<usize>,
    dice: &mut Dice,
) -> Result<(), StoreError> {
    let mut said = Vec::with_capacity(numbers.len());
    let mut brought = Vec::new();
    for number in numbers {
        let in_the_one = dice.below(plan.messages) < plan.one_conversation;
        let place = match in_the_one {
            true => 0,
            false => dice.low_below(rooms.len()),
        };
        let room = &rooms[place];
        let answered = room.latest.get(dice.below(ANSWERED_AMONG)).copied();
        let (mut reply_to, mut thread) = (None, None);
        match (answered, dice.below(100)) {
            (Some((id, _)), 0..10) => reply_to = Some(id),
            (Some((root, true)), 10..15) => {
                let also_in_timeline = dice.percent(10);
                thread = Some(ThreadPlace {
                    root,
                    also_in_timeline,
                });
            }
            _ => {}
        }
        let (author, at) = (
            room.members[dice.low_below(room.members.len())],
            plan.time_of(number),
        );
        let (files, spoken) = samples.some(dice, author, at);
        let body = match (files.is_empty(), spoken) {
            (true, _) => room.language.sentence(dice),
            (false, false) if dice.percent(40) => room.language.sentence(dice),
            (false, _) => String::new(),
        };
        let attachments: Vec<_> = files.iter().map(|file| file.id).collect();
        brought.extend(files);
        let key = u128::from(dice.roll()) << 64 | u128::from(dice.roll());
        let draft = Draft {
            client_id: ClientId(uuid::Builder::from_random_bytes(key.to_be_bytes()).into_uuid()),
            body: body.clone(),
            attachments,
            reply_to,
            thread,
            advance_seen: true,
        };
        let new = NewMessage {
            author,
            conversation: room.id,
            client_id: draft.client_id,
            content_hash: content_hash(&body, &draft),
            body,
            mentions: Vec::new(),
            attachments: draft.attachments,
            reply_to,
            thread,
            forwarded_from: None,
            advance_seen: true,
            times_members_max: 0,
            at,
        };
        said.push((place, new));
    }
    let bringing = brought
        .into_iter()
        .map(|file| store.create_attachment(file, u64::MAX));
    for created in join_all(bringing).await {
        created?.map_err(|_| refused("an attachment"))?;
    }
    let sending = said
        .iter()
        .map(|(_, new)| store.append(new.clone(), Box::new(|_| ())));
    let mut reactions = Vec::new();
    for (appended, (place, new)) in join_all(sending).await.into_iter().zip(&said) {
        let message = appended?.map_err(|_| refused("a message"))?.message;
        let room = &mut rooms[*place];
        room.last_seq = room.last_seq.max(message.seq);
        room.latest.push_front((message.id, new.thread.is_none()));
        room.latest.truncate(ANSWERED_AMONG);
        if dice.percent(3) {
            reactions.push(ReactRecord {
                user: room.members[dice.below(room.members.len())],
                message: message.id,
                emoji: ["👍", "❤️", "😂", "🎉", "👀"][dice.low_below(5)].to_owned(),
                add: true,
                distinct_max: 20,
                at: new.at,
            });
        }
    }
    let reacting = reactions
        .into_iter()
        .map(|record| store.react(record, Box::new(|_| ())));
    for reacted in join_all(reacting).await {
        reacted?.map_err(|_| refused("a reaction"))?;
    }
    Ok(())
}

/// Lets most people have seen most of it.
async fn read(store: &dyn Store, rooms: &[Room], dice: &mut Dice) -> Result<(), StoreError> {
    let mut wishes: BTreeMap<UserId, BTreeMap<ConversationId, Advance>> = BTreeMap::new();
    for room in rooms {
        for &user in &room.members {
            let unseen = if dice.percent(80) {
                0
            } else {
                dice.below(30) as u64
            };
            let seen = room.last_seq.saturating_sub(unseen);
            let advance = Advance {
                conversation: room.id,
                delivered_seq: Some(room.last_seq),
                seen_seq: Some(seen),
            };
            wishes.entry(user).or_default().insert(room.id, advance);
        }
    }
    for (user, wishes) in wishes {
        let wishes: Vec<Advance> = wishes.into_values().collect();
        let terms = AdvanceTerms {
            receipts_members_max: 0,
            times_members_max: 0,
            at: Timestamp(0),
        };
        store.advance(user, &wishes, terms, Box::new(|_| ())).await?;
    }
    Ok(())
}
