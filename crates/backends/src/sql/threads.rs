//! Threads: what their replies come to, who follows them, and reading them.

use super::conversations::{raise_user_revs, standing};
use super::heads::Heads;
use super::hides::veil;
use super::messages::visible_from;
use super::query::{execute, larger, places, query, row_places, store_error};
use super::rows::{self, Columns, MESSAGE, QUOTED};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    AdvanceRefusal, Announce, AppendRefusal, Followed, NewMessage, Replies, StoreError, ThreadAdvance,
    ThreadAdvanced, ThreadRefusal, Threads,
};
use chinwag_messenger::{
    ConversationId, HistoryRange, MemberState, Mention, Message, MessageId, Thread, ThreadChange,
    ThreadPlace, ThreadSummary, Timestamp, UserId,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Counting stops here, one above what is shown.
const UNREAD_MAX: u32 = 1_000;

/// People named with a thread.
const PARTICIPANTS_MAX: usize = 3;

/// Messages that replies hang on, while replies are stored.
pub(super) struct Roots(HashMap<i64, Root>);

struct Root {
    conversation: i64,
    seq: u64,
    author: UserId,
    /// Neither a note nor a reply, nor deleted before there was any reply.
    takes_replies: bool,
    summary: ThreadSummary,
    /// The rev of the last reply among those being stored.
    rev: Option<u64>,
}

impl Roots {
    /// Those that the messages name.
    pub(super) async fn load(tx: &DatabaseTransaction, news: &[&NewMessage]) -> Result<Self, DbErr> {
        let ids: BTreeSet<i64> = news
            .iter()
            .filter_map(|new| new.thread)
            .map(|place| place.root.0)
            .collect();
        let mut roots = HashMap::new();
        if ids.is_empty() {
            return Ok(Self(roots));
        }
        let sql = format!(
            "SELECT id, conversation_id, seq, author_id, note IS NOT NULL, thread_root_id, deleted_at, \
             reply_count, last_reply_seq, last_reply_at, participants FROM message WHERE id IN ({})",
            places(ids.len())
        );
        for row in query(tx, sql, ids.into_iter().map(Value::from).collect()).await? {
            let mut columns = Columns::of(&row);
            let id = columns.take()?;
            let (conversation, seq) = (columns.take()?, columns.count()?);
            let author = UserId(columns.take()?);
            let system: bool = columns.take()?;
            let reply = columns.take::<Option<i64>>()?.is_some();
            let deleted = columns.time()?.is_some();
            let summary = rows::thread_summary(&mut columns)?;
            let root = Root {
                conversation,
                seq,
                author,
                takes_replies: !system && !reply && (!deleted || summary.reply_count > 0),
                summary,
                rev: None,
            };
            roots.insert(id, root);
        }
        Ok(Self(roots))
    }

    /// Whether somebody who sees the conversation from a seq on may reply in this thread.
    pub(super) fn check(
        &self,
        place: ThreadPlace,
        conversation: ConversationId,
        visible_from: u64,
    ) -> Result<(), AppendRefusal> {
        let root = self.0.get(&place.root.0);
        let fits = |root: &&Root| {
            root.takes_replies && root.conversation == conversation.0 && root.seq >= visible_from
        };
        root.filter(fits)
            .map(|_| ())
            .ok_or(AppendRefusal::ThreadRootInvalid)
    }

    /// Counts a reply; what its thread comes to with it.
    pub(super) fn add(&mut self, reply: &Message) -> Option<ThreadChange> {
        let root = self.0.get_mut(&reply.thread_root?.0)?;
        let summary = &mut root.summary;
        summary.reply_count += 1;
        summary.last_reply_seq = Some(reply.seq);
        summary.last_reply_at = Some(reply.created_at);
        if summary.participants.len() < PARTICIPANTS_MAX && !summary.participants.contains(&reply.author) {
            summary.participants.push(reply.author);
        }
        root.rev = Some(reply.rev);
        self.now(reply)
    }

    /// What the thread of a reply comes to.
    pub(super) fn now(&self, reply: &Message) -> Option<ThreadChange> {
        let id = reply.thread_root?;
        let root = self.0.get(&id.0)?;
        Some(ThreadChange {
            root: id,
            summary: root.summary.clone(),
        })
    }

    /// Writes what has been counted, and who follows now: the author of the root, those who are named, and those
    /// who reply.
    pub(super) async fn save(
        &self,
        tx: &DatabaseTransaction,
        heads: &mut Heads,
        replies: &[(&Message, bool)],
    ) -> Result<(), DbErr> {
        let changed: Vec<_> = self
            .0
            .iter()
            .filter_map(|(id, root)| Some((*id, root.rev?, &root.summary)))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        write_summaries(tx, &changed).await?;

        let mut begins: BTreeMap<(i64, UserId), u64> = BTreeMap::new();
        let mut repliers: BTreeMap<(i64, UserId), u64> = BTreeMap::new();
        for &(reply, advance_seen) in replies {
            let Some(id) = reply.thread_root else { continue };
            let (Some(root), Some(head)) = (self.0.get(&id.0), heads.find(reply.conversation.0)) else {
                continue;
            };
            if head.members.contains_key(&root.author) {
                begins.entry((id.0, root.author)).or_insert(root.seq);
            }
            let named = reply.mentions.iter().filter_map(|mention| mention.user);
            for user in named.filter(|user| head.members.contains_key(user)) {
                begins.entry((id.0, user)).or_insert(reply.seq - 1);
            }
            begins.entry((id.0, reply.author)).or_insert(reply.seq);
            let seen = if advance_seen { reply.seq } else { 0 };
            let known = repliers.entry((id.0, reply.author)).or_insert(0);
            *known = seen.max(*known);
        }
        begin_to_follow(tx, &begins).await?;
        follow_again(tx, &repliers).await
    }
}

/// Those follow the thread of an edited reply whom it names, and did not before.
pub(super) async fn follow_named(
    group: &mut Group,
    reply: &Message,
    named_before: &[Mention],
) -> Result<(), DbErr> {
    let (Some(root), Some(head)) = (reply.thread_root, group.heads.find(reply.conversation.0)) else {
        return Ok(());
    };
    let before: Vec<_> = named_before.iter().map(|mention| mention.user).collect();
    let named = reply.mentions.iter().map(|mention| mention.user);
    let begins: BTreeMap<_, _> = named
        .filter(|user| !before.contains(user))
        .flatten()
        .filter(|user| head.members.contains_key(user))
        .map(|user| ((root.0, user), reply.seq - 1))
        .collect();
    if begins.is_empty() {
        return Ok(());
    }
    begin_to_follow(&group.tx, &begins).await
}

async fn write_summaries(
    tx: &DatabaseTransaction,
    changed: &[(i64, u64, &ThreadSummary)],
) -> Result<(), DbErr> {
    let sql = format!(
        "WITH new (id, rev, replies, last, at, people) AS (VALUES {}) UPDATE message SET rev = new.rev, \
         reply_count = new.replies, last_reply_seq = new.last, last_reply_at = new.at, \
         participants = new.people FROM new WHERE message.id = new.id",
        row_places(changed.len(), 6)
    );
    let mut values: Vec<Value> = Vec::with_capacity(changed.len() * 6);
    for (id, rev, summary) in changed {
        let people: Vec<i64> = summary.participants.iter().map(|user| user.0).collect();
        values.extend([
            (*id).into(),
            (*rev as i64).into(),
            i64::from(summary.reply_count).into(),
            summary.last_reply_seq.map(|seq| seq as i64).into(),
            summary.last_reply_at.map(|at| at.0).into(),
            (!people.is_empty()).then(|| json!(people).to_string()).into(),
        ]);
    }
    execute(tx, sql, values).await
}

/// Those follow who have not yet said whether they want to.
async fn begin_to_follow(
    tx: &DatabaseTransaction,
    begins: &BTreeMap<(i64, UserId), u64>,
) -> Result<(), DbErr> {
    let sql = format!(
        "INSERT INTO thread_follow (root_id, user_id, following, seen_seq) VALUES {} \
         ON CONFLICT (root_id, user_id) DO NOTHING",
        row_places(begins.len(), 4)
    );
    let mut values: Vec<Value> = Vec::with_capacity(begins.len() * 4);
    for (&(root, user), &seen) in begins {
        values.extend([root.into(), user.0.into(), true.into(), (seen as i64).into()]);
    }
    execute(tx, sql, values).await
}

/// Who replies follows, whatever it said before, and has seen the thread up to there.
async fn follow_again(
    tx: &DatabaseTransaction,
    repliers: &BTreeMap<(i64, UserId), u64>,
) -> Result<(), DbErr> {
    let sql = format!(
        "WITH new (root, who, seen) AS (VALUES {}) UPDATE thread_follow SET following = TRUE, seen_seq = {} \
         FROM new WHERE thread_follow.root_id = new.root AND thread_follow.user_id = new.who",
        row_places(repliers.len(), 3),
        larger("seen_seq", "new.seen")
    );
    let mut values: Vec<Value> = Vec::with_capacity(repliers.len() * 3);
    for (&(root, user), &seen) in repliers {
        values.extend([root.into(), user.0.into(), (seen as i64).into()]);
    }
    execute(tx, sql, values).await
}

/// Counts the replies of threads anew after some were deleted, under the rev of the deletion.
pub(super) async fn recount(
    group: &Group,
    roots: &BTreeSet<MessageId>,
    rev: u64,
) -> Result<Vec<ThreadChange>, DbErr> {
    let mut changes = Vec::with_capacity(roots.len());
    for &root in roots {
        let sql = "SELECT author_id, COUNT(*), MAX(seq), MAX(created_at) FROM message \
                   WHERE thread_root_id = ? AND deleted_at IS NULL GROUP BY author_id ORDER BY MIN(seq)";
        let mut summary = ThreadSummary::default();
        for row in query(&group.tx, sql, vec![root.0.into()]).await? {
            add_author(&mut summary, &mut Columns::of(&row))?;
        }
        write_summaries(&group.tx, &[(root.0, rev, &summary)]).await?;
        changes.push(ThreadChange { root, summary });
    }
    Ok(changes)
}

/// Counts the replies of threads anew for a reader who does not see all of them.
pub(super) async fn count_for(
    connection: &impl ConnectionTrait,
    reader: UserId,
    messages: &mut [&mut Message],
) -> Result<(), DbErr> {
    let roots: Vec<i64> = messages
        .iter()
        .filter(|message| message.thread.reply_count > 0)
        .map(|message| message.id.0)
        .collect();
    if roots.is_empty() {
        return Ok(());
    }
    // Most people have hidden nothing.
    let sql = format!(
        "SELECT DISTINCT r.thread_root_id FROM message r JOIN hidden_message h ON h.user_id = ? \
         AND h.conversation_id = r.conversation_id AND h.seq = r.seq WHERE r.thread_root_id IN ({})",
        places(roots.len())
    );
    let mut values: Vec<Value> = vec![reader.0.into()];
    values.extend(roots.iter().map(|&root| Value::from(root)));
    let mut counted: HashMap<i64, ThreadSummary> = HashMap::new();
    for row in query(connection, sql, values).await? {
        counted.insert(Columns::of(&row).take()?, ThreadSummary::default());
    }
    if counted.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT r.thread_root_id, r.author_id, COUNT(*), MAX(r.seq), MAX(r.created_at) FROM message r \
         WHERE r.thread_root_id IN ({}) AND r.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM hidden_message h \
         WHERE h.user_id = ? AND h.conversation_id = r.conversation_id AND h.seq = r.seq) \
         GROUP BY r.thread_root_id, r.author_id ORDER BY MIN(r.seq)",
        places(counted.len())
    );
    let mut values: Vec<Value> = counted.keys().map(|&root| Value::from(root)).collect();
    values.push(reader.0.into());
    for row in query(connection, sql, values).await? {
        let mut columns = Columns::of(&row);
        if let Some(summary) = counted.get_mut(&columns.take::<i64>()?) {
            add_author(summary, &mut columns)?;
        }
    }
    for message in messages {
        if let Some(summary) = counted.remove(&message.id.0) {
            message.thread = summary;
        }
    }
    Ok(())
}

