//! Invites to groups.

use super::conversations::standing;
use super::groups::{Scene, announce_done, let_in};
use super::query::{execute, query, store_error};
use super::rows::{self, CONVERSATION, Columns, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    ActRefusal, Acted, Announce, InvitePreview, Invites, JoinRefusal, Joining, StoreError,
};
use chinwag_messenger::{
    Conversation, ConversationId, ConversationKind, Invite, InviteId, NewInvite, SystemEvent, Timestamp,
    UserId,
};
use sea_orm::{ConnectionTrait, DbErr, Value};

const INVITE: &str = "i.id, i.conversation_id, i.created_by, i.created_at, i.expires_at, i.max_uses, i.uses, \
     i.revoked_at";

#[async_trait::async_trait]
impl Invites for SqlStore {
    async fn create_invite(&self, new: NewInvite) -> Result<Result<Invite, ActRefusal>, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(create(group, new)))
            .await
    }

    async fn invites(
        &self,
        id: ConversationId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, StoreError> {
        let mut sql = format!("SELECT {INVITE} FROM invite i WHERE i.conversation_id = ?");
        let mut values: Vec<Value> = vec![id.0.into()];
        if let Some(after) = after {
            sql.push_str(
                " AND (i.created_at, i.id) < (SELECT l.created_at, l.id FROM invite l \
                 WHERE l.id = ? AND l.conversation_id = ?)",
            );
            values.extend([after.0.to_string().into(), id.0.into()]);
        }
        sql.push_str(" ORDER BY i.created_at DESC, i.id DESC LIMIT ?");
        values.push((limit as i64).into());
        let found = query(&self.readers, sql, values).await.map_err(store_error)?;
        found
            .iter()
            .map(|row| invite(&mut Columns::of(row)))
            .collect::<Result<_, _>>()
            .map_err(store_error)
    }

    async fn revoke_invite(
        &self,
        user: UserId,
        id: InviteId,
        at: Timestamp,
    ) -> Result<Result<(), ActRefusal>, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(revoke(group, user, id, at)))
            .await
    }

    async fn preview(
        &self,
        user: UserId,
        secret_hash: &str,
        at: Timestamp,
    ) -> Result<Result<InvitePreview, JoinRefusal>, StoreError> {
        let tx = self.snapshot().await?;
        preview(&tx, user, secret_hash, at).await.map_err(store_error)
    }

    async fn join(
        &self,
        joining: Joining,
        announce: Announce<Acted>,
    ) -> Result<Result<Acted, JoinRefusal>, StoreError> {
        self.writer
            .run(Some(announce_done(announce)), move |group| {
                Box::pin(join(group, joining))
            })
            .await
    }
}

fn invite(columns: &mut Columns<'_>) -> Result<Invite, DbErr> {
    let id: String = columns.take()?;
    let id = uuid::Uuid::try_parse(&id).map_err(|_| corrupt("an invite whose id is no UUID"))?;
    Ok(Invite {
        id: InviteId(id),
        conversation: ConversationId(columns.take()?),
        created_by: UserId(columns.take()?),
        created_at: Timestamp(columns.take()?),
        expires_at: columns.time()?,
        max_uses: columns.take::<Option<i64>>()?.map(|uses| uses as u64),
        uses: columns.count()?,
        revoked_at: columns.time()?,
    })
}

async fn create(group: &mut Group, new: NewInvite) -> Result<Result<Invite, ActRefusal>, DbErr> {
    let Some((conversation, member)) = standing(&group.tx, new.creator, new.conversation).await? else {
        return Ok(Err(ActRefusal::NotFound));
    };
    if member.left_at.is_some() {
        return Ok(Err(ActRefusal::NotAMember));
    }
    let group_kind = conversation.kind == ConversationKind::Group;
    if !group_kind || !conversation.policies.invite.includes(member.role) {
        return Ok(Err(ActRefusal::NotAllowed));
    }
    let sql = "SELECT count(*) FROM invite WHERE conversation_id = ? AND revoked_at IS NULL \
         AND (expires_at IS NULL OR expires_at > ?) AND (max_uses IS NULL OR uses < max_uses)";
    let counted = query(&group.tx, sql, vec![new.conversation.0.into(), new.at.0.into()]).await?;
    let counted = counted.first().map(|row| Columns::of(row).count()).transpose()?;
    if counted.unwrap_or(0) as usize >= new.invites_max {
        return Ok(Err(ActRefusal::GroupFull));
    }
    group.dirty = true;
    let sql = "INSERT INTO invite (id, secret_hash, conversation_id, created_by, created_at, expires_at, \
         max_uses) VALUES (?, ?, ?, ?, ?, ?, ?)";
    let values = vec![
        new.id.0.to_string().into(),
        new.secret_hash.into(),
        new.conversation.0.into(),
        new.creator.0.into(),
        new.at.0.into(),
        new.expires_at.map(|at| at.0).into(),
        new.max_uses.map(|uses| uses as i64).into(),
    ];
    execute(&group.tx, sql, values).await?;
    Ok(Ok(Invite {
        id: new.id,
        conversation: new.conversation,
        created_by: new.creator,
        created_at: new.at,
        expires_at: new.expires_at,
        max_uses: new.max_uses,
        uses: 0,
        revoked_at: None,
    }))
}

