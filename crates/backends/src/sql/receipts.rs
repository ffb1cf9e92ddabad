//! Watermarks: moving them, many at once, and counting what is unread.

use super::query::{affected, execute, larger, places, query, repeated_places, store_error};
use super::rows::{self, ACCOUNT, Columns};
use super::store::SqlStore;
use super::writer::{Group, Wishes};
use chinwag_messenger::store::{
    AdvanceOutcomes, AdvanceRefusal, AdvanceTerms, Advanced, Announce, Receipts, Recipient, StoreError,
    Unread,
};
use chinwag_messenger::{Advance, Arrival, ConversationId, Message, Timestamp, UserId};
use sea_orm::{DbErr, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Counting stops here, one above what is shown.
const UNREAD_MAX: u32 = 1_000;

/// Whether the message `u` is one that the member `m` may have to read.
const COUNTS: &str = "u.author_id <> m.user_id AND u.note IS NULL AND u.deleted_at IS NULL AND u.in_timeline \
     AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = m.user_id \
     AND h.conversation_id = u.conversation_id AND h.seq = u.seq) \
     AND NOT EXISTS (SELECT 1 FROM block b WHERE b.owner_id = m.user_id AND b.user_id = u.author_id)";

/// How many messages of `c` the member `m` has still to read, and then how many of them name it or everybody:
/// not its own, no notes, none that is deleted, hidden, only in a thread, or of somebody it blocks. The scans go up
/// from its watermark and end at [`UNREAD_MAX`].
pub(super) fn unread_sql() -> String {
    let read = larger("m.seen_seq", "m.cleared_seq");
    format!(
        "CASE WHEN c.last_seq <= m.seen_seq THEN 0 ELSE (SELECT count(*) FROM (SELECT 1 FROM message u \
         WHERE u.conversation_id = c.id AND u.seq > {read} AND u.seq >= m.history_from_seq AND {COUNTS} \
         LIMIT {UNREAD_MAX}) counted) END, \
         CASE WHEN c.last_seq <= m.seen_seq THEN 0 ELSE (SELECT count(*) FROM (SELECT DISTINCT u.seq \
         FROM mention n JOIN message u ON u.conversation_id = n.conversation_id AND u.seq = n.seq \
         WHERE n.conversation_id = c.id AND n.user_id IN (0, m.user_id) AND n.seq > {read} \
         AND n.seq >= m.history_from_seq AND {COUNTS} LIMIT {UNREAD_MAX}) counted) END"
    )
}

/// Kinds of moves in the log of watermarks.
const DELIVERED: i64 = 0;
const SEEN: i64 = 1;

/// To follow where conversations are `c`: as `m` their members, with accounts `a`, whom messages of an author `v` are
/// for, and as `b` what those who block the author in a direct conversation showed it then. In this order it takes the
/// author's id [`RECIPIENTS_AUTHORS`] times.
const RECIPIENTS: &str = "JOIN account v ON v.id = ? JOIN member m ON m.conversation_id = c.id AND m.user_id <> v.id \
     AND m.left_at IS NULL JOIN account a ON a.id = m.user_id AND a.kind = 0 AND NOT a.suspended \
     AND a.deleted_at IS NULL \
     LEFT JOIN block b ON b.owner_id = m.user_id AND b.user_id = ? AND c.kind = 0";
const RECIPIENTS_AUTHORS: usize = 2;

/// What an author may know of a recipient's watermarks; see [`RECIPIENTS`].
const SHOWN_MARKS: &str = "m.delivered_seq, m.seen_seq, a.read_receipts AND v.read_receipts, b.owner_id IS NOT NULL, \
     COALESCE(b.delivered_seq, 0), COALESCE(b.seen_seq, 0)";

struct ShownMarks {
    delivered_seq: u64,
    seen_seq: Option<u64>,
    blocks: bool,
}

impl ShownMarks {
    fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        let (mut delivered_seq, mut seen_seq) = (columns.count()?, columns.count()?);
        let shared: bool = columns.take()?;
        let blocks: bool = columns.take()?;
        let then = (columns.count()?, columns.count()?);
        if blocks {
            delivered_seq = delivered_seq.min(then.0);
            seen_seq = seen_seq.min(then.1);
        }
        Ok(Self {
            delivered_seq,
            seen_seq: shared.then_some(seen_seq),
            blocks,
        })
    }
}

/// Reads what [`unread_sql`] counts.
pub(super) fn unread(columns: &mut Columns<'_>) -> Result<Unread, DbErr> {
    Ok(Unread {
        messages: columns.count()? as u32,
        mentions: columns.count()? as u32,
    })
}

/// Where one member's watermarks go: delivered and seen.
struct Move {
    from: (u64, u64),
    to: (u64, u64),
    /// When, where that is kept.
    timed_at: Option<Timestamp>,
}