/// Adds what one author said in a thread: who, how often, the last place and time.
fn add_author(summary: &mut ThreadSummary, columns: &mut Columns<'_>) -> Result<(), DbErr> {
    let author = UserId(columns.take()?);
    summary.reply_count += columns.count()? as u32;
    summary.last_reply_seq = summary.last_reply_seq.max(Some(columns.count()?));
    summary.last_reply_at = summary.last_reply_at.max(columns.time()?);
    if summary.participants.len() < PARTICIPANTS_MAX {
        summary.participants.push(author);
    }
    Ok(())
}

/// How many replies to `root` the user has still to read above `seen`: by others, neither deleted, nor hidden, nor
/// of somebody it blocks.
fn unread_sql(root: &str, user: &str, seen: &str) -> String {
    format!(
        "SELECT COUNT(*) FROM (SELECT 1 FROM message u WHERE u.thread_root_id = {root} AND u.seq > {seen} \
         AND u.author_id <> {user} AND u.deleted_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = {user} \
         AND h.conversation_id = u.conversation_id AND h.seq = u.seq) \
         AND NOT EXISTS (SELECT 1 FROM block b WHERE b.owner_id = {user} AND b.user_id = u.author_id) \
         LIMIT {UNREAD_MAX}) counted"
    )
}

