//! Storing messages, many at once: what was sent before, what is answered and who may write are checked for all
//! of them together, then rows, counters and watermarks follow in one statement each.

use super::attachments::{Brought, attach, write_attachments};
use super::heads::{Head, Heads};
use super::hides::{Place, hidden_from, insert_hidden};
use super::mentions::insert_mentions;
use super::query::{execute, insert_many, larger, places, query, repeated_places, row_places};
use super::receipts::Moves;
use super::rows::{self, Columns, MESSAGE, QUOTED, corrupt};
use super::threads::Roots;
use super::writer::Group;
use chinwag_messenger::store::{AppendRefusal, Appended, NewMessage, Told};
use chinwag_messenger::{
    Attachment, AttachmentKind, ClientId, Message, MessageId, MessageKind, Quote, Timestamp, UserId,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Outcome = Result<Appended, AppendRefusal>;

/// A message that may be answered, if its kind and place allow.
struct Target {
    conversation: i64,
    thread_root: Option<MessageId>,
    quote: Quote,
    answerable: bool,
}

/// What the author's key was used for.
struct Sent {
    message: Message,
    content_hash: Vec<u8>,
}

/// Stores the messages in the given order. Refusals write nothing.
pub(super) async fn append_all(group: &mut Group, news: &[&NewMessage]) -> Result<Vec<Outcome>, DbErr> {
    let conversations: Vec<i64> = news.iter().map(|new| new.conversation.0).collect();
    group.heads.load(&group.tx, &conversations).await?;
    let sent = sent_before(&group.tx, news).await?;
    let targets = targets(&group.tx, news).await?;
    let hidden = hidden_from(&group.tx, &places_read(&sent, &targets)).await?;
    let mut roots = Roots::load(&group.tx, news).await?;
    let mut brought = Brought::load(&group.tx, news).await?;

    let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(news.len());
    let mut accepted: Vec<usize> = Vec::with_capacity(news.len());
    // Keys that came twice in this batch: the later ones repeat the first.
    let mut first_of: HashMap<(UserId, ClientId), usize> = HashMap::new();
    let mut repeats: Vec<(usize, usize)> = Vec::new();
    let mut watermarks = Moves::default();

    for (index, new) in news.iter().enumerate() {
        let key = (new.author, new.client_id);
        if let Some(&first) = first_of.get(&key) {
            let same =
                news[first].content_hash == new.content_hash && news[first].conversation == new.conversation;
            outcomes.push((!same).then_some(Err(AppendRefusal::ClientIdConflict)));
            if same {
                repeats.push((index, first));
            }
            continue;
        }
        if let Some(sent) = sent.get(&key) {
            outcomes.push(Some(replay(&mut group.heads, sent, new, &roots, &hidden)));
            continue;
        }
        let quote = match check(&mut group.heads, new, &targets, &roots, &hidden) {
            Ok(quote) => quote,
            Err(refusal) => {
                outcomes.push(Some(Err(refusal)));
                continue;
            }
        };
        let attachments = match brought.take(new) {
            Ok(attachments) => attachments,
            Err(refusal) => {
                outcomes.push(Some(Err(refusal)));
                continue;
            }
        };
        let Some(head) = group.heads.find(new.conversation.0) else {
            return Err(corrupt("a conversation that vanished"));
        };
        first_of.insert(key, index);
        accepted.push(index);
        let mut appended = accept(head, new, quote, &hidden, &mut watermarks);
        appended.message.kind = kind(&attachments);
        appended.message.attachments = attachments;
        appended.thread = roots.add(&appended.message);
        outcomes.push(Some(Ok(appended)));
    }

    mark_past_members(&group.tx, news, &mut outcomes).await?;

    if !accepted.is_empty() {
        group.dirty = true;
        let ids = insert(&group.tx, news, &outcomes, &accepted).await?;
        for (&index, id) in accepted.iter().zip(ids) {
            if let Some(Ok(appended)) = &mut outcomes[index] {
                appended.message.id = id;
            }
        }
        insert_mentions(&group.tx, stored(&outcomes, &accepted)).await?;
        hide_from_blockers(group, &outcomes, &accepted).await?;
        attach(&group.tx, stored(&outcomes, &accepted)).await?;
        raise_counters(group, news, &outcomes, &accepted).await?;
        watermarks.write(group).await?;
        let advance: Vec<bool> = accepted.iter().map(|&index| news[index].advance_seen).collect();
        let replies: Vec<_> = stored(&outcomes, &accepted).zip(advance).collect();
        roots.save(&group.tx, &mut group.heads, &replies).await?;
    }
    for (repeat, first) in repeats {
        let again = outcomes[first].clone().map(|outcome| {
            outcome.map(|appended| Appended {
                replay: true,
                passed: None,
                ..appended
            })
        });
        outcomes[repeat] = again;
    }
    let missing = || corrupt("a message without an outcome");
    outcomes
        .into_iter()
        .map(|outcome| outcome.ok_or_else(missing))
        .collect()
}

/// Whether the author may write this here; if so, the message it answers.
fn check(
    heads: &mut Heads,
    new: &NewMessage,
    targets: &HashMap<i64, Target>,
    roots: &Roots,
    hidden: &HashMap<Place, Vec<UserId>>,
) -> Result<Option<Quote>, AppendRefusal> {
    let head = heads.find(new.conversation.0).ok_or(AppendRefusal::NotFound)?;
    let member = head.members.get(&new.author).ok_or(AppendRefusal::NotFound)?;
    if !head.post.includes(member.role) {
        return Err(AppendRefusal::PostingRestricted);
    }
    if let Some(place) = new.thread {
        roots.check(place, new.conversation, member.visible_from)?;
    }
    let Some(answered) = new.reply_to else {
        return Ok(None);
    };
    let target = targets
        .get(&answered.0)
        .ok_or(AppendRefusal::ReplyTargetInvalid)?;
    let is_hidden = hidden_at(hidden, (target.conversation, target.quote.seq)).contains(&new.author);
    let visible =
        target.conversation == new.conversation.0 && target.quote.seq >= member.visible_from && !is_hidden;
    // Within a thread its own messages are quoted.
    let fits = new
        .thread
        .is_none_or(|place| place.root == answered || target.thread_root == Some(place.root));
    if visible && fits && target.answerable {
        Ok(Some(target.quote.clone()))
    } else {
        Err(AppendRefusal::ReplyTargetInvalid)
    }
}

/// What the message is by what it brings: one voice note alone is spoken.
fn kind(attachments: &[Attachment]) -> MessageKind {
    match attachments {
        [] => MessageKind::Text,
        [one] if one.kind == AttachmentKind::Voice => MessageKind::Voice,
        _ => MessageKind::Media,
    }
}

/// Who was a member once may know that the conversation exists.
async fn mark_past_members(
    tx: &DatabaseTransaction,
    news: &[&NewMessage],
    outcomes: &mut [Option<Outcome>],
) -> Result<(), DbErr> {
    for (new, outcome) in news.iter().zip(outcomes) {
        if !matches!(outcome, Some(Err(AppendRefusal::NotFound))) {
            continue;
        }
        let sql = "SELECT 1 FROM member m JOIN conversation c ON c.id = m.conversation_id \
             WHERE m.conversation_id = ? AND m.user_id = ? AND c.deleted_at IS NULL";
        let past = query(tx, sql, vec![new.conversation.0.into(), new.author.0.into()]).await?;
        if !past.is_empty() {
            *outcome = Some(Err(AppendRefusal::NotAMember));
        }
    }
    Ok(())
}

/// Takes the next numbers of the conversation for the message.
fn accept(
    head: &mut Head,
    new: &NewMessage,
    reply_to: Option<Quote>,
    hidden: &HashMap<Place, Vec<UserId>>,
    watermarks: &mut Moves,
) -> Appended {
    head.last_seq += 1;
    head.last_rev += 1;
    let mut passed = None;
    let members = head.members.len();
    let in_timeline = new.thread.is_none_or(|place| place.also_in_timeline);
    // Who writes in a thread has not thereby seen what is new in the conversation.
    let advances = |seen_seq: u64| in_timeline || seen_seq + 1 == head.last_seq;
    if new.advance_seen
        && let Some(member) = head.members.get_mut(&new.author)
        && advances(member.seen_seq)
    {
        let from = (member.delivered_seq, member.seen_seq);
        passed = (member.seen_seq + 1 < head.last_seq).then_some(from);
        member.seen_seq = head.last_seq;
        member.delivered_seq = head.last_seq;
        // When one passes what is one's own is of no interest.
        let timed = passed.is_some() && members <= new.times_members_max;
        let to = (head.last_seq, head.last_seq);
        watermarks.note(new.conversation, new.author, from, to, timed.then_some(new.at));
    }
    let mut message = Message::new(new.author, new.conversation, MessageKind::Text, new.at);
    (message.seq, message.rev) = (head.last_seq, head.last_rev);
    message.client_id = Some(new.client_id);
    message.body = new.body.clone();
    message.mentions = new.mentions.clone();
    message.forwarded_from = new.forwarded_from.clone();
    let blocker = head.blocker_of(new.author);
    message.receipts = blocker.is_none();
    let told = match (&reply_to, blocker) {
        (None, None) => Told {
            audience: Arc::clone(&head.audience),
            ..Told::default()
        },
        (quote, blocker) => {
            let place = |quote: &Quote| (new.conversation.0, quote.seq);
            let quoted = quote
                .as_ref()
                .map(|quote| (quote.seq, hidden_at(hidden, place(quote))));
            head.told(message.seq, blocker.as_slice(), quoted)
        }
    };
    message.reply_to = reply_to;
    message.thread_root = new.thread.map(|place| place.root);
    message.in_timeline = in_timeline;
    Appended {
        message,
        replay: false,
        told,
        receipts_to: head.receipts_to(new.author),
        passed,
        thread: None,
    }
}

fn hidden_at(hidden: &HashMap<Place, Vec<UserId>>, place: Place) -> &[UserId] {
    hidden.get(&place).map_or(&[], Vec::as_slice)
}

/// Where the messages stand that are told again, and those that are quoted.
fn places_read(sent: &HashMap<(UserId, ClientId), Sent>, targets: &HashMap<i64, Target>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for Sent { message, .. } in sent.values() {
        let conversation = message.conversation.0;
        places.push((conversation, message.seq));
        places.extend(message.reply_to.as_ref().map(|quote| (conversation, quote.seq)));
    }
    let quoted = targets
        .values()
        .map(|target| (target.conversation, target.quote.seq));
    places.extend(quoted);
    places
}

/// What was said in a direct conversation to somebody who blocks the author is hidden from it from the start: the
/// conversation neither comes back into its list for it nor moves there.
async fn hide_from_blockers(
    group: &Group,
    outcomes: &[Option<Outcome>],
    accepted: &[usize],
) -> Result<(), DbErr> {
    let appended = accepted
        .iter()
        .filter_map(|&index| outcomes[index].as_ref()?.as_ref().ok());
    let unticked = appended.filter(|appended| !appended.message.receipts);
    let hidden = unticked.flat_map(|appended| {
        let place = (appended.message.conversation.0, appended.message.seq);
        appended.told.blind.iter().map(move |&user| (user, place))
    });
    let hidden: Vec<(UserId, Place)> = hidden.collect();
    insert_hidden(&group.tx, &hidden, 0).await?;
    for (user, (conversation, seq)) in hidden {
        // What came right before in the same batch is not in the conversation's row yet.
        let just_before = stored(outcomes, accepted)
            .filter(|message| message.conversation.0 == conversation && message.seq < seq)
            .filter(|message| message.receipts && message.in_timeline)
            .map(|message| message.created_at.0)
            .max();
        let sql = format!(
            "UPDATE member SET hidden_seq = CASE WHEN hidden_seq = ? THEN ? ELSE hidden_seq END, \
             held_activity_at = CASE WHEN held_seq = ? THEN held_activity_at ELSE (SELECT {} \
             FROM conversation c WHERE c.id = member.conversation_id) END, held_seq = ? \
             WHERE conversation_id = ? AND user_id = ?",
            larger("c.last_activity_at", "?")
        );
        let (seq, just_before) = (seq as i64, just_before.unwrap_or(0));
        let values = vec![
            (seq - 1).into(),
            seq.into(),
            (seq - 1).into(),
            just_before.into(),
            just_before.into(),
            seq.into(),
            conversation.into(),
            user.0.into(),
        ];
        execute(&group.tx, sql, values).await?;
    }
    Ok(())
}

fn replay(
    heads: &mut Heads,
    sent: &Sent,
    new: &NewMessage,
    roots: &Roots,
    hidden: &HashMap<Place, Vec<UserId>>,
) -> Outcome {
    if sent.message.conversation != new.conversation || sent.content_hash != new.content_hash {
        return Err(AppendRefusal::ClientIdConflict);
    }
    let at = |seq| hidden_at(hidden, (new.conversation.0, seq));
    let quoted = sent.message.reply_to.as_ref();
    let quoted = quoted.map(|quote| (quote.seq, at(quote.seq)));
    let seq = sent.message.seq;
    let head = heads.find(new.conversation.0);
    let told = head.map(|head| head.told(seq, at(seq), quoted));
    Ok(Appended {
        message: sent.message.clone(),
        replay: true,
        told: told.unwrap_or_default(),
        receipts_to: Arc::new([]),
        passed: None,
        thread: roots.now(&sent.message),
    })
}

/// Those of the messages that were stored before, by author and key.
async fn sent_before(
    tx: &DatabaseTransaction,
    news: &[&NewMessage],
) -> Result<HashMap<(UserId, ClientId), Sent>, DbErr> {
    let mut values: Vec<Value> = Vec::with_capacity(news.len() * 2);
    for new in news {
        values.extend([new.author.0.into(), new.client_id.0.as_bytes().to_vec().into()]);
    }
    let sql = format!(
        "WITH wanted (author, client) AS (VALUES {}) SELECT m.content_hash, {MESSAGE} FROM wanted \
         JOIN message m ON m.author_id = wanted.author AND m.client_id = wanted.client \
         AND m.client_id IS NOT NULL {QUOTED}",
        repeated_places(&mut values, 2)
    );
    let mut sent = HashMap::new();
    for row in query(tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        let content_hash = columns.take()?;
        let message = rows::message(&mut columns)?;
        if let Some(client_id) = message.client_id {
            sent.insert(
                (message.author, client_id),
                Sent {
                    message,
                    content_hash,
                },
            );
        }
    }
    Ok(sent)
}

/// The messages that are answered, by id.
async fn targets(tx: &DatabaseTransaction, news: &[&NewMessage]) -> Result<HashMap<i64, Target>, DbErr> {
    let mut ids: Vec<i64> = news
        .iter()
        .filter_map(|new| new.reply_to)
        .map(|id| id.0)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT id, conversation_id, seq, author_id, kind, substr(body, 1, 160), note IS NOT NULL, deleted_at, \
         thread_root_id FROM message WHERE id IN ({})",
        places(ids.len())
    );
    let mut targets = HashMap::new();
    for row in query(tx, sql, ids.into_iter().map(Value::from).collect()).await? {
        let mut columns = Columns::of(&row);
        let id: i64 = columns.take()?;
        let conversation = columns.take()?;
        let (seq, author) = (columns.count()?, UserId(columns.take()?));
        let (kind, excerpt) = (rows::message_kind(columns.take()?), columns.take()?);
        let system: bool = columns.take()?;
        let deleted = columns.time()?.is_some();
        let thread_root = columns.take::<Option<i64>>()?.map(MessageId);
        let quote = rows::quote(MessageId(id), seq, author, kind, excerpt, deleted);
        targets.insert(
            id,
            Target {
                conversation,
                thread_root,
                quote,
                answerable: !system && !deleted,
            },
        );
    }
    Ok(targets)
}