async fn revoke(
    group: &mut Group,
    user: UserId,
    id: InviteId,
    at: Timestamp,
) -> Result<Result<(), ActRefusal>, DbErr> {
    let sql = format!("SELECT {INVITE} FROM invite i WHERE i.id = ?");
    let found = query(&group.tx, sql, vec![id.0.to_string().into()]).await?;
    let Some(row) = found.first() else {
        return Ok(Err(ActRefusal::NotFound));
    };
    let invite = invite(&mut Columns::of(row))?;
    let Some((conversation, member)) = standing(&group.tx, user, invite.conversation).await? else {
        return Ok(Err(ActRefusal::NotFound));
    };
    if member.left_at.is_some() {
        return Ok(Err(ActRefusal::NotAMember));
    }
    if invite.created_by != user && !conversation.policies.invite.includes(member.role) {
        return Ok(Err(ActRefusal::NotAllowed));
    }
    if invite.revoked_at.is_none() {
        group.dirty = true;
        let sql = "UPDATE invite SET revoked_at = ? WHERE id = ?";
        execute(&group.tx, sql, vec![at.0.into(), id.0.to_string().into()]).await?;
    }
    Ok(Ok(()))
}

/// The invite and its group; nothing of an invite whose group has nobody in it any more.
async fn find(
    connection: &impl ConnectionTrait,
    secret_hash: &str,
) -> Result<Option<(Invite, Conversation)>, DbErr> {
    let sql = format!(
        "SELECT {INVITE}, {CONVERSATION} FROM invite i JOIN conversation c ON c.id = i.conversation_id \
         WHERE i.secret_hash = ? AND c.deleted_at IS NULL AND c.member_count > 0"
    );
    let found = query(connection, sql, vec![secret_hash.into()]).await?;
    let Some(row) = found.first() else {
        return Ok(None);
    };
    let mut columns = Columns::of(row);
    Ok(Some((invite(&mut columns)?, rows::conversation(&mut columns)?)))
}

/// Why this invite lets nobody in any more.
fn ended(invite: &Invite, at: Timestamp) -> Option<JoinRefusal> {
    if invite.revoked_at.is_some() {
        Some(JoinRefusal::Revoked)
    } else if invite.expires_at.is_some_and(|end| end <= at) {
        Some(JoinRefusal::Expired)
    } else if invite.max_uses.is_some_and(|max| invite.uses >= max) {
        Some(JoinRefusal::UsedUp)
    } else {
        None
    }
}

async fn is_banned(
    connection: &impl ConnectionTrait,
    id: ConversationId,
    user: UserId,
) -> Result<bool, DbErr> {
    let sql = "SELECT 1 FROM ban WHERE conversation_id = ? AND user_id = ?";
    let found = query(connection, sql, vec![id.0.into(), user.0.into()]).await?;
    Ok(!found.is_empty())
}

async fn is_member(
    connection: &impl ConnectionTrait,
    id: ConversationId,
    user: UserId,
) -> Result<bool, DbErr> {
    let standing = standing(connection, user, id).await?;
    Ok(standing.is_some_and(|(_, member)| member.left_at.is_none()))
}

async fn preview(
    connection: &impl ConnectionTrait,
    user: UserId,
    secret_hash: &str,
    at: Timestamp,
) -> Result<Result<InvitePreview, JoinRefusal>, DbErr> {
    let Some((invite, conversation)) = find(connection, secret_hash).await? else {
        return Ok(Err(JoinRefusal::Unknown));
    };
    let member = is_member(connection, conversation.id, user).await?;
    if !member {
        if let Some(refusal) = ended(&invite, at) {
            return Ok(Err(refusal));
        }
        if is_banned(connection, conversation.id, user).await? {
            return Ok(Err(JoinRefusal::Banned));
        }
    }
    Ok(Ok(InvitePreview { conversation, member }))
}

async fn join(group: &mut Group, joining: Joining) -> Result<Result<Acted, JoinRefusal>, DbErr> {
    let Some((invite, conversation)) = find(&group.tx, &joining.secret_hash).await? else {
        return Ok(Err(JoinRefusal::Unknown));
    };
    let id = conversation.id;
    let full = conversation.member_count as usize >= joining.members_max;
    let mut scene = Scene::new(conversation, joining.user, joining.at);
    if is_member(&group.tx, id, joining.user).await? {
        return scene.finish(group).await.map(Ok);
    }
    if let Some(refusal) = ended(&invite, joining.at) {
        return Ok(Err(refusal));
    }
    if is_banned(&group.tx, id, joining.user).await? {
        return Ok(Err(JoinRefusal::Banned));
    }
    if full {
        return Ok(Err(JoinRefusal::GroupFull));
    }
    if super::conversations::count_memberships(&group.tx, joining.user).await? >= joining.conversations_max {
        return Ok(Err(JoinRefusal::TooManyConversations));
    }
    let sql = "UPDATE invite SET uses = uses + 1 WHERE id = ?";
    execute(&group.tx, sql, vec![invite.id.0.to_string().into()]).await?;
    let invited_by = Some(invite.created_by);
    let_in(
        &mut scene,
        group,
        vec![joining.user],
        invited_by,
        SystemEvent::MemberJoined,
    )
    .await?;
    scene.finish(group).await.map(Ok)
}