/// Watermarks that move, by conversation and user.
#[derive(Default)]
pub(super) struct Moves(BTreeMap<(i64, i64), Move>);

impl Moves {
    /// Watermarks move on, perhaps once more.
    pub(super) fn note(
        &mut self,
        conversation: ConversationId,
        user: UserId,
        from: (u64, u64),
        to: (u64, u64),
        timed_at: Option<Timestamp>,
    ) {
        let key = (conversation.0, user.0);
        let known = self.0.entry(key).or_insert(Move {
            from,
            to,
            timed_at: None,
        });
        known.to = to;
        known.timed_at = timed_at.or(known.timed_at);
    }

    /// Writes them, and when they moved.
    pub(super) async fn write(&self, group: &mut Group) -> Result<(), DbErr> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut values: Vec<Value> = Vec::with_capacity(self.0.len() * 5);
        for (&(conversation, user), moved) in &self.0 {
            values.extend([
                conversation.into(),
                user.into(),
                (moved.to.0 as i64).into(),
                (moved.to.1 as i64).into(),
                group.time.into(),
            ]);
        }
        let sql = format!(
            "WITH new (conversation, who, delivered, seen, time) AS (VALUES {}) UPDATE member \
             SET delivered_seq = new.delivered, seen_seq = new.seen, touched = new.time FROM new \
             WHERE member.conversation_id = new.conversation AND member.user_id = new.who",
            repeated_places(&mut values, 5)
        );
        execute(&group.tx, sql, values).await?;
        self.write_times(group).await
    }

    async fn write_times(&self, group: &Group) -> Result<(), DbErr> {
        let mut values: Vec<Value> = Vec::new();
        for (&(conversation, user), moved) in &self.0 {
            let Some(at) = moved.timed_at else { continue };
            let kinds = [
                (DELIVERED, moved.from.0, moved.to.0),
                (SEEN, moved.from.1, moved.to.1),
            ];
            for (kind, from, to) in kinds.into_iter().filter(|(_, from, to)| to > from) {
                let (from, to) = (from as i64, to as i64);
                values.extend([
                    conversation.into(),
                    user.into(),
                    kind.into(),
                    to.into(),
                    from.into(),
                    at.0.into(),
                ]);
            }
        }
        if values.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO receipt_advance (conversation_id, user_id, kind, up_to_seq, from_seq, at) VALUES {} \
             ON CONFLICT DO NOTHING",
            repeated_places(&mut values, 6)
        );
        execute(&group.tx, sql, values).await
    }
}

/// Moves the watermarks of all jobs. Most wishes move nothing, and then nothing is written.
pub(super) async fn advance_all(group: &mut Group, jobs: &[&Wishes]) -> Result<Vec<AdvanceOutcomes>, DbErr> {
    let conversations: Vec<i64> = jobs
        .iter()
        .flat_map(|job| &job.wishes)
        .map(|wish| wish.conversation.0)
        .collect();
    group.heads.load(&group.tx, &conversations).await?;

    let mut moves = Moves::default();
    let mut shared: BTreeSet<i64> = BTreeSet::new();
    let mut all = Vec::with_capacity(jobs.len());
    for job in jobs {
        let mut outcomes = Vec::with_capacity(job.wishes.len());
        for wish in &job.wishes {
            let outcome = advance_one(group, job.user, wish);
            if let Ok(advanced) = &outcome
                && advanced.moved()
            {
                let members = group
                    .heads
                    .find(wish.conversation.0)
                    .map_or(0, |head| head.members.len());
                let timed_at = (members <= job.terms.times_members_max).then_some(job.terms.at);
                let to = (advanced.delivered_seq, advanced.seen_seq);
                moves.note(wish.conversation, job.user, advanced.from, to, timed_at);
                if members <= job.terms.receipts_members_max {
                    shared.insert(wish.conversation.0);
                }
            }
            outcomes.push(outcome);
        }
        all.push(outcomes);
    }
    if !moves.0.is_empty() {
        group.dirty = true;
        moves.write(group).await?;
        touch(group, &shared).await?;
    }
    Ok(all)
}

fn advance_one(group: &mut Group, user: UserId, wish: &Advance) -> Result<Advanced, AdvanceRefusal> {
    let head = group
        .heads
        .find(wish.conversation.0)
        .ok_or(AdvanceRefusal::NotAMember)?;
    let member = head.members.get_mut(&user).ok_or(AdvanceRefusal::NotAMember)?;
    let wished_seen = wish.seen_seq.unwrap_or(0);
    let wished_delivered = wish.delivered_seq.unwrap_or(0).max(wished_seen);
    if wished_delivered > head.last_seq {
        return Err(AdvanceRefusal::SeqOutOfRange);
    }
    let from = (member.delivered_seq, member.seen_seq);
    member.seen_seq = member.seen_seq.max(wished_seen);
    member.delivered_seq = member.delivered_seq.max(wished_delivered);
    Ok(Advanced {
        conversation: wish.conversation,
        delivered_seq: member.delivered_seq,
        seen_seq: member.seen_seq,
        from,
        last_seq: head.last_seq,
        audience: head.receipts_to(user),
    })
}