/// Stores the rows; their ids in the order of `accepted`.
async fn insert(
    tx: &DatabaseTransaction,
    news: &[&NewMessage],
    outcomes: &[Option<Outcome>],
    accepted: &[usize],
) -> Result<Vec<MessageId>, DbErr> {
    let sql = format!(
        "INSERT INTO message (conversation_id, seq, rev, first_rev, author_id, client_id, content_hash, body, \
         reply_to_id, created_at, thread_root_id, in_timeline, mentions, receipts, forwarded_from, kind, attachments) \
         VALUES {}",
        row_places(accepted.len(), 17)
    );
    let mut values: Vec<Value> = Vec::with_capacity(accepted.len() * 17);
    let mut places = Vec::with_capacity(accepted.len());
    for &index in accepted {
        let (new, Some(Ok(appended))) = (news[index], &outcomes[index]) else {
            continue;
        };
        places.push((new.conversation.0, appended.message.seq));
        values.extend([
            new.conversation.0.into(),
            (appended.message.seq as i64).into(),
            (appended.message.rev as i64).into(),
            (appended.message.rev as i64).into(),
            new.author.0.into(),
            new.client_id.0.as_bytes().to_vec().into(),
            new.content_hash.to_vec().into(),
            new.body.clone().into(),
            new.reply_to.map(|id| id.0).into(),
            new.at.0.into(),
            appended.message.thread_root.map(|id| id.0).into(),
            appended.message.in_timeline.into(),
            rows::write_mentions(&new.mentions).into(),
            appended.message.receipts.into(),
            new.forwarded_from.clone().into(),
            rows::message_kind_number(&appended.message.kind).into(),
            write_attachments(&appended.message.attachments).into(),
        ]);
    }
    if tx.get_database_backend() == DbBackend::Sqlite {
        // Its ids count up by one row after row, and giving each back costs as much as storing it.
        let last = insert_many(tx, sql, values).await?;
        let first = last + 1 - places.len() as i64;
        return Ok((first..=last).map(MessageId).collect());
    }
    // The order of returned rows is not promised.
    let mut ids: HashMap<(i64, u64), MessageId> = HashMap::with_capacity(places.len());
    let sql = format!("{sql} RETURNING id, conversation_id, seq");
    for row in query(tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        let id = MessageId(columns.take()?);
        ids.insert((columns.take()?, columns.count()?), id);
    }
    let found = places.iter().map(|place| ids.get(place).copied());
    found
        .collect::<Option<_>>()
        .ok_or_else(|| corrupt("no row for a message just stored"))
}

