//! Pinned messages: a time on their rows.

use super::changes::{next_rev, subject, told};
use super::conversations::{insert_note, standing};
use super::hides::veil;
use super::messages::visible_from;
use super::query::{execute, query, store_error};
use super::rows::{self, Columns, MESSAGE, QUOTED, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{Announce, PinRecord, PinRefusal, Pinned, Pins, StoreError, Told};
use chinwag_messenger::{ConversationId, ConversationKind, Message, SystemEvent, Timestamp, UserId};
use sea_orm::{ConnectionTrait, DbErr};

#[async_trait::async_trait]
impl Pins for SqlStore {
    async fn pin(
        &self,
        record: PinRecord,
        announce: Announce<Result<Pinned, PinRefusal>>,
    ) -> Result<Result<Pinned, PinRefusal>, StoreError> {
        self.writer
            .run(Some(announce), move |group| Box::pin(pin(group, record)))
            .await
    }

    async fn pins(
        &self,
        reader: UserId,
        conversation: ConversationId,
    ) -> Result<Option<Vec<Message>>, StoreError> {
        let tx = self.snapshot().await?;
        pins(&tx, reader, conversation).await.map_err(store_error)
    }
}

async fn pin(group: &mut Group, record: PinRecord) -> Result<Result<Pinned, PinRefusal>, DbErr> {
    let (mut message, member) = match subject(group, record.by, record.message).await? {
        Ok(found) => found,
        Err(none) => return Ok(Err(none.into())),
    };
    let standing = standing(&group.tx, record.by, message.conversation).await?;
    let (conversation, _) = standing.ok_or_else(|| corrupt("a member who vanished"))?;
    let is_group = conversation.kind == ConversationKind::Group;
    if message.is_system() || (is_group && !conversation.policies.pin.includes(member.role)) {
        return Ok(Err(PinRefusal::NotAllowed));
    }
    if message.deleted_at.is_some() {
        return Ok(Err(PinRefusal::Deleted));
    }
    if message.pinned == record.pinned {
        return Ok(Ok(Pinned {
            message,
            changed: false,
            told: Told::default(),
            note: None,
        }));
    }
    let id = message.conversation;
    if record.pinned && count(&group.tx, id).await? >= record.pins_max {
        return Ok(Err(PinRefusal::TooMany));
    }
    message.rev = next_rev(group, id.0).await?;
    message.pinned = record.pinned;
    let sql = "UPDATE message SET pinned_at = ?, rev = ? WHERE id = ?";
    let at = record.pinned.then_some(record.at.0);
    let values = vec![at.into(), (message.rev as i64).into(), message.id.0.into()];
    execute(&group.tx, sql, values).await?;
    let note = match record.pinned {
        true => Some(note(group, &message, record.by, record.at).await?),
        false => None,
    };
    let told = told(group, &message).await?;
    Ok(Ok(Pinned {
        message,
        changed: true,
        told,
        note,
    }))
}

async fn count(connection: &impl ConnectionTrait, id: ConversationId) -> Result<usize, DbErr> {
    let sql = "SELECT count(*) FROM message WHERE conversation_id = ? AND pinned_at IS NOT NULL";
    let rows = query(connection, sql, vec![id.0.into()]).await?;
    let counted = rows.first().map(|row| Columns::of(row).count()).transpose()?;
    Ok(counted.unwrap_or(0) as usize)
}

/// The note that the message was pinned, under the next seq and rev.
async fn note(group: &mut Group, pinned: &Message, by: UserId, at: Timestamp) -> Result<Message, DbErr> {
    let id = pinned.conversation;
    let rev = next_rev(group, id.0).await?;
    let head = group.heads.find(id.0);
    let head = head.ok_or_else(|| corrupt("a conversation that vanished"))?;
    head.last_seq += 1;
    let seq = head.last_seq;
    let sql = "UPDATE conversation SET last_seq = ?, last_activity_at = CASE WHEN last_activity_at > ? \
         THEN last_activity_at ELSE ? END WHERE id = ?";
    let values = vec![(seq as i64).into(), at.0.into(), at.0.into(), id.0.into()];
    execute(&group.tx, sql, values).await?;
    let event = SystemEvent::Pinned {
        message: pinned.id,
        seq: pinned.seq,
    };
    insert_note(group, id, (seq, rev), by, event, at).await
}

async fn pins(
    connection: &impl ConnectionTrait,
    reader: UserId,
    id: ConversationId,
) -> Result<Option<Vec<Message>>, DbErr> {
    let Some((conversation, member)) = standing(connection, reader, id).await? else {
        return Ok(None);
    };
    let (first, last) = (
        visible_from(&member),
        member.left_seq.unwrap_or(conversation.last_seq),
    );
    let sql = format!(
        "SELECT {MESSAGE} FROM message m {QUOTED} WHERE m.conversation_id = ? AND m.pinned_at IS NOT NULL \
         AND m.seq BETWEEN ? AND ? ORDER BY m.pinned_at DESC, m.rev DESC"
    );
    let values = vec![id.0.into(), (first as i64).into(), (last as i64).into()];
    let mut pinned = Vec::new();
    for row in query(connection, sql, values).await? {
        pinned.push(rows::message(&mut Columns::of(&row))?);
    }
    let mut read: Vec<&mut Message> = pinned.iter_mut().collect();
    veil(connection, reader, &mut read, |_| first).await?;
    pinned.retain(|message| !message.hidden);
    Ok(Some(pinned))
}
