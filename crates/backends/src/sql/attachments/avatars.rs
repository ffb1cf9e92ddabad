//! Pictures that people and groups are shown by.

use super::{bytes_of, forget_attachments, stored};
use crate::sql::query::execute;
use crate::sql::writer::Group;
use chinwag_messenger::{
    AttachmentId, AttachmentKind, AttachmentState, AvatarError, ConversationId, Timestamp, UserId,
};
use sea_orm::{DbErr, Value};

/// Who is shown by a picture.
#[derive(Clone, Copy)]
pub(in crate::sql) enum AvatarOf {
    User(UserId),
    Conversation(ConversationId),
}

pub(in crate::sql) fn avatar_value(avatar: Option<AttachmentId>) -> Value {
    avatar.map(|id| id.0.as_bytes().to_vec()).into()
}

/// Whether the actor may make this the picture of somebody.
pub(in crate::sql) async fn check_avatar(
    group: &Group,
    actor: UserId,
    id: AttachmentId,
) -> Result<Result<(), AvatarError>, DbErr> {
    let known = stored(&group.tx, id).await?;
    let known = known.filter(|known| known.attachment.uploader == actor);
    let Some(known) = known else {
        return Ok(Err(AvatarError::NotYours));
    };
    let used = known.message.is_some()
        || known.avatar_of_user.is_some()
        || known.avatar_of_conversation.is_some()
        || known.deleted_at.is_some();
    Ok(if used {
        Err(AvatarError::InUse)
    } else if known.attachment.state != AttachmentState::Ready {
        Err(AvatarError::NotReady)
    } else if known.attachment.kind != AttachmentKind::Image {
        Err(AvatarError::NoImage)
    } else {
        Ok(())
    })
}

/// Makes a checked image the picture of somebody, and deletes the old one.
pub(in crate::sql) async fn change_avatar(
    group: &mut Group,
    of: AvatarOf,
    old: Option<AttachmentId>,
    new: Option<AttachmentId>,
    at: Timestamp,
) -> Result<(), DbErr> {
    group.dirty = true;
    if let Some(id) = new {
        let (column, owner) = match of {
            AvatarOf::User(user) => ("avatar_user_id", user.0),
            AvatarOf::Conversation(conversation) => ("avatar_conversation_id", conversation.0),
        };
        let sql = format!("UPDATE attachment SET {column} = ? WHERE id = ?");
        execute(&group.tx, sql, vec![owner.into(), bytes_of(id)]).await?;
    }
    match old {
        Some(old) => forget_attachments(group, "id = ?", vec![bytes_of(old)], at).await,
        None => Ok(()),
    }
}
