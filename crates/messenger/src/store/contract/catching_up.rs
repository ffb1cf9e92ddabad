//! Synchronising: a client that hears no events must still end up knowing everything.

use super::{Dice, Store, World, draft};
use crate::{
    Advance, Caller, ConversationId, Draft, HistoryRange, ListItem, Message, MessageId, Options, SyncError,
    ThreadPlace,
};
use std::collections::HashMap;
use std::sync::Arc;

/// With the members when they changed, and once it is up to date nothing more.
pub async fn changes_come_in_order_and_in_pages(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    for n in 3..=8 {
        world.say(&ann, id, &format!("message {n}")).await;
    }
    let mut known = 0;
    let mut revs = Vec::new();
    loop {
        let changes = world.messenger.changes(&bob, id, known, 3).await.expect("read");
        assert!(!changes.reset && changes.messages.len() <= 3);
        assert_eq!(
            changes.members.is_some(),
            known < 2,
            "members changed last at rev 2"
        );
        assert_eq!(
            changes
                .conversation
                .as_ref()
                .map(|conversation| conversation.last_rev),
            Some(8)
        );
        revs.extend(changes.messages.iter().map(|message| message.rev));
        known = changes.upto_rev;
        if !changes.has_more {
            break;
        }
    }
    assert_eq!((known, revs), (8, (1..=8).collect()));
    let none = world.messenger.changes(&bob, id, known, 3).await.expect("read");
    assert!(none.messages.is_empty() && none.conversation.is_none() && none.members.is_none());
    assert_eq!((none.upto_rev, none.has_more, none.reset), (8, false, false));
}

/// To the newest messages; so does a rev that the server never reached.
pub async fn too_many_changes_reset(store: Arc<dyn Store>) {
    let world = World::with_options(
        store,
        Options {
            changes_max: 60,
            ..Options::default()
        },
    );
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.direct(&ann, &bob).await;
    for n in 1..=61 {
        world.say(&ann, id, &format!("message {n}")).await;
    }
    for (after, reset, first) in [(0, true, 12), (1, false, 2), (62, true, 12)] {
        let changes = world.messenger.changes(&bob, id, after, 200).await.expect("read");
        assert_eq!(
            (changes.reset, changes.upto_rev, changes.has_more),
            (reset, 61, false),
            "after {after}"
        );
        let revs: Vec<u64> = changes.messages.iter().map(|message| message.rev).collect();
        assert_eq!(revs, (first..=61).collect::<Vec<u64>>(), "after {after}");
        assert_eq!(changes.members.is_some(), reset);
    }
}

/// Whatever rev a client stands at, it gets all that came or changed since, each as it is now and once, in the order of
/// the changes; pages end where a rev ends.
pub async fn all_that_changed_is_found_from_any_rev(store: Arc<dyn Store>) {
    const STEPS: usize = 90;
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    let id = world.group(&ann, &[bob]).await;
    let mut dice = Dice::new(39);
    let mut own = vec![world.say(&ann, id, "the first").await.message.id];
    let mut replies = Vec::new();
    for step in 0..STEPS {
        let one = own[dice.below(own.len())];
        // Many refuse, for some are deleted by then; what matters is what they leave.
        match dice.below(9) {
            0..=3 => own.push(world.say(&ann, id, &format!("step {step}")).await.message.id),
            4 => drop(
                world
                    .messenger
                    .edit(&ann, one, &format!("better {step}"), None)
                    .await,
            ),
            5 => drop(world.messenger.react(&bob, one, "👍", step % 2 == 0).await),
            6 => drop(world.messenger.pin(&ann, one, step % 3 > 0).await),
            7 => {
                let reply = Draft {
                    thread: Some(ThreadPlace {
                        root: one,
                        also_in_timeline: step % 2 == 0,
                    }),
                    ..draft("a reply")
                };
                let sent = world.messenger.send(&bob, id, reply).await;
                replies.extend(sent.map(|sent| sent.message.id));
            }
            _ => {
                let other = own[dice.below(own.len())];
                drop(world.messenger.delete(&ann, &[one, other]).await);
            }
        }
    }
    let all = HistoryRange::After(0);
    let history = world
        .messenger
        .history(&bob, id, all, Some(100))
        .await
        .expect("read");
    assert!(!history.has_more_after);
    let mut now: HashMap<MessageId, Message> = HashMap::new();
    for message in history.messages {
        now.insert(message.id, message);
    }
    for reply in replies {
        let message = world.messenger.message(&bob, reply).await.expect("there");
        now.insert(reply, message);
    }
    let changed = now
        .values()
        .filter(|message| message.edit_count > 0 || message.pinned);
    assert!(changed.count() > 5 && history.last_rev > history.last_seq + 20);
    for known in 0..=history.last_rev {
        let limit = 1 + dice.below(9);
        let (mut after, mut found) = (known, Vec::new());
        loop {
            let page = world
                .messenger
                .changes(&bob, id, after, limit)
                .await
                .expect("read");
            assert!(!page.reset && page.messages.iter().all(|message| message.rev > after));
            found.extend(page.messages);
            assert!(found.last().is_none_or(|message| message.rev <= page.upto_rev));
            after = page.upto_rev;
            if !page.has_more {
                break;
            }
        }
        assert_eq!(after, history.last_rev);
        assert!(found.is_sorted_by_key(|message| message.rev), "after {known}");
        let mut wanted: Vec<&Message> = now.values().filter(|message| message.rev > known).collect();
        wanted.sort_by_key(|message| message.seq);
        found.sort_by_key(|message| message.seq);
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "after {known}");
    }
}

/// What a client knows that only synchronises.
struct Client {
    who: Caller,
    cursor: Option<String>,
    items: HashMap<ConversationId, ListItem>,
}

