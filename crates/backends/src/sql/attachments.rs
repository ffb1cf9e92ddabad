//! Attachments: rows about files, and which bytes they refer to. Bytes that lose a reference are noted in the same
//! transaction, so that a crash leaves none behind.

mod avatars;
mod brought;
mod kept;
mod release;

pub(super) use avatars::{AvatarOf, avatar_value, change_avatar, check_avatar};
pub(super) use brought::{Brought, attach, copy_attachment};
pub(super) use kept::{read_attachments, write_attachments};
pub(super) use release::forget_attachments;

use release::expire;

use super::conversations::{raise_user_revs, standing};
use super::messages::visible_from;
use super::query::{affected, execute, places, query, row_places, store_error};
use super::rows::{Columns, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::blob::BlobId;
use chinwag_messenger::store::{
    Announce, Attachments, FinishedUpload, MediaPlace, NewAttachment, NewPart, QuotaExceeded, StoreError,
    StoredAttachment,
};
use chinwag_messenger::{
    Attachment, AttachmentId, AttachmentKind, AttachmentState, ConversationId, MediaItem, MessageId, Thumb,
    Timestamp, UserId,
};
use sea_orm::{ConnectionTrait, DbErr, Value};
use std::collections::HashMap;

/// An attachment as `a`.
const ATTACHMENT: &str = "a.id, a.uploader_id, a.kind, a.name, a.mime, a.bytes, a.width, a.height, a.duration_ms, \
     a.waveform, a.placeholder, a.state, a.created_at";

#[async_trait::async_trait]
impl Attachments for SqlStore {
    async fn create_attachment(
        &self,
        new: NewAttachment,
        quota_bytes: u64,
    ) -> Result<Result<Attachment, QuotaExceeded>, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(create(group, new, quota_bytes)))
            .await
    }

    async fn finish_upload(
        &self,
        user: UserId,
        id: AttachmentId,
        finished: Option<FinishedUpload>,
        announce: Announce<Option<(Attachment, u64)>>,
    ) -> Result<Option<(Attachment, u64)>, StoreError> {
        self.writer
            .run(Some(announce), move |group| {
                Box::pin(finish(group, user, id, finished))
            })
            .await
    }

    async fn attachment(&self, id: AttachmentId) -> Result<Option<StoredAttachment>, StoreError> {
        stored(&self.readers, id).await.map_err(store_error)
    }

    async fn attachment_bytes(&self, user: UserId) -> Result<u64, StoreError> {
        brought(&self.readers, user).await.map_err(store_error)
    }

    async fn media(
        &self,
        reader: UserId,
        conversation: ConversationId,
        kinds: &[AttachmentKind],
        after: Option<MediaPlace>,
        limit: usize,
    ) -> Result<Option<Vec<(MediaItem, MediaPlace)>>, StoreError> {
        let tx = self.snapshot().await?;
        media(&tx, reader, conversation, kinds, after, limit)
            .await
            .map_err(store_error)
    }

    async fn expire_attachments(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<AttachmentId>, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(expire(group, before, limit)))
            .await
    }

    async fn released_blobs(&self, limit: usize) -> Result<Vec<BlobId>, StoreError> {
        let sql = "SELECT digest FROM released_blob LIMIT ?";
        let read = async {
            let rows = query(&self.readers, sql, vec![(limit as i64).into()]).await?;
            let ids = rows.iter().map(|row| digest(&mut Columns::of(row)));
            ids.collect::<Result<Vec<_>, DbErr>>()
        };
        read.await.map_err(store_error)
    }

    async fn forget_released(&self, ids: &[BlobId]) -> Result<(), StoreError> {
        let ids = digests(ids);
        self.writer
            .run(None, move |group| {
                Box::pin(async move {
                    group.dirty = true;
                    let sql = format!(
                        "DELETE FROM released_blob WHERE digest IN ({})",
                        places(ids.len())
                    );
                    execute(&group.tx, sql, ids).await
                })
            })
            .await
    }

    async fn unreferenced(&self, ids: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT DISTINCT digest FROM attachment_part WHERE digest IN ({})",
            places(ids.len())
        );
        let read = async {
            let rows = query(&self.readers, sql, digests(ids)).await?;
            let referenced: Vec<BlobId> = rows
                .iter()
                .map(|row| digest(&mut Columns::of(row)))
                .collect::<Result<_, DbErr>>()?;
            Ok(ids
                .iter()
                .copied()
                .filter(|id| !referenced.contains(id))
                .collect())
        };
        read.await.map_err(store_error)
    }
}

