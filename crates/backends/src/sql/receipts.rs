//! Watermarks: moving them, many at once, and counting what is unread.

use super::append::write_watermarks;
use super::query::{execute, larger, places, query, store_error};
use super::rows::Columns;
use super::store::SqlStore;
use super::writer::{Group, Wishes};
use chinwag_messenger::store::{
    AdvanceOutcomes, AdvanceRefusal, Advanced, Announce, Receipts, StoreError, Unread,
};
use chinwag_messenger::{Advance, ConversationId, UserId};
use sea_orm::{DbErr, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Counting stops here, one above what is shown.
const UNREAD_MAX: u32 = 1_000;

/// How many messages of `c` the member `m` has still to read, and then how many of them name it or everybody (§6):
/// not its own, no notes, none that is deleted, hidden, only in a thread, or of somebody it blocks. The scans go up
/// from its watermark and end at [`UNREAD_MAX`].
pub(super) fn unread_sql() -> String {
    let read = larger("m.seen_seq", "m.cleared_seq");
    let counts = "u.author_id <> m.user_id AND u.note IS NULL AND u.deleted_at IS NULL AND u.in_timeline \
         AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = m.user_id \
         AND h.conversation_id = u.conversation_id AND h.seq = u.seq) \
         AND NOT EXISTS (SELECT 1 FROM block b WHERE b.owner_id = m.user_id AND b.user_id = u.author_id)";
    format!(
        "CASE WHEN c.last_seq <= m.seen_seq THEN 0 ELSE (SELECT count(*) FROM (SELECT 1 FROM message u \
         WHERE u.conversation_id = c.id AND u.seq > {read} AND u.seq >= m.history_from_seq AND {counts} \
         LIMIT {UNREAD_MAX}) counted) END, \
         CASE WHEN c.last_seq <= m.seen_seq THEN 0 ELSE (SELECT count(*) FROM (SELECT DISTINCT u.seq \
         FROM mention n JOIN message u ON u.conversation_id = n.conversation_id AND u.seq = n.seq \
         WHERE n.conversation_id = c.id AND n.user_id IN (0, m.user_id) AND n.seq > {read} \
         AND n.seq >= m.history_from_seq AND {counts} LIMIT {UNREAD_MAX}) counted) END"
    )
}

/// Reads what [`unread_sql`] counts.
pub(super) fn unread(columns: &mut Columns<'_>) -> Result<Unread, DbErr> {
    Ok(Unread {
        messages: columns.count()? as u32,
        mentions: columns.count()? as u32,
    })
}

/// Moves the watermarks of all jobs. Most wishes move nothing, and then nothing is written.
pub(super) async fn advance_all(group: &mut Group, jobs: &[&Wishes]) -> Result<Vec<AdvanceOutcomes>, DbErr> {
    let conversations: Vec<i64> = jobs
        .iter()
        .flat_map(|job| &job.wishes)
        .map(|wish| wish.conversation.0)
        .collect();
    group.heads.load(&group.tx, &conversations).await?;

    let mut moved: BTreeMap<(i64, i64), (u64, u64)> = BTreeMap::new();
    let mut shared: BTreeSet<i64> = BTreeSet::new();
    let mut all = Vec::with_capacity(jobs.len());
    for job in jobs {
        let mut outcomes = Vec::with_capacity(job.wishes.len());
        for wish in &job.wishes {
            let outcome = advance_one(group, job.user, wish);
            if let Ok(advanced) = &outcome
                && advanced.moved
            {
                let place = (wish.conversation.0, job.user.0);
                moved.insert(place, (advanced.delivered_seq, advanced.seen_seq));
                if advanced.audience.len() <= job.receipts_members_max {
                    shared.insert(wish.conversation.0);
                }
            }
            outcomes.push(outcome);
        }
        all.push(outcomes);
    }
    if !moved.is_empty() {
        group.dirty = true;
        let moved = moved
            .into_iter()
            .map(|((conversation, user), to)| (conversation, user, to.0, to.1));
        write_watermarks(group, moved.collect()).await?;
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
    let before = (member.delivered_seq, member.seen_seq);
    member.seen_seq = member.seen_seq.max(wished_seen);
    member.delivered_seq = member.delivered_seq.max(wished_delivered);
    Ok(Advanced {
        conversation: wish.conversation,
        delivered_seq: member.delivered_seq,
        seen_seq: member.seen_seq,
        moved: before != (member.delivered_seq, member.seen_seq),
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

#[async_trait::async_trait]
impl Receipts for SqlStore {
    async fn advance(
        &self,
        user: UserId,
        wishes: &[Advance],
        receipts_members_max: usize,
        announce: Announce<AdvanceOutcomes>,
    ) -> Result<AdvanceOutcomes, StoreError> {
        let wishes = Wishes {
            user,
            wishes: wishes.to_vec(),
            receipts_members_max,
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
}