/// Marks the conversations as changed for all their members.
async fn touch(group: &mut Group, conversations: &BTreeSet<i64>) -> Result<(), DbErr> {
    if conversations.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE conversation SET touched = ? WHERE id IN ({})",
        places(conversations.len())
    );
    let mut values: Vec<Value> = vec![group.time.into()];
    values.extend(conversations.iter().map(|&id| Value::from(id)));
    execute(&group.tx, sql, values).await
}

impl SqlStore {
    /// The users that a query of one column finds.
    async fn users(&self, sql: &str, values: Vec<Value>) -> Result<Vec<UserId>, StoreError> {
        let rows = query(&self.readers, sql, values).await.map_err(store_error)?;
        let users = rows.iter().map(|row| row.try_get_by_index(0).map(UserId));
        users.collect::<Result<_, _>>().map_err(store_error)
    }
}

#[async_trait::async_trait]
impl Receipts for SqlStore {
    async fn advance(
        &self,
        user: UserId,
        wishes: &[Advance],
        terms: AdvanceTerms,
        announce: Announce<AdvanceOutcomes>,
    ) -> Result<AdvanceOutcomes, StoreError> {
        let wishes = Wishes {
            user,
            wishes: wishes.to_vec(),
            terms,
        };
        self.writer.advance(wishes, announce).await
    }