/// Whether the user follows the thread, how far it has seen it, and what it has still to read.
async fn following(
    connection: &impl ConnectionTrait,
    user: UserId,
    root: MessageId,
) -> Result<(bool, u64, u32), DbErr> {
    let sql = format!(
        "SELECT f.following, f.seen_seq, ({}) FROM thread_follow f WHERE f.root_id = ? AND f.user_id = ?",
        unread_sql("f.root_id", "f.user_id", "f.seen_seq")
    );
    let row = query(connection, sql, vec![root.0.into(), user.0.into()])
        .await?
        .pop();
    let Some(row) = row else { return Ok((false, 0, 0)) };
    let mut columns = Columns::of(&row);
    let (following, seen) = (columns.take()?, columns.count()?);
    let unread = columns.count()? as u32;
    Ok(if following {
        (true, seen, unread)
    } else {
        (false, 0, 0)
    })
}

/// The root as somebody sees it who was a member once, and what there is for it to see.
async fn root_for(
    connection: &impl ConnectionTrait,
    user: UserId,
    root: MessageId,
) -> Result<Result<(Message, MemberState, u64), ThreadRefusal>, DbErr> {
    let sql = format!("SELECT {MESSAGE} FROM message m {QUOTED} WHERE m.id = ?");
    let Some(row) = query(connection, sql, vec![root.0.into()]).await?.pop() else {
        return Ok(Err(ThreadRefusal::NotFound));
    };
    let mut message = rows::message(&mut Columns::of(&row))?;
    let Some((head, member)) = standing(connection, user, message.conversation).await? else {
        return Ok(Err(ThreadRefusal::NotFound));
    };
    let last = member.left_seq.unwrap_or(head.last_seq);
    if message.seq < visible_from(&member) || message.seq > last {
        return Ok(Err(ThreadRefusal::NotFound));
    }
    let first = visible_from(&member);
    veil(connection, user, &mut [&mut message], |_| first).await?;
    if message.hidden {
        return Ok(Err(ThreadRefusal::NotFound));
    }
    if message.is_system() || message.thread_root.is_some() {
        return Ok(Err(ThreadRefusal::NoRoot));
    }
    Ok(Ok((message, member, last)))
}