async fn create(
    group: &mut Group,
    new: NewAttachment,
    quota_bytes: u64,
) -> Result<Result<Attachment, QuotaExceeded>, DbErr> {
    let brought = brought(&group.tx, new.uploader).await?;
    if brought.saturating_add(new.size) > quota_bytes {
        return Ok(Err(QuotaExceeded));
    }
    group.dirty = true;
    let sql = format!(
        "INSERT INTO attachment (id, uploader_id, kind, state, name, mime, bytes, width, height, duration_ms, \
         waveform, placeholder, charged, created_at) VALUES {}",
        row_places(1, 14)
    );
    let values: Vec<Value> = vec![
        bytes_of(new.id),
        new.uploader.0.into(),
        kind_number(new.kind).into(),
        state_number(new.state).into(),
        new.name.clone().into(),
        new.mime.clone().into(),
        (new.size as i64).into(),
        new.dimensions.map(|(width, _)| i64::from(width)).into(),
        new.dimensions.map(|(_, height)| i64::from(height)).into(),
        new.duration_ms.map(|ms| ms as i64).into(),
        new.waveform.clone().into(),
        new.placeholder.clone().into(),
        true.into(),
        new.at.0.into(),
    ];
    execute(&group.tx, sql, values).await?;
    insert_parts(group, new.id, &new.parts).await?;
    let stored = stored(&group.tx, new.id).await?;
    let stored = stored.ok_or_else(|| corrupt("no attachment where one was just stored"))?;
    Ok(Ok(stored.attachment))
}

async fn finish(
    group: &mut Group,
    user: UserId,
    id: AttachmentId,
    finished: Option<FinishedUpload>,
) -> Result<Option<(Attachment, u64)>, DbErr> {
    let guard = "WHERE id = ? AND uploader_id = ? AND state = 0 AND deleted_at IS NULL";
    let changed = match &finished {
        Some(done) => {
            let sql = format!(
                "UPDATE attachment SET state = 1, kind = ?, mime = ?, bytes = ?, width = ?, height = ?, \
                 duration_ms = ?, waveform = ?, placeholder = ? {guard}"
            );
            let values = vec![
                kind_number(done.kind).into(),
                done.mime.clone().into(),
                (done.size as i64).into(),
                done.dimensions.map(|(width, _)| i64::from(width)).into(),
                done.dimensions.map(|(_, height)| i64::from(height)).into(),
                done.duration_ms.map(|ms| ms as i64).into(),
                done.waveform.clone().into(),
                done.placeholder.clone().into(),
                bytes_of(id),
                user.0.into(),
            ];
            affected(&group.tx, sql, values).await?
        }
        None => {
            let sql = format!("UPDATE attachment SET state = 2, charged = FALSE {guard}");
            affected(&group.tx, sql, vec![bytes_of(id), user.0.into()]).await?
        }
    };
    if changed == 0 {
        return Ok(None);
    }
    group.dirty = true;
    if let Some(done) = finished {
        insert_parts(group, id, &done.parts).await?;
    }
    let raised = raise_user_revs(group, &[user]).await?;
    let stored = stored(&group.tx, id).await?;
    Ok(stored
        .zip(raised.first())
        .map(|(stored, (_, user_rev))| (stored.attachment, *user_rev)))
}

pub(super) async fn insert_parts(
    group: &mut Group,
    id: AttachmentId,
    parts: &[NewPart],
) -> Result<(), DbErr> {
    if parts.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO attachment_part (attachment_id, size, digest, mime, bytes, width, height) VALUES {}",
        row_places(parts.len(), 7)
    );
    let mut values: Vec<Value> = Vec::with_capacity(parts.len() * 7);
    for part in parts {
        values.extend([
            bytes_of(id),
            i64::from(part.size).into(),
            part.blob.0.to_vec().into(),
            part.mime.clone().into(),
            (part.bytes as i64).into(),
            i64::from(part.dimensions.0).into(),
            i64::from(part.dimensions.1).into(),
        ]);
    }
    execute(&group.tx, sql, values).await
}

