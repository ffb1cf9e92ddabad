//! Messages: handing new ones to the writer, and reading.

use super::conversations::standing;
use super::hides::veil;
use super::query::{query, store_error};
use super::rows::{self, Columns, MESSAGE, QUOTED};
use super::store::SqlStore;
use chinwag_messenger::store::{Announce, AppendRefusal, Appended, Messages, NewMessage, StoreError};
use chinwag_messenger::{ConversationId, History, HistoryRange, MemberState, Message, MessageId, UserId};
use sea_orm::{ConnectionTrait, DbErr, Value};

#[async_trait::async_trait]
impl Messages for SqlStore {
    async fn append(
        &self,
        new: NewMessage,
        announce: Announce<Appended>,
    ) -> Result<Result<Appended, AppendRefusal>, StoreError> {
        self.writer.append(new, announce).await
    }

    async fn history(
        &self,
        reader: UserId,
        conversation: ConversationId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<Option<History>, StoreError> {
        let tx = self.snapshot().await?;
        history(&tx, reader, conversation, range, limit)
            .await
            .map_err(store_error)
    }

    async fn message(&self, reader: UserId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let sql = format!(
            "SELECT r.history_from_seq, r.cleared_seq, {MESSAGE} FROM message m JOIN member r ON r.conversation_id = m.conversation_id \
             AND r.user_id = ? JOIN conversation c ON c.id = m.conversation_id AND c.deleted_at IS NULL {QUOTED} \
             WHERE m.id = ? AND m.seq >= r.history_from_seq AND m.seq > r.cleared_seq \
             AND (r.left_seq IS NULL OR m.seq <= r.left_seq)"
        );
        let read = async {
            let found = query(&self.readers, sql, vec![reader.0.into(), id.0.into()]).await?;
            let Some(row) = found.first() else { return Ok(None) };
            let mut columns = Columns::of(row);
            let first = columns.count()?.max(columns.count()? + 1);
            let mut message = rows::message(&mut columns)?;
            veil(&self.readers, reader, &mut [&mut message], |_| first).await?;
            Ok(Some(message).filter(|message| !message.hidden))
        };
        read.await.map_err(store_error)
    }
}

/// The first message the member may see.
pub(super) fn visible_from(member: &MemberState) -> u64 {
    member.history_from_seq.max(member.cleared_seq + 1)
}

async fn history(
    connection: &impl ConnectionTrait,
    reader: UserId,
    conversation: ConversationId,
    range: HistoryRange,
    limit: usize,
) -> Result<Option<History>, DbErr> {
    let Some((head, member)) = standing(connection, reader, conversation).await? else {
        return Ok(None);
    };
    let first = visible_from(&member);
    let last = member.left_seq.unwrap_or(head.last_seq);
    let page = Seqs { first, last }.page(range, limit as u64);
    let mut messages = Vec::new();
    if let Some(page) = page {
        let sql = format!(
            "SELECT {MESSAGE} FROM message m {QUOTED} \
             WHERE m.conversation_id = ? AND m.seq BETWEEN ? AND ? ORDER BY m.seq"
        );
        let values: Vec<Value> = vec![
            conversation.0.into(),
            (page.first as i64).into(),
            (page.last as i64).into(),
        ];
        for row in query(connection, sql, values).await? {
            messages.push(rows::message(&mut Columns::of(&row))?);
        }
    }
    let mut read: Vec<&mut Message> = messages.iter_mut().collect();
    veil(connection, reader, &mut read, |_| first).await?;
    let (has_more_before, has_more_after) = match page {
        Some(page) => (page.first > first, page.last < last),
        // Nothing lies in the range, but all there is may lie on its other side.
        None => match range {
            HistoryRange::Before(_) => (false, first <= last),
            HistoryRange::After(_) => (first <= last, false),
            HistoryRange::Newest | HistoryRange::Around(_) => (false, false),
        },
    };
    let (last_seq, last_rev) = (last, member.left_rev.unwrap_or(head.last_rev));
    Ok(Some(History {
        messages,
        has_more_before,
        has_more_after,
        last_seq,
        last_rev,
    }))
}

/// An unbroken range of seqs, both ends included. As seqs are dense, pages are plain arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seqs {
    first: u64,
    last: u64,
}

impl Seqs {
    /// The part of these that a page holds; `None` when it is empty.
    fn page(self, range: HistoryRange, limit: u64) -> Option<Seqs> {
        let (first, last) = match range {
            HistoryRange::Newest => (self.downwards(self.last, limit), self.last),
            HistoryRange::Before(seq) => {
                let last = self.last.min(seq.saturating_sub(1));
                (self.downwards(last, limit), last)
            }
            HistoryRange::After(seq) => {
                let first = self.first.max(seq.saturating_add(1));
                (first, self.last.min(first.saturating_add(limit - 1)))
            }
            HistoryRange::Around(seq) => {
                // What one side lacks the other may have.
                let start = self.first.max(seq.min(self.last).saturating_sub(limit / 2));
                let last = self.last.min(start.saturating_add(limit - 1));
                (self.downwards(last, limit), last)
            }
        };
        (first <= last).then_some(Seqs { first, last })
    }

    fn downwards(self, last: u64, limit: u64) -> u64 {
        self.first.max((last + 1).saturating_sub(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HistoryRange::{After, Around, Before, Newest};

    #[test]
    fn pages_hold_what_lies_next_to_the_asked_place() {
        let check = |all: (u64, u64), range, limit, expected: Option<(u64, u64)>| {
            let page = Seqs {
                first: all.0,
                last: all.1,
            }
            .page(range, limit);
            assert_eq!(
                page.map(|page| (page.first, page.last)),
                expected,
                "{all:?} {range:?} {limit}"
            );
        };
        check((1, 0), Newest, 10, None);
        check((1, 100), Newest, 10, Some((91, 100)));
        check((1, 5), Newest, 10, Some((1, 5)));
        check((95, 100), Newest, 10, Some((95, 100)));
        check((101, 100), Newest, 10, None);
        check((1, 100), Before(91), 10, Some((81, 90)));
        check((1, 100), Before(1), 10, None);
        check((1, 100), Before(0), 10, None);
        check((1, 100), Before(u64::MAX), 10, Some((91, 100)));
        check((1, 100), After(0), 10, Some((1, 10)));
        check((1, 100), After(95), 10, Some((96, 100)));
        check((1, 100), After(100), 10, None);
        check((1, 100), After(u64::MAX), 10, None);
        check((1, 100), Around(50), 10, Some((45, 54)));
        check((1, 100), Around(2), 10, Some((1, 10)));
        check((1, 100), Around(99), 10, Some((91, 100)));
        check((1, 100), Around(u64::MAX), 1, Some((100, 100)));
        check((1, 100), Around(50), 1, Some((50, 50)));
        check((1, 0), Around(1), 10, None);
    }
}
