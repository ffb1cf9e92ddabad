//! The end of a group: at once for its members, bit by bit for what was said.

use super::{Scene, Stop, active};
use crate::sql::attachments::forget_attachments;
use crate::sql::query::{execute, query};
use crate::sql::rows::Columns;
use crate::sql::search_index;
use crate::sql::writer::Group;
use chinwag_messenger::store::{ActRefusal, StepKind};
use chinwag_messenger::{Role, Timestamp};
use sea_orm::{DbErr, Value};

pub(super) async fn delete(scene: &mut Scene, group: &mut Group, role: Role) -> Result<(), Stop> {
    scene.require_group()?;
    if role != Role::Owner {
        return Err(ActRefusal::NotAllowed.into());
    }
    Ok(dissolve(scene, group).await?)
}

/// Ends the conversation for everybody. What was said goes later, bit by bit.
pub(in crate::sql) async fn dissolve(scene: &mut Scene, group: &mut Group) -> Result<(), DbErr> {
    let id = scene.conversation.id;
    let members = active(&group.tx, id).await?;
    scene.silent(StepKind::Deleted);
    scene.deleted = true;
    scene.conversation.owner = None;
    scene.conversation.member_count = 0;
    let sql = "UPDATE member SET left_at = ?, left_seq = 0, left_rev = ?, draft = NULL, touched = ? \
         WHERE conversation_id = ? AND left_at IS NULL";
    let rev = scene.conversation.last_rev as i64;
    let values = vec![scene.at.0.into(), rev.into(), group.time.into(), id.0.into()];
    execute(&group.tx, sql, values).await?;
    for table in ["invite", "ban"] {
        let sql = format!("DELETE FROM {table} WHERE conversation_id = ?");
        execute(&group.tx, sql, vec![id.0.into()]).await?;
    }
    scene.departed.clone_from(&members);
    scene.audience = Some(members);
    Ok(())
}

/// Leaves tombstones: the keys of messages are never used again.
pub(super) async fn purge_deleted(group: &mut Group, limit: usize, at: Timestamp) -> Result<bool, DbErr> {
    let sql = "SELECT id, purged_before_seq, last_seq FROM conversation \
         WHERE deleted_at IS NOT NULL AND purged_before_seq <= last_seq ORDER BY id LIMIT 1";
    let found = query(&group.tx, sql, Vec::new()).await?;
    let Some(row) = found.first() else {
        return Ok(false);
    };
    let mut columns = Columns::of(row);
    let (id, from, last): (i64, i64, i64) = (columns.take()?, columns.take()?, columns.take()?);
    let end = (from + limit as i64).min(last + 1);
    group.dirty = true;
    let range = || -> Vec<Value> { vec![id.into(), from.into(), end.into()] };
    let within = "(SELECT id FROM message WHERE conversation_id = ? AND seq >= ? AND seq < ?)";
    for sql in [
        format!("DELETE FROM message_version WHERE message_id IN {within}"),
        format!("DELETE FROM reaction WHERE message_id IN {within}"),
        format!("DELETE FROM thread_follow WHERE root_id IN {within}"),
        "DELETE FROM mention WHERE conversation_id = ? AND seq >= ? AND seq < ?".to_owned(),
        "DELETE FROM hidden_message WHERE conversation_id = ? AND seq >= ? AND seq < ?".to_owned(),
    ] {
        execute(&group.tx, sql, range()).await?;
    }
    let sql = "DELETE FROM receipt_advance WHERE conversation_id = ?";
    execute(&group.tx, sql, vec![id.into()]).await?;
    let within = "conversation_id = ? AND seq >= ? AND seq < ?";
    forget_attachments(group, within, range(), at).await?;
    forget_attachments(group, "avatar_conversation_id = ?", vec![id.into()], at).await?;
    let sql = "UPDATE message SET body = '', note = NULL, mentions = NULL, attachments = NULL, forwarded_from = NULL, \
         participants = NULL, reactions = NULL, pinned_at = NULL, deleted_at = ? \
         WHERE conversation_id = ? AND seq >= ? AND seq < ?";
    let values = std::iter::once(at.0.into()).chain(range()).collect();
    execute(&group.tx, sql, values).await?;
    let sql = "SELECT id FROM message WHERE conversation_id = ? AND seq >= ? AND seq < ?";
    let gone = query(&group.tx, sql, range()).await?;
    let gone: Result<Vec<i64>, DbErr> = gone.iter().map(|row| row.try_get_by_index(0)).collect();
    search_index::renew(group, &gone?).await?;
    let sql = "UPDATE conversation SET purged_before_seq = ? WHERE id = ?";
    execute(&group.tx, sql, vec![end.into(), id.into()]).await?;
    Ok(true)
}