async fn brought(connection: &impl ConnectionTrait, user: UserId) -> Result<u64, DbErr> {
    let sql = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM attachment \
               WHERE uploader_id = ? AND charged AND deleted_at IS NULL";
    let rows = query(connection, sql, vec![user.0.into()]).await?;
    rows.first().map_or(Ok(0), |row| Columns::of(row).count())
}

async fn stored(
    connection: &impl ConnectionTrait,
    id: AttachmentId,
) -> Result<Option<StoredAttachment>, DbErr> {
    let sql = format!(
        "SELECT {ATTACHMENT}, a.message_id, a.avatar_user_id, a.avatar_conversation_id, a.deleted_at \
         FROM attachment a WHERE a.id = ?"
    );
    let rows = query(connection, sql, vec![bytes_of(id)]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut columns = Columns::of(row);
    let mut stored = StoredAttachment {
        attachment: attachment(&mut columns)?,
        message: columns.take::<Option<i64>>()?.map(MessageId),
        avatar_of_user: columns.take::<Option<i64>>()?.map(UserId),
        avatar_of_conversation: columns.take::<Option<i64>>()?.map(ConversationId),
        deleted_at: columns.time()?,
    };
    add_parts(connection, std::iter::once(&mut stored.attachment)).await?;
    Ok(Some(stored))
}

fn attachment(columns: &mut Columns<'_>) -> Result<Attachment, DbErr> {
    let id = attachment_id(columns)?;
    let uploader = UserId(columns.take()?);
    let kind = kind(columns.take()?)?;
    let (name, mime, size) = (columns.take()?, columns.take()?, columns.count()?);
    let side = |columns: &mut Columns<'_>| {
        columns
            .take::<Option<i64>>()
            .map(|side| side.map(|side| side as u32))
    };
    let (width, height) = (side(columns)?, side(columns)?);
    Ok(Attachment {
        id,
        uploader,
        kind,
        name,
        mime,
        size,
        blob: None,
        dimensions: width.zip(height),
        duration_ms: columns.take::<Option<i64>>()?.map(|ms| ms as u64),
        waveform: columns.take()?,
        placeholder: columns.take()?,
        thumbs: Vec::new(),
        state: state(columns.take()?)?,
        created_at: Timestamp(columns.take()?),
    })
}

/// Reads to what the attachments refer.
async fn add_parts<'a>(
    connection: &impl ConnectionTrait,
    attachments: impl Iterator<Item = &'a mut Attachment>,
) -> Result<(), DbErr> {
    let mut wanted: HashMap<AttachmentId, &mut Attachment> = attachments
        .map(|attachment| (attachment.id, attachment))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT attachment_id, size, digest, mime, bytes, width, height FROM attachment_part \
         WHERE attachment_id IN ({}) ORDER BY size",
        places(wanted.len())
    );
    let ids = wanted.keys().map(|&id| bytes_of(id)).collect();
    for row in query(connection, sql, ids).await? {
        let mut columns = Columns::of(&row);
        let id = attachment_id(&mut columns)?;
        let size = columns.count()? as u32;
        let thumb = Thumb {
            size,
            blob: digest(&mut columns)?,
            mime: columns.take()?,
            bytes: columns.count()?,
            width: columns.count()? as u32,
            height: columns.count()? as u32,
        };
        let Some(attachment) = wanted.get_mut(&id) else {
            continue;
        };
        match size {
            0 => attachment.blob = Some(thumb.blob),
            _ => attachment.thumbs.push(thumb),
        }
    }
    Ok(())
}

