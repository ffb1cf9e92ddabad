//! Who owns and administers a group.

use super::members::some_members;
use super::{Scene, Stop, ids};
use crate::sql::query::{execute, query};
use crate::sql::rows::{self, Columns, role_number};
use crate::sql::writer::Group;
use chinwag_messenger::store::{ActRefusal, StepKind};
use chinwag_messenger::{ConversationId, Role, SystemEvent, UserId};
use sea_orm::DbErr;

pub(super) async fn set_role(
    scene: &mut Scene,
    group: &mut Group,
    role: Role,
    (user, wished): (UserId, Role),
    admins_max: usize,
) -> Result<(), Stop> {
    scene.require_group()?;
    if role != Role::Owner {
        return Err(ActRefusal::NotAllowed.into());
    }
    let id = scene.conversation.id;
    let now = role_of(group, id, user).await?.ok_or(ActRefusal::NoSuchMember)?;
    if now == Role::Owner {
        return Err(ActRefusal::LastOwner.into());
    }
    if now == wished {
        return Ok(());
    }
    if wished == Role::Admin {
        let sql = "SELECT count(*) FROM member WHERE conversation_id = ? AND left_at IS NULL AND role = ?";
        let admin = role_number(Role::Admin).into();
        let counted = query(&group.tx, sql, vec![id.0.into(), admin]).await?;
        let counted = counted.first().map(|row| Columns::of(row).count()).transpose()?;
        if counted.unwrap_or(0) as usize >= admins_max {
            return Err(ActRefusal::TooManyAdmins.into());
        }
    }
    write_role(group, id, user, wished).await?;
    let updated = some_members(&group.tx, id, &[user]).await?;
    scene.silent(StepKind::Members {
        added: Vec::new(),
        removed: Vec::new(),
        updated,
    });
    Ok(())
}

pub(super) async fn transfer(
    scene: &mut Scene,
    group: &mut Group,
    role: Role,
    to: UserId,
) -> Result<(), Stop> {
    scene.require_group()?;
    if role != Role::Owner {
        return Err(ActRefusal::NotAllowed.into());
    }
    if to == scene.actor {
        return Ok(());
    }
    let id = scene.conversation.id;
    if role_of(group, id, to).await?.is_none() {
        return Err(ActRefusal::NoSuchMember.into());
    }
    write_role(group, id, scene.actor, Role::Admin).await?;
    write_role(group, id, to, Role::Owner).await?;
    scene.conversation.owner = Some(to);
    let what = StepKind::Members {
        added: Vec::new(),
        removed: Vec::new(),
        updated: some_members(&group.tx, id, &[scene.actor, to]).await?,
    };
    Ok(scene
        .noted(group, SystemEvent::OwnerChanged { user: to }, what)
        .await?)
}

/// Who has the group when its owner is gone: the oldest administrator, else the oldest member. Deleted accounts
/// come last.
pub(super) async fn successor(
    group: &Group,
    id: ConversationId,
    owner: UserId,
) -> Result<Option<UserId>, DbErr> {
    let sql = "SELECT m.user_id FROM member m JOIN account a ON a.id = m.user_id \
         WHERE m.conversation_id = ? AND m.left_at IS NULL AND m.user_id <> ? \
         ORDER BY CASE WHEN a.deleted_at IS NULL THEN 0 ELSE 1 END, m.role DESC, m.joined_at, m.user_id LIMIT 1";
    let found = ids(&group.tx, sql, vec![id.0.into(), owner.0.into()]).await?;
    Ok(found.first().copied())
}

/// The role of an active member.
pub(super) async fn role_of(group: &Group, id: ConversationId, user: UserId) -> Result<Option<Role>, DbErr> {
    let sql = "SELECT role FROM member WHERE conversation_id = ? AND user_id = ? AND left_at IS NULL";
    let found = query(&group.tx, sql, vec![id.0.into(), user.0.into()]).await?;
    found
        .first()
        .map(|row| Columns::of(row).take().map(rows::role))
        .transpose()
}

pub(super) async fn write_role(
    group: &mut Group,
    id: ConversationId,
    user: UserId,
    role: Role,
) -> Result<(), DbErr> {
    let sql = "UPDATE member SET role = ?, touched = ? WHERE conversation_id = ? AND user_id = ?";
    let values = vec![
        role_number(role).into(),
        group.time.into(),
        id.0.into(),
        user.0.into(),
    ];
    execute(&group.tx, sql, values).await
}
