//! Files on their way into messages: those that new messages bring, and copies for those who forward.

use super::{ATTACHMENT, add_parts, attachment, bytes_of};
use crate::sql::query::{execute, places, query, row_places};
use crate::sql::rows::Columns;
use crate::sql::writer::Group;
use chinwag_messenger::store::{AppendRefusal, NewMessage};
use chinwag_messenger::{Attachment, AttachmentId, AttachmentState, Message, Timestamp, UserId};
use sea_orm::{ConnectionTrait, DbErr, Value};
use std::collections::HashMap;

/// The files that new messages bring.
pub(in crate::sql) struct Brought(HashMap<AttachmentId, OneFile>);

struct OneFile {
    attachment: Attachment,
    free: bool,
}

impl Brought {
    pub(in crate::sql) async fn load(
        connection: &impl ConnectionTrait,
        news: &[&NewMessage],
    ) -> Result<Self, DbErr> {
        let mut wanted: Vec<AttachmentId> = news
            .iter()
            .flat_map(|new| new.attachments.iter().copied())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found = HashMap::with_capacity(wanted.len());
        if wanted.is_empty() {
            return Ok(Self(found));
        }
        let sql = format!(
            "SELECT {ATTACHMENT}, a.message_id IS NULL AND a.avatar_user_id IS NULL \
             AND a.avatar_conversation_id IS NULL AND a.deleted_at IS NULL FROM attachment a WHERE a.id IN ({})",
            places(wanted.len())
        );
        for row in query(connection, sql, wanted.into_iter().map(bytes_of).collect()).await? {
            let mut columns = Columns::of(&row);
            let attachment = attachment(&mut columns)?;
            let free = columns.take()?;
            found.insert(attachment.id, OneFile { attachment, free });
        }
        let attachments = found.values_mut().map(|brought| &mut brought.attachment);
        add_parts(connection, attachments).await?;
        Ok(Self(found))
    }

    /// What the message brings; nobody else may bring it again.
    pub(in crate::sql) fn take(&mut self, new: &NewMessage) -> Result<Vec<Attachment>, AppendRefusal> {
        let mut taken = Vec::with_capacity(new.attachments.len());
        for (index, id) in new.attachments.iter().enumerate() {
            let known = self.0.get(id);
            let known = known.filter(|known| known.attachment.uploader == new.author);
            let known = known.ok_or(AppendRefusal::AttachmentNotYours)?;
            if !known.free || new.attachments[..index].contains(id) {
                return Err(AppendRefusal::AttachmentInUse);
            }
            if known.attachment.state != AttachmentState::Ready {
                return Err(AppendRefusal::AttachmentNotReady);
            }
            taken.push(known.attachment.clone());
        }
        for id in &new.attachments {
            if let Some(known) = self.0.get_mut(id) {
                known.free = false;
            }
        }
        Ok(taken)
    }
}

/// Notes with which messages, just stored, the files came.
pub(in crate::sql) async fn attach<'a>(
    connection: &impl ConnectionTrait,
    messages: impl Iterator<Item = &'a Message>,
) -> Result<(), DbErr> {
    let mut values: Vec<Value> = Vec::new();
    let mut count = 0;
    for message in messages {
        for (place, attachment) in message.attachments.iter().enumerate() {
            count += 1;
            values.extend([
                bytes_of(attachment.id),
                message.id.0.into(),
                (place as i64).into(),
                message.conversation.0.into(),
                (message.seq as i64).into(),
            ]);
        }
    }
    if count == 0 {
        return Ok(());
    }
    let sql = format!(
        "WITH new (id, message, place, conversation, seq) AS (VALUES {}) UPDATE attachment \
         SET message_id = new.message, place = new.place, conversation_id = new.conversation, seq = new.seq \
         FROM new WHERE attachment.id = new.id",
        row_places(count, 5)
    );
    execute(connection, sql, values).await
}

/// Gives somebody a file that another one has: a copy that shares its bytes and is charged to nobody.
pub(in crate::sql) async fn copy_attachment(
    group: &mut Group,
    from: AttachmentId,
    to: AttachmentId,
    user: UserId,
    at: Timestamp,
) -> Result<(), DbErr> {
    group.dirty = true;
    let sql = "INSERT INTO attachment (id, uploader_id, kind, state, name, mime, bytes, width, height, duration_ms, \
         waveform, placeholder, charged, created_at) SELECT ?, ?, kind, state, name, mime, bytes, width, height, \
         duration_ms, waveform, placeholder, FALSE, ? FROM attachment WHERE id = ?";
    let values = vec![bytes_of(to), user.0.into(), at.0.into(), bytes_of(from)];
    execute(&group.tx, sql, values).await?;
    let sql = "INSERT INTO attachment_part (attachment_id, size, digest, mime, bytes, width, height) \
         SELECT ?, size, digest, mime, bytes, width, height FROM attachment_part WHERE attachment_id = ?";
    execute(&group.tx, sql, vec![bytes_of(to), bytes_of(from)]).await
}