/// Replies of a thread between two seqs, both included, from one end of them.
struct Window {
    root: MessageId,
    first: u64,
    last: u64,
}

impl Window {
    async fn read(
        &self,
        connection: &impl ConnectionTrait,
        (first, last): (u64, u64),
        direction: &str,
        limit: usize,
    ) -> Result<Vec<Message>, DbErr> {
        let (first, last) = (first.max(self.first), last.min(self.last));
        if first > last || limit == 0 {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {MESSAGE} FROM message m {QUOTED} WHERE m.thread_root_id = ? AND m.seq BETWEEN ? AND ? \
             ORDER BY m.seq {direction} LIMIT ?"
        );
        let values = vec![
            self.root.0.into(),
            (first as i64).into(),
            (last as i64).into(),
            (limit as i64).into(),
        ];
        let found = query(connection, sql, values).await?;
        let mut messages: Vec<Message> = found
            .iter()
            .map(|row| rows::message(&mut Columns::of(row)))
            .collect::<Result<_, _>>()?;
        messages.sort_unstable_by_key(|message| message.seq);
        Ok(messages)
    }

    async fn any(&self, connection: &impl ConnectionTrait, range: (u64, u64)) -> Result<bool, DbErr> {
        Ok(!self.read(connection, range, "ASC", 1).await?.is_empty())
    }