async fn media(
    connection: &impl ConnectionTrait,
    reader: UserId,
    conversation: ConversationId,
    kinds: &[AttachmentKind],
    after: Option<MediaPlace>,
    limit: usize,
) -> Result<Option<Vec<(MediaItem, MediaPlace)>>, DbErr> {
    let Some((_, member)) = standing(connection, reader, conversation).await? else {
        return Ok(None);
    };
    if kinds.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let sql = format!(
        "SELECT {ATTACHMENT}, a.message_id, a.seq, a.place, m.author_id FROM attachment a \
         JOIN message m ON m.id = a.message_id \
         WHERE a.conversation_id = ? AND a.seq >= ? AND a.deleted_at IS NULL AND a.kind IN ({}) \
         AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = ? \
         AND h.conversation_id = a.conversation_id AND h.seq = a.seq) AND a.seq <= ? AND (a.seq < ? OR (a.seq = ? AND a.place > ?)) ORDER BY a.seq DESC, a.place LIMIT ?",
        places(kinds.len())
    );
    let (seq, place) = after.map_or((i64::MAX, 0), |after| (after.seq as i64, i64::from(after.place)));
    let mut values: Vec<Value> = vec![conversation.0.into(), (visible_from(&member) as i64).into()];
    values.extend(kinds.iter().map(|&kind| Value::from(kind_number(kind))));
    // Who left sees what there was then.
    let last = member.left_seq.map_or(i64::MAX, |seq| seq as i64);
    values.extend([
        reader.0.into(),
        last.into(),
        seq.into(),
        seq.into(),
        place.into(),
        (limit as i64).into(),
    ]);
    let mut found = Vec::new();
    for row in query(connection, sql, values).await? {
        let mut columns = Columns::of(&row);
        let attachment = attachment(&mut columns)?;
        let message = MessageId(columns.take()?);
        let place = MediaPlace {
            seq: columns.count()?,
            place: columns.count()? as u32,
        };
        let item = MediaItem {
            attachment,
            message,
            seq: place.seq,
            author: UserId(columns.take()?),
        };
        found.push((item, place));
    }
    add_parts(connection, found.iter_mut().map(|(item, _)| &mut item.attachment)).await?;
    Ok(Some(found))
}

pub(super) fn bytes_of(id: AttachmentId) -> Value {
    id.0.as_bytes().to_vec().into()
}

fn digests(ids: &[BlobId]) -> Vec<Value> {
    ids.iter().map(|id| Value::from(id.0.to_vec())).collect()
}

pub(super) fn attachment_id(columns: &mut Columns<'_>) -> Result<AttachmentId, DbErr> {
    let bytes: Vec<u8> = columns.take()?;
    let id = uuid::Uuid::from_slice(&bytes).map_err(|_| corrupt("an attachment whose id is no UUID"))?;
    Ok(AttachmentId(id))
}

fn digest(columns: &mut Columns<'_>) -> Result<BlobId, DbErr> {
    let bytes: Vec<u8> = columns.take()?;
    bytes
        .try_into()
        .map(BlobId)
        .map_err(|_| corrupt("a digest of another length"))
}

const KINDS: [AttachmentKind; 5] = [
    AttachmentKind::Image,
    AttachmentKind::Video,
    AttachmentKind::Audio,
    AttachmentKind::Voice,
    AttachmentKind::File,
];

fn kind_number(kind: AttachmentKind) -> i64 {
    KINDS
        .iter()
        .position(|known| *known == kind)
        .map_or(4, |number| number as i64)
}

pub(super) fn kind(number: i64) -> Result<AttachmentKind, DbErr> {
    let known = usize::try_from(number).ok().and_then(|number| KINDS.get(number));
    known
        .copied()
        .ok_or_else(|| corrupt("an attachment of an unknown kind"))
}

fn state_number(state: AttachmentState) -> i64 {
    match state {
        AttachmentState::Uploading => 0,
        AttachmentState::Ready => 1,
        AttachmentState::Failed => 2,
    }
}

pub(super) fn state(number: i64) -> Result<AttachmentState, DbErr> {
    match number {
        0 => Ok(AttachmentState::Uploading),
        1 => Ok(AttachmentState::Ready),
        2 => Ok(AttachmentState::Failed),
        _ => Err(corrupt("an attachment in an unknown state")),
    }
}
