//! Threads: reading them here, what their replies come to in `replies`, and who follows them in `follow`.

mod follow;
mod replies;

pub(super) use follow::follow_named;
pub(super) use replies::{Roots, count_for, recount};

use follow::{advance_thread, follow, following, unread_sql};

use super::conversations::standing;
use super::hides::veil;
use super::messages::visible_from;
use super::query::{places, query, store_error};
use super::rows::{self, Columns, MESSAGE, QUOTED};
use super::store::SqlStore;
use chinwag_messenger::store::{
    AdvanceRefusal, Announce, Followed, Replies, StoreError, ThreadAdvance, ThreadAdvanced, ThreadRefusal,
    Threads,
};
use chinwag_messenger::{HistoryRange, MemberState, Message, MessageId, Thread, Timestamp, UserId};
use sea_orm::{ConnectionTrait, DbErr, Value};

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