/// The messages just stored.
fn stored<'a>(
    outcomes: &'a [Option<Outcome>],
    accepted: &'a [usize],
) -> impl Iterator<Item = &'a Message> + Clone {
    let stored = accepted.iter().filter_map(|&index| outcomes[index].as_ref());
    stored.filter_map(|outcome| outcome.as_ref().ok().map(|appended| &appended.message))
}

/// Writes the counters of every conversation that got messages.
async fn raise_counters(
    group: &mut Group,
    news: &[&NewMessage],
    outcomes: &[Option<Outcome>],
    accepted: &[usize],
) -> Result<(), DbErr> {
    // In the order of acceptance the last one of each conversation has its highest numbers.
    let mut last: BTreeMap<i64, (u64, u64, Timestamp)> = BTreeMap::new();
    for &index in accepted {
        if let Some(Ok(Appended { message, .. })) = &outcomes[index] {
            let (id, at) = (message.conversation.0, news[index].at);
            let before = last.get(&id).map_or(Timestamp(0), |(_, _, at)| *at);
            // What is only in a thread is no activity of the conversation.
            let at = if message.in_timeline { at } else { before };
            last.insert(id, (message.seq, message.rev, at));
        }
    }
    let mut values: Vec<Value> = Vec::with_capacity(last.len() * 5);
    for (id, (seq, rev, at)) in last {
        values.extend([
            id.into(),
            (seq as i64).into(),
            (rev as i64).into(),
            at.0.into(),
            group.time.into(),
        ]);
    }
    let sql = format!(
        "WITH new (id, seq, rev, at, time) AS (VALUES {}) UPDATE conversation SET last_seq = new.seq, \
         last_rev = new.rev, last_activity_at = {later}, touched = new.time \
         FROM new WHERE conversation.id = new.id",
        repeated_places(&mut values, 5),
        later = larger("last_activity_at", "new.at")
    );
    execute(&group.tx, sql, values).await
}
