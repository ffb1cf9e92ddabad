//! Letting go of files, and noting which bytes may have lost their last reference.

use super::{attachment_id, bytes_of};
use crate::sql::query::{execute, places, query};
use crate::sql::rows::Columns;
use crate::sql::writer::Group;
use chinwag_messenger::{AttachmentId, Timestamp};
use sea_orm::{DbErr, Value};

/// Makes tombstones of attachments, and releases their bytes.
pub(in crate::sql) async fn forget_attachments(
    group: &mut Group,
    which: &str,
    values: Vec<Value>,
    at: Timestamp,
) -> Result<(), DbErr> {
    let sql = format!("SELECT id FROM attachment WHERE deleted_at IS NULL AND {which}");
    let ids = query(&group.tx, sql, values).await?;
    let ids = ids.iter().map(|row| attachment_id(&mut Columns::of(row)));
    let ids: Vec<AttachmentId> = ids.collect::<Result<_, DbErr>>()?;
    // So many that the parameters of a statement suffice.
    for ids in ids.chunks(1_000) {
        release_parts(group, ids).await?;
        let sql = format!(
            "UPDATE attachment SET deleted_at = ?, name = '', waveform = NULL, placeholder = NULL WHERE id IN ({})",
            places(ids.len())
        );
        let mut values: Vec<Value> = vec![at.0.into()];
        values.extend(ids.iter().map(|&id| bytes_of(id)));
        execute(&group.tx, sql, values).await?;
    }
    Ok(())
}

pub(super) async fn expire(
    group: &mut Group,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<AttachmentId>, DbErr> {
    let sql = "SELECT id FROM attachment WHERE created_at < ? AND message_id IS NULL AND avatar_user_id IS NULL \
               AND avatar_conversation_id IS NULL ORDER BY created_at LIMIT ?";
    let rows = query(&group.tx, sql, vec![before.0.into(), (limit as i64).into()]).await?;
    let ids: Vec<AttachmentId> = rows
        .iter()
        .map(|row| attachment_id(&mut Columns::of(row)))
        .collect::<Result<_, DbErr>>()?;
    if ids.is_empty() {
        return Ok(ids);
    }
    group.dirty = true;
    release_parts(group, &ids).await?;
    let sql = format!("DELETE FROM attachment WHERE id IN ({})", places(ids.len()));
    execute(&group.tx, sql, ids.iter().map(|&id| bytes_of(id)).collect()).await?;
    Ok(ids)
}

/// Takes from the attachments what they refer to, and notes that it may have been the last reference.
pub(in crate::sql) async fn release_parts(group: &mut Group, ids: &[AttachmentId]) -> Result<(), DbErr> {
    let among = format!("WHERE attachment_id IN ({})", places(ids.len()));
    let values = || ids.iter().map(|&id| bytes_of(id)).collect::<Vec<_>>();
    let sql = format!(
        "INSERT INTO released_blob (digest) SELECT DISTINCT digest FROM attachment_part {among} \
         ON CONFLICT (digest) DO NOTHING"
    );
    execute(&group.tx, sql, values()).await?;
    execute(
        &group.tx,
        format!("DELETE FROM attachment_part {among}"),
        values(),
    )
    .await
}