    /// A page, and whether there is more before and after.
    async fn page(
        &self,
        connection: &impl ConnectionTrait,
        range: HistoryRange,
        limit: usize,
    ) -> Result<(Vec<Message>, bool, bool), DbErr> {
        const END: u64 = i64::MAX as u64;
        let below = |seq: u64| (0, seq.saturating_sub(1));
        let above = |seq: u64| (seq.saturating_add(1).min(END), END);
        let messages = match range {
            HistoryRange::Newest => self.read(connection, (0, END), "DESC", limit).await?,
            HistoryRange::Before(seq) => self.read(connection, below(seq), "DESC", limit).await?,
            HistoryRange::After(seq) => self.read(connection, above(seq), "ASC", limit).await?,
            HistoryRange::Around(seq) => {
                let before = self.read(connection, below(seq), "DESC", limit / 2).await?;
                let rest = limit - before.len();
                let after = self.read(connection, (seq, END), "ASC", rest).await?;
                [before, after].concat()
            }
        };
        let (first, last) = match (messages.first(), messages.last(), range) {
            (Some(first), Some(last), _) => (first.seq, last.seq),
            (_, _, HistoryRange::Before(seq)) => (seq, seq.saturating_sub(1)),
            (_, _, HistoryRange::After(seq)) => (seq.saturating_add(1), seq),
            _ => return Ok((messages, false, false)),
        };
        let more_before = self.any(connection, below(first)).await?;
        let more_after = self.any(connection, above(last)).await?;
        Ok((messages, more_before, more_after))
    }
}