impl Client {
    fn new(who: Caller) -> Self {
        Self {
            who,
            cursor: None,
            items: HashMap::new(),
        }
    }

    /// One page; whether there are more.
    async fn page(&mut self, world: &World, limit: usize) -> bool {
        let page = world
            .messenger
            .sync(&self.who, self.cursor.as_deref(), Some(limit))
            .await;
        let page = page.expect("synchronised");
        assert!(page.items.len() <= limit);
        assert_eq!(page.me.account.id, self.who.user);
        for item in page.items {
            self.items.insert(item.conversation.id, item);
        }
        for id in page.removed {
            self.items.remove(&id);
        }
        self.cursor = Some(page.cursor);
        page.has_more
    }

    async fn all(&mut self, world: &World, limit: usize) {
        while self.page(world, limit).await {}
    }

    /// What it knows, without what others do not see of an account.
    fn known(&self) -> HashMap<ConversationId, ListItem> {
        let mut items = self.items.clone();
        for item in items.values_mut() {
            let members = item.members.iter_mut().map(|member| &mut member.account);
            for account in members.chain(&mut item.peer) {
                account.user_rev = 0;
                account.last_seen_at = None;
            }
        }
        items
    }
}

/// One random thing that somebody does.
async fn act(world: &World, people: &[Caller], conversations: &mut Vec<ConversationId>, dice: &mut Dice) {
    let who = people[dice.below(people.len())];
    let conversation = match conversations.len() {
        0 => ConversationId(1),
        count => conversations[dice.below(count)],
    };
    match dice.below(10) {
        0 => {
            let peer = people[dice.below(people.len())];
            conversations.push(world.direct(&who, &peer).await);
        }
        1 => {
            let others: Vec<Caller> = people.iter().copied().filter(|_| dice.below(2) == 0).collect();
            conversations.push(world.group(&who, &others).await);
        }
        2..=5 => {
            let words = Draft {
                advance_seen: dice.below(2) == 0,
                ..draft("words")
            };
            // Refused where one is not a member, which is as good.
            let _ = world.messenger.send(&who, conversation, words).await;
        }
        6..=8 => {
            let (delivered, seen) = (dice.below(6) as u64, dice.below(6) as u64);
            let wish = Advance {
                conversation,
                delivered_seq: Some(delivered),
                seen_seq: Some(seen),
            };
            world.messenger.advance(&who, &[wish]).await;
        }
        _ => {
            let _ = world.messenger.read_all(&who, conversation).await;
        }
    }
}

/// After any history, in pages of any size taken at any time, it ends equal to one that logs in afresh.
pub async fn a_client_that_only_synchronises_knows_everything(store: Arc<dyn Store>) {
    let world = World::new(store);
    let people = world.people(["ann", "bob", "cat", "dan"]).await;
    let mut conversations = Vec::new();
    for seed in 1..=12 {
        let mut dice = Dice::new(seed);
        let mut clients: Vec<Client> = people.iter().map(|&who| Client::new(who)).collect();
        for _ in 0..40 {
            act(&world, &people, &mut conversations, &mut dice).await;
            let client = dice.below(clients.len());
            if dice.below(3) == 0 {
                let limit = 1 + dice.below(4);
                clients[client].page(&world, limit).await;
            }
        }
        for client in &mut clients {
            client.all(&world, 1 + dice.below(5)).await;
            let mut fresh = Client::new(client.who);
            fresh.all(&world, 200).await;
            assert_eq!(client.known(), fresh.known(), "seed {seed}");
            // Cursors also say in which second they were made.
            let place = |cursor: &Option<String>| {
                let place = cursor.as_deref().and_then(|cursor| cursor.split('~').next());
                place.map(str::to_owned)
            };
            let position = place(&client.cursor);
            assert!(!client.page(&world, 200).await);
            assert_eq!(place(&client.cursor), position, "nothing happened meanwhile");
        }
    }
}

/// The same while others are busy, when pages and writes overlap.
pub async fn synchronising_while_others_write_leaves_nothing_out(store: Arc<dyn Store>) {
    let world = Arc::new(World::new(store));
    let people = world.people(["ann", "bob", "cat", "dan"]).await;
    let mut writers = tokio::task::JoinSet::new();
    for seed in 1..=4 {
        let world = Arc::clone(&world);
        writers.spawn(async move {
            let mut conversations = Vec::new();
            let mut dice = Dice::new(seed);
            for _ in 0..60 {
                act(&world, &people, &mut conversations, &mut dice).await;
            }
        });
    }
    let mut clients: Vec<Client> = people.iter().map(|&who| Client::new(who)).collect();
    while writers.try_join_next().is_none_or(|joined| joined.is_ok()) && !writers.is_empty() {
        for client in &mut clients {
            client.page(&world, 3).await;
        }
    }
    for client in &mut clients {
        client.all(&world, 3).await;
        let mut fresh = Client::new(client.who);
        fresh.all(&world, 200).await;
        assert!(!fresh.items.is_empty());
        assert_eq!(client.known(), fresh.known());
    }
}

/// As are those that are none.
pub async fn cursors_of_another_store_are_refused(store: Arc<dyn Store>) {
    let world = World::new(store);
    let [ann, bob] = world.people(["ann", "bob"]).await;
    world.direct(&ann, &bob).await;
    for cursor in ["s1000000", "l1000000@1.1", "s1000000+5", "x", ""] {
        let refused = world.messenger.sync(&ann, Some(cursor), None).await;
        assert!(matches!(refused, Err(SyncError::CursorInvalid)), "{cursor:?}");
    }
    for limit in [0, 201] {
        let refused = world.messenger.sync(&ann, None, Some(limit)).await;
        assert!(matches!(refused, Err(SyncError::LimitInvalid)));
    }
}
