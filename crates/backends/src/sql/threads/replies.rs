//! What the replies of a thread come to, kept with its root, while replies are stored and deleted.

use super::follow::{begin_to_follow, follow_again};
use crate::sql::heads::Heads;
use crate::sql::query::{execute, places, query, row_places};
use crate::sql::rows::{self, Columns};
use crate::sql::writer::Group;
use chinwag_messenger::store::{AppendRefusal, NewMessage};
use chinwag_messenger::{
    ConversationId, Message, MessageId, ThreadChange, ThreadPlace, ThreadSummary, UserId,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// People named with a thread.
const PARTICIPANTS_MAX: usize = 3;

/// Messages that replies hang on, while replies are stored.
pub(in crate::sql) struct Roots(HashMap<i64, Root>);

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
    pub(in crate::sql) async fn load(tx: &DatabaseTransaction, news: &[&NewMessage]) -> Result<Self, DbErr> {
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
    pub(in crate::sql) fn check(
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
    pub(in crate::sql) fn add(&mut self, reply: &Message) -> Option<ThreadChange> {
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
    pub(in crate::sql) fn now(&self, reply: &Message) -> Option<ThreadChange> {
        let id = reply.thread_root?;
        let root = self.0.get(&id.0)?;
        Some(ThreadChange {
            root: id,
            summary: root.summary.clone(),
        })
    }

    /// Writes what has been counted, and who follows now: the author of the root, those who are named, and those
    /// who reply.
    pub(in crate::sql) async fn save(
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

/// Counts the replies of threads anew after some were deleted, under the rev of the deletion.
pub(in crate::sql) async fn recount(
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
pub(in crate::sql) async fn count_for(
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
