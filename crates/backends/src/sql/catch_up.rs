//! Catching up. Every writing transaction has a number, the commit counter's, and stamps it on the rows whose
//! list items it changes; since writers
//! wait for each other, a reader that sees a number sees all that it and smaller
//! ones did. "Touched since" is then a comparison that leaves nothing out.

use super::conversations::{ACTIVITY, newest, standing};
use super::hides::{hidden_since, veil};
use super::list;
use super::messages::visible_from;
use super::query::{query, store_error};
use super::rows::{self, Columns, MESSAGE, QUOTED};
use super::store::SqlStore;
use chinwag_messenger::store::{CatchUp, StoreError, SyncPlace, Touched};
use chinwag_messenger::{Changes, ConversationId, ConversationKind, Message, Timestamp, UserId};
use sea_orm::{DatabaseTransaction, DbErr, Value};

/// Messages handed out when a client has to start afresh.
const RESET_MESSAGES: u64 = 50;

#[async_trait::async_trait]
impl CatchUp for SqlStore {
    async fn touched(
        &self,
        viewer: UserId,
        place: SyncPlace,
        limit: usize,
        receipts_members_max: usize,
    ) -> Result<Option<Touched>, StoreError> {
        let tx = self.snapshot().await?;
        let read = async {
            let row = query(&tx, "SELECT value FROM commit_counter WHERE id = 1", Vec::new())
                .await?
                .pop();
            let now = row.map(|row| Columns::of(&row).count()).transpose()?.unwrap_or(0);
            let max = receipts_members_max;
            match place {
                SyncPlace::Start => listing(&tx, viewer, now, now, None, limit, max).await.map(Some),
                SyncPlace::Listing { from, after } if from <= now => {
                    listing(&tx, viewer, now, from, Some(after), limit, max)
                        .await
                        .map(Some)
                }
                SyncPlace::Since { time, also } if time <= now => {
                    since(&tx, viewer, now, (time, also), limit, max).await.map(Some)
                }
                // From a later time than now: of another store, or of this one before a backup was put back.
                SyncPlace::Listing { .. } | SyncPlace::Since { .. } => Ok(None),
            }
        };
        read.await.map_err(store_error)
    }

    async fn changes(
        &self,
        reader: UserId,
        conversation: ConversationId,
        after_rev: u64,
        limit: usize,
        changes_max: u64,
    ) -> Result<Option<Changes>, StoreError> {
        let tx = self.snapshot().await?;
        let changes = changes(&tx, reader, conversation, after_rev, limit, changes_max);
        changes.await.map_err(store_error)
    }
}

/// The next page of everything. What is touched meanwhile moves up and may be missed by later pages, but was then
/// touched after `from`: once the listing is through, the client goes on from there.
async fn listing(
    tx: &DatabaseTransaction,
    viewer: UserId,
    now: u64,
    from: u64,
    after: Option<(Timestamp, ConversationId)>,
    limit: usize,
    receipts_members_max: usize,
) -> Result<Touched, DbErr> {
    let mut ids = newest(tx, viewer, after, limit + 1).await?;
    let more = ids.len() > limit;
    ids.truncate(limit);
    let items = list::items(tx, viewer, &ids, receipts_members_max).await?;
    let last = items
        .last()
        .map(|item| (item.conversation.last_activity_at, item.conversation.id));
    Ok(match (more, last) {
        (true, Some(after)) => {
            let place = SyncPlace::Listing { from, after };
            Touched {
                items,
                removed: Vec::new(),
                hidden: Vec::new(),
                place,
                has_more: true,
            }
        }
        _ => {
            let place = SyncPlace::Since {
                time: from,
                also: None,
            };
            Touched {
                items,
                removed: Vec::new(),
                hidden: Vec::new(),
                place,
                has_more: now > from,
            }
        }
    })
}