    async fn unread(
        &self,
        user: UserId,
        conversations: &[ConversationId],
    ) -> Result<Vec<(ConversationId, Unread)>, StoreError> {
        let sql = format!(
            "SELECT c.id, {} FROM member m JOIN conversation c ON c.id = m.conversation_id \
             WHERE m.user_id = ? AND m.left_at IS NULL AND m.conversation_id IN ({})",
            unread_sql(),
            places(conversations.len())
        );
        let mut values: Vec<Value> = vec![user.0.into()];
        values.extend(conversations.iter().map(|id| Value::from(id.0)));
        let count = async {
            let mut counts = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                counts.push((ConversationId(columns.take()?), unread(&mut columns)?));
            }
            Ok(counts)
        };
        count.await.map_err(store_error)
    }
    async fn recipients(
        &self,
        author: UserId,
        conversations: &[ConversationId],
        members_max: usize,
    ) -> Result<Vec<Recipient>, StoreError> {
        let sql = format!(
            "SELECT m.conversation_id, {SHOWN_MARKS}, m.user_id, m.joined_seq FROM conversation c \
             {RECIPIENTS} WHERE c.member_count <= ? AND c.id IN ({})",
            places(conversations.len())
        );
        let mut values: Vec<Value> = vec![author.0.into(); RECIPIENTS_AUTHORS];
        values.push((members_max as i64).into());
        values.extend(conversations.iter().map(|id| Value::from(id.0)));
        let read = async {
            let mut recipients = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                let conversation = ConversationId(columns.take()?);
                let marks = ShownMarks::read(&mut columns)?;
                recipients.push(Recipient {
                    conversation,
                    user: UserId(columns.take()?),
                    joined_seq: columns.count()?,
                    delivered_seq: marks.delivered_seq,
                    seen_seq: marks.seen_seq,
                    blocks: marks.blocks,
                });
            }
            Ok(recipients)
        };
        read.await.map_err(store_error)
    }

    async fn arrivals(
        &self,
        message: &Message,
        after: Option<UserId>,
        limit: usize,
        times_members_max: usize,
    ) -> Result<Vec<Arrival>, StoreError> {
        // A row of the log that spans the message says when. What was passed while nothing was kept has no time.
        let passed_at = |kind: i64| {
            format!(
                "CASE WHEN c.member_count <= ? THEN (SELECT r.at FROM receipt_advance r \
                 WHERE r.conversation_id = m.conversation_id AND r.user_id = m.user_id AND r.kind = {kind} \
                 AND r.up_to_seq >= ? AND r.from_seq < ? ORDER BY r.up_to_seq LIMIT 1) END"
            )
        };
        let sql = format!(
            "SELECT {SHOWN_MARKS}, {}, {}, f.seen_seq, {ACCOUNT} FROM conversation c \
             {RECIPIENTS} LEFT JOIN thread_follow f ON f.root_id = ? AND f.user_id = m.user_id AND f.following \
             WHERE c.id = ? AND m.joined_seq < ? AND m.user_id > ? ORDER BY m.user_id LIMIT ?",
            passed_at(DELIVERED),
            passed_at(SEEN)
        );
        let seq = message.seq as i64;
        let mut values: Vec<Value> = Vec::new();
        for _ in 0..2 {
            values.extend([(times_members_max as i64).into(), seq.into(), seq.into()]);
        }
        values.extend(vec![Value::from(message.author.0); RECIPIENTS_AUTHORS]);
        values.extend([
            message.thread_root.map_or(0, |root| root.0).into(),
            message.conversation.0.into(),
            seq.into(),
            after.map_or(0, |user| user.0).into(),
            (limit as i64).into(),
        ]);
        let read = async {
            let mut arrivals = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                let marks = ShownMarks::read(&mut columns)?;
                let (delivered_at, mut seen_at) = (columns.time()?, columns.time()?);
                let mut seen_seq = marks.seen_seq;
                let of_thread = columns.maybe_count()?.unwrap_or(0);
                if message.thread_root.is_some() {
                    // When a thread was read is not kept.
                    seen_at = None;
                    seen_seq = seen_seq.map(|shown| {
                        if marks.blocks {
                            of_thread.min(shown)
                        } else {
                            of_thread
                        }
                    });
                }
                let ticked = message.receipts;
                let delivered = ticked && marks.delivered_seq >= message.seq;
                let seen = seen_seq.map(|seen| ticked && seen >= message.seq);
                arrivals.push(Arrival {
                    account: rows::account(&mut columns)?,
                    delivered,
                    delivered_at: delivered_at.filter(|_| delivered),
                    seen,
                    seen_at: seen_at.filter(|_| seen == Some(true)),
                });
            }
            Ok(arrivals)
        };
        read.await.map_err(store_error)
    }

    async fn total_unread(&self, user: UserId, now: Timestamp) -> Result<Unread, StoreError> {
        let read = larger("m.seen_seq", "m.cleared_seq");
        let of_member =
            "FROM member m JOIN conversation c ON c.id = m.conversation_id AND c.last_seq > m.seen_seq";
        let mine = "m.user_id = ? AND m.left_at IS NULL";
        let sql = format!(
            "SELECT (SELECT count(*) FROM (SELECT 1 {of_member} JOIN message u ON u.conversation_id = c.id \
             AND u.seq > {read} AND u.seq >= m.history_from_seq WHERE {mine} AND NOT m.archived \
             AND (m.muted_until IS NULL OR m.muted_until <= ?) AND {COUNTS} LIMIT {UNREAD_MAX}) counted), \
             (SELECT count(*) FROM (SELECT DISTINCT u.conversation_id, u.seq {of_member} \
             JOIN mention n ON n.conversation_id = c.id AND n.user_id IN (0, m.user_id) AND n.seq > {read} \
             AND n.seq >= m.history_from_seq JOIN message u ON u.conversation_id = n.conversation_id \
             AND u.seq = n.seq WHERE {mine} AND m.muted_until > ? AND {COUNTS} LIMIT {UNREAD_MAX}) counted)"
        );
        let values = vec![user.0.into(), now.0.into(), user.0.into(), now.0.into()];
        let rows = query(&self.readers, sql, values).await.map_err(store_error)?;
        let counted = rows.first().map(|row| unread(&mut Columns::of(row)));
        let counted = counted.transpose().map_err(store_error)?;
        Ok(counted.unwrap_or_default())
    }

    async fn receipt_peers(&self, user: UserId, members_max: usize) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT DISTINCT other.user_id FROM member mine \
             JOIN conversation c ON c.id = mine.conversation_id AND c.member_count <= ? \
             JOIN member other ON other.conversation_id = c.id AND other.left_at IS NULL \
             WHERE mine.user_id = ? AND mine.left_at IS NULL ORDER BY other.user_id";
        let values = vec![(members_max as i64).into(), user.0.into()];
        self.users(sql, values).await
    }

    async fn authors(
        &self,
        conversation: ConversationId,
        after: u64,
        up_to: u64,
    ) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT DISTINCT author_id FROM message WHERE conversation_id = ? AND seq > ? AND seq <= ? \
             AND note IS NULL ORDER BY author_id";
        let values = vec![
            conversation.0.into(),
            (after as i64).into(),
            (up_to as i64).into(),
        ];
        self.users(sql, values).await
    }

    async fn forget_receipt_times(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.writer
            .run(None, move |group| {
                Box::pin(async move {
                    let sql = "DELETE FROM receipt_advance WHERE (conversation_id, user_id, kind, up_to_seq) IN \
                         (SELECT conversation_id, user_id, kind, up_to_seq FROM receipt_advance WHERE at < ? \
                         ORDER BY at LIMIT ?)";
                    let values = vec![before.0.into(), (limit as i64).into()];
                    let forgotten = affected(&group.tx, sql, values).await?;
                    group.dirty |= forgotten > 0;
                    Ok(forgotten)
                })
            })
            .await
    }
}