#[async_trait::async_trait]
impl Threads for SqlStore {
    async fn thread(
        &self,
        reader: UserId,
        root: MessageId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<Result<Replies, ThreadRefusal>, StoreError> {
        let tx = self.snapshot().await?;
        let read = async {
            let (root, member, last) = match root_for(&tx, reader, root).await? {
                Ok(found) => found,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let window = Window {
                root: root.id,
                first: visible_from(&member),
                last,
            };
            let (mut messages, has_more_before, has_more_after) = window.page(&tx, range, limit).await?;
            let mut read: Vec<&mut Message> = messages.iter_mut().collect();
            veil(&tx, reader, &mut read, |_| window.first).await?;
            let (following, seen_seq, unread_count) = match member.left_at {
                None => following(&tx, reader, root.id).await?,
                Some(_) => (false, 0, 0),
            };
            let thread = Thread {
                listed_at: root.created_at,
                root,
                following,
                seen_seq,
                unread_count,
            };
            Ok(Ok(Replies {
                thread,
                messages,
                has_more_before,
                has_more_after,
            }))
        };
        read.await.map_err(store_error)
    }

    async fn threads(
        &self,
        reader: UserId,
        unread_only: bool,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Vec<Thread>, StoreError> {
        let unread = unread_sql("f.root_id", "f.user_id", "f.seen_seq");
        let wanted = if unread_only {
            format!("AND ({unread}) > 0")
        } else {
            String::new()
        };
        let sql = format!(
            "SELECT r.history_from_seq, r.cleared_seq, f.seen_seq, ({unread}), {MESSAGE} FROM thread_follow f JOIN message m ON m.id = f.root_id \
             JOIN member r ON r.conversation_id = m.conversation_id AND r.user_id = f.user_id \
             JOIN conversation c ON c.id = m.conversation_id {QUOTED} \
             WHERE f.user_id = ? AND f.following AND r.left_at IS NULL AND c.deleted_at IS NULL \
             AND m.seq >= r.history_from_seq AND m.seq > r.cleared_seq AND m.reply_count > 0 \
             AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = f.user_id \
             AND h.conversation_id = m.conversation_id AND h.seq = m.seq) AND (m.last_reply_at, m.id) < (?, ?) {wanted} ORDER BY m.last_reply_at DESC, m.id DESC LIMIT ?"
        );
        let (at, id) = after.unwrap_or((Timestamp(i64::MAX), MessageId(i64::MAX)));
        let values = vec![reader.0.into(), at.0.into(), id.0.into(), (limit as i64).into()];
        let read = async {
            let mut threads = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                let first = columns.count()?.max(columns.count()? + 1);
                let (seen_seq, unread) = (columns.count()?, columns.count()?);
                let mut root = rows::message(&mut columns)?;
                let listed_at = root.thread.last_reply_at.unwrap_or(root.created_at);
                veil(&self.readers, reader, &mut [&mut root], |_| first).await?;
                threads.push(Thread {
                    listed_at,
                    root,
                    following: true,
                    seen_seq,
                    unread_count: unread as u32,
                });
            }
            Ok(threads)
        };
        read.await.map_err(store_error)
    }

    async fn follow(
        &self,
        user: UserId,
        root: MessageId,
        following: bool,
        announce: Announce<Result<Followed, ThreadRefusal>>,
    ) -> Result<Result<Followed, ThreadRefusal>, StoreError> {
        self.writer
            .run(Some(announce), move |group| {
                Box::pin(follow(group, user, root, following))
            })
            .await
    }

    async fn advance_thread(
        &self,
        user: UserId,
        wish: ThreadAdvance,
        announce: Announce<Result<ThreadAdvanced, AdvanceRefusal>>,
    ) -> Result<Result<ThreadAdvanced, AdvanceRefusal>, StoreError> {
        self.writer
            .run(Some(announce), move |group| {
                Box::pin(advance_thread(group, user, wish))
            })
            .await
    }

    async fn followers(&self, roots: &[MessageId]) -> Result<Vec<(MessageId, UserId, u64)>, StoreError> {
        if roots.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT f.root_id, f.user_id, f.seen_seq FROM thread_follow f JOIN message m ON m.id = f.root_id \
             JOIN member r ON r.conversation_id = m.conversation_id AND r.user_id = f.user_id \
             WHERE f.root_id IN ({}) AND f.following AND r.left_at IS NULL ORDER BY f.root_id, f.user_id",
            places(roots.len())
        );
        let values = roots.iter().map(|root| Value::from(root.0)).collect();
        let read = async {
            let mut followers = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                let (root, user) = (MessageId(columns.take()?), UserId(columns.take()?));
                followers.push((root, user, columns.count()?));
            }
            Ok(followers)
        };
        read.await.map_err(store_error)
    }
}