/// The next page of what was touched after a time, oldest first: what is touched meanwhile moves to the end.
async fn since(
    tx: &DatabaseTransaction,
    viewer: UserId,
    now: u64,
    (time, also): (u64, Option<ConversationId>),
    limit: usize,
    receipts_members_max: usize,
) -> Result<Touched, DbErr> {
    // Of a conversation that the viewer left, only the leaving counts.
    let sql = "SELECT id, touched, gone FROM (SELECT c.id AS id, \
         (m.left_at IS NOT NULL OR COALESCE(c.last_seq <= m.hidden_seq, FALSE)) AS gone, \
         CASE WHEN m.left_at IS NULL AND c.touched > m.touched THEN c.touched ELSE m.touched END AS touched \
         FROM member m JOIN conversation c ON c.id = m.conversation_id WHERE m.user_id = ?) mine \
         WHERE (touched, id) > (?, ?) ORDER BY touched, id LIMIT ?";
    // The place right after the known ones, in the order of time and id.
    let (at, id) = match also {
        Some(id) => (time + 1, id.0),
        None => (time, i64::MAX),
    };
    let values: Vec<Value> = vec![
        viewer.0.into(),
        (at as i64).into(),
        id.into(),
        (limit as i64 + 1).into(),
    ];
    let mut found: Vec<(i64, u64, bool)> = Vec::new();
    for row in query(tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        let id: i64 = columns.take()?;
        let at = columns.count()?;
        found.push((id, at, columns.take()?));
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let place = match found.last() {
        Some(&(id, at, _)) if has_more => SyncPlace::Since {
            time: at.saturating_sub(1),
            also: Some(ConversationId(id)),
        },
        _ => SyncPlace::Since {
            time: now,
            also: None,
        },
    };
    let ids: Vec<i64> = found
        .iter()
        .filter(|(_, _, left)| !left)
        .map(|(id, _, _)| *id)
        .collect();
    let removed = found
        .iter()
        .filter(|(_, _, left)| *left)
        .map(|(id, _, _)| ConversationId(*id));
    let removed = removed.collect();
    let items = list::items(tx, viewer, &ids, receipts_members_max).await?;
    let reached = match has_more {
        true => found.last().map_or(now, |(_, at, _)| at.saturating_sub(1)),
        false => now,
    };
    let hidden = hidden_since(tx, viewer, (time, reached)).await?;
    Ok(Touched {
        items,
        removed,
        hidden,
        place,
        has_more,
    })
}

async fn changes(
    tx: &DatabaseTransaction,
    reader: UserId,
    id: ConversationId,
    after_rev: u64,
    limit: usize,
    changes_max: u64,
) -> Result<Option<Changes>, DbErr> {
    let Some((mut conversation, member)) = standing(tx, reader, id).await? else {
        return Ok(None);
    };
    // Who left learns nothing of what came after.
    conversation.last_seq = member.left_seq.unwrap_or(conversation.last_seq);
    conversation.last_rev = member.left_rev.unwrap_or(conversation.last_rev);
    let left = member.left_at.is_some();
    let last_rev = conversation.last_rev;
    let first = visible_from(&member) as i64;
    // A rev that never was is one of a server that has since been put back to a backup.
    let reset = after_rev > last_rev || last_rev - after_rev > changes_max;
    let mut has_more = false;
    let messages = if reset {
        let from = first.max((conversation.last_seq + 1).saturating_sub(RESET_MESSAGES) as i64);
        let filter = "m.conversation_id = ? AND m.seq >= ? AND m.seq <= ? ORDER BY m.rev";
        let last = conversation.last_seq as i64;
        messages(tx, filter, vec![id.0.into(), from.into(), last.into()]).await?
    } else {
        let span = Span {
            conversation: id,
            seqs: (first, conversation.last_seq as i64),
            last_rev: last_rev as i64,
        };
        let revs = (after_rev as i64, last_rev as i64);
        let mut found = span.changed(tx, revs, limit as i64 + 1).await?;
        has_more = found.len() > limit;
        if has_more {
            // What shares a rev comes together, or the rest of it would be taken for known.
            let next = found[limit].rev;
            found.truncate(limit);
            let whole = found.iter().take_while(|message| message.rev < next).count();
            if whole > 0 {
                found.truncate(whole);
            } else {
                let one = (next as i64 - 1, next as i64);
                found = span.changed(tx, one, i64::MAX).await?;
                has_more = next < last_rev;
            }
        }
        found
    };
    let mut messages = messages;
    let mut read: Vec<&mut Message> = messages.iter_mut().collect();
    veil(tx, reader, &mut read, |_| first as u64).await?;
    let upto_rev = match messages.last() {
        Some(last) if has_more => last.rev,
        _ => last_rev,
    };
    let members = if !left && (reset || conversation.members_rev > after_rev) {
        let members = list::members(tx, Some(reader), &[id.0]).await?;
        let mut members: Vec<_> = members.into_iter().map(|(_, member)| member).collect();
        if conversation.kind == ConversationKind::Direct {
            list::keep_back(tx, reader, &mut members.iter_mut().collect::<Vec<_>>()).await?;
        }
        Some(members)
    } else {
        None
    };
    if conversation.kind == ConversationKind::Direct {
        let sql = format!(
            "SELECT {ACTIVITY} FROM member m JOIN conversation c ON c.id = m.conversation_id \
             WHERE m.conversation_id = ? AND m.user_id = ?"
        );
        if let Some(row) = query(tx, sql, vec![id.0.into(), reader.0.into()]).await?.first() {
            conversation.last_activity_at = Timestamp(Columns::of(row).take()?);
        }
    }
    let conversation = (!left && (reset || last_rev > after_rev)).then_some(conversation);
    Ok(Some(Changes {
        messages,
        conversation,
        members,
        upto_rev,
        has_more,
        reset,
    }))
}

/// A conversation as far as somebody may read it.
struct Span {
    conversation: ConversationId,
    /// The first and the last seq.
    seqs: (i64, i64),
    last_rev: i64,
}

impl Span {
    /// The messages that came or changed after one rev and until another, in the order of their last changes.
    async fn changed(
        &self,
        tx: &DatabaseTransaction,
        (after, until): (i64, i64),
        limit: i64,
    ) -> Result<Vec<Message>, DbErr> {
        let id = self.conversation.0;
        let (first, last) = self.seqs;
        let filter = "m.conversation_id = ? AND m.rev > ? AND m.rev <= ? AND m.rev <> m.first_rev AND m.seq >= ? \
             AND m.seq <= ? ORDER BY m.rev LIMIT ?";
        let values = [id, after, until, first, last, limit];
        let mut found = messages(tx, filter, values.map(Value::from).into()).await?;

        // What has not changed since it came stands in the order of the revs. Each message takes a rev of its own, so
        // what came after one is among as many of the last messages as there have been revs since.
        let from = first.max(last + 1 - (self.last_rev - after));
        let filter = "m.conversation_id = ? AND m.seq >= ? AND m.seq <= ? AND m.rev > ? AND m.rev <= ? \
             AND m.rev = m.first_rev ORDER BY m.seq LIMIT ?";
        let values = [id, from, last, after, until, limit];
        found.extend(messages(tx, filter, values.map(Value::from).into()).await?);

        found.sort_by_key(|message| message.rev);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }
}

async fn messages(tx: &DatabaseTransaction, filter: &str, values: Vec<Value>) -> Result<Vec<Message>, DbErr> {
    let sql = format!("SELECT {MESSAGE} FROM message m {QUOTED} WHERE {filter}");
    let found = query(tx, sql, values).await?;
    found
        .iter()
        .map(|row| rows::message(&mut Columns::of(row)))
        .collect()
}