async fn follow(
    group: &mut Group,
    user: UserId,
    root: MessageId,
    wished: bool,
) -> Result<Result<Followed, ThreadRefusal>, DbErr> {
    let (root, member, last) = match root_for(&group.tx, user, root).await? {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if member.left_at.is_some() {
        return Ok(Err(ThreadRefusal::NotAMember));
    }
    let (before, _, _) = following(&group.tx, user, root.id).await?;
    let mut user_rev = None;
    if before != wished {
        group.dirty = true;
        let sql = format!(
            "INSERT INTO thread_follow (root_id, user_id, following, seen_seq) VALUES {} \
             ON CONFLICT (root_id, user_id) DO UPDATE SET following = excluded.following, \
             seen_seq = excluded.seen_seq",
            row_places(1, 4)
        );
        let values = vec![
            root.id.0.into(),
            user.0.into(),
            wished.into(),
            (last as i64).into(),
        ];
        execute(&group.tx, sql, values).await?;
        let raised = raise_user_revs(group, &[user]).await?;
        user_rev = raised.first().map(|&(_, rev)| rev);
    }
    let (_, seen_seq, unread) = following(&group.tx, user, root.id).await?;
    Ok(Ok(Followed {
        conversation: root.conversation,
        seen_seq,
        unread,
        user_rev,
    }))
}

async fn advance_thread(
    group: &mut Group,
    user: UserId,
    wish: ThreadAdvance,
) -> Result<Result<ThreadAdvanced, AdvanceRefusal>, DbErr> {
    let found = root_for(&group.tx, user, wish.root).await?;
    let Ok((root, member, last)) = found else {
        return Ok(Err(AdvanceRefusal::NotAMember));
    };
    if root.conversation != wish.conversation || member.left_at.is_some() {
        return Ok(Err(AdvanceRefusal::NotAMember));
    }
    if wish.seen_seq > last {
        return Ok(Err(AdvanceRefusal::SeqOutOfRange));
    }
    let (followed, before, unread) = following(&group.tx, user, root.id).await?;
    let mut advanced = ThreadAdvanced {
        seen_seq: before,
        delivered_seq: member.delivered_seq,
        from: (followed && wish.seen_seq > before).then_some(before),
        unread,
        authors: Vec::new(),
        members: 0,
    };
    if advanced.from.is_none() {
        return Ok(Ok(advanced));
    }
    group.dirty = true;
    let sql = "UPDATE thread_follow SET seen_seq = ? WHERE root_id = ? AND user_id = ?";
    let values = vec![(wish.seen_seq as i64).into(), root.id.0.into(), user.0.into()];
    execute(&group.tx, sql, values).await?;
    let (_, seen_seq, unread) = following(&group.tx, user, root.id).await?;
    advanced.seen_seq = seen_seq;
    advanced.unread = unread;
    let sql = "SELECT DISTINCT u.author_id, c.member_count FROM message u JOIN member r \
               ON r.conversation_id = u.conversation_id AND r.user_id = u.author_id AND r.left_at IS NULL \
               JOIN conversation c ON c.id = u.conversation_id \
               WHERE u.thread_root_id = ? AND u.seq > ? AND u.seq <= ? AND u.author_id <> ? \
               AND u.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM block b WHERE c.kind = 0 \
               AND b.owner_id = ? AND b.user_id = u.author_id) ORDER BY u.author_id";
    let values = vec![
        root.id.0.into(),
        (before as i64).into(),
        (seen_seq as i64).into(),
        user.0.into(),
        user.0.into(),
    ];
    for row in query(&group.tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        advanced.authors.push(UserId(columns.take()?));
        advanced.members = columns.count()? as usize;
    }
    Ok(Ok(advanced))
}
