//! Invites to the server.

use super::moderation::log;
use super::query::{execute, query, store_error};
use super::rows::{Columns, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{ServerInvites, StoreError};
use chinwag_messenger::{NewServerInvite, ServerInvite, Timestamp, UserId};
use sea_orm::{DbErr, Value};
use serde_json::json;

/// Whether an invite lets somebody in at the given time.
const ADMITS: &str = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) \
     AND (max_uses IS NULL OR uses < max_uses)";

#[async_trait::async_trait]
impl ServerInvites for SqlStore {
    async fn create_server_invite(&self, new: NewServerInvite) -> Result<ServerInvite, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(create_server_invite(group, new)))
            .await
    }

    async fn server_invites(
        &self,
        after: Option<uuid::Uuid>,
        limit: usize,
    ) -> Result<Vec<ServerInvite>, StoreError> {
        let mut sql =
            "SELECT id, created_by, created_at, expires_at, max_uses, uses, revoked_at FROM server_invite"
                .to_owned();
        let mut values: Vec<Value> = Vec::new();
        if let Some(after) = after {
            sql.push_str(
                " WHERE (created_at, id) < (SELECT l.created_at, l.id FROM server_invite l WHERE l.id = ?)",
            );
            values.push(after.to_string().into());
        }
        sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT ?");
        values.push((limit as i64).into());
        let found = query(&self.readers, sql, values).await.map_err(store_error)?;
        let invite = |row| {
            let mut columns = Columns::of(row);
            let id: String = columns.take()?;
            Ok(ServerInvite {
                id: uuid::Uuid::try_parse(&id).map_err(|_| corrupt("an invite whose id is no UUID"))?,
                created_by: UserId(columns.take()?),
                created_at: Timestamp(columns.take()?),
                expires_at: columns.time()?,
                max_uses: columns.maybe_count()?,
                uses: columns.count()?,
                revoked_at: columns.time()?,
            })
        };
        found
            .iter()
            .map(invite)
            .collect::<Result<_, _>>()
            .map_err(store_error)
    }
    async fn revoke_server_invite(
        &self,
        actor: UserId,
        id: uuid::Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(revoke(group, actor, id, at)))
            .await
    }

    async fn server_invite_admits(&self, secret_hash: &str, at: Timestamp) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 FROM server_invite WHERE secret_hash = ? AND {ADMITS}");
        let found = query(&self.readers, sql, vec![secret_hash.into(), at.0.into()]).await;
        Ok(!found.map_err(store_error)?.is_empty())
    }
}

async fn create_server_invite(group: &mut Group, new: NewServerInvite) -> Result<ServerInvite, DbErr> {
    let NewServerInvite { invite, secret_hash } = new;
    let sql = "INSERT INTO server_invite (id, secret_hash, created_by, created_at, expires_at, max_uses) \
         VALUES (?, ?, ?, ?, ?, ?)";
    let values = vec![
        invite.id.to_string().into(),
        secret_hash.into(),
        invite.created_by.0.into(),
        invite.created_at.0.into(),
        invite.expires_at.map(|at| at.0).into(),
        invite.max_uses.map(|uses| uses as i64).into(),
    ];
    execute(&group.tx, sql, values).await?;
    let subject = json!({"invite_id": invite.id.to_string()});
    let (actor, at) = (invite.created_by, invite.created_at);
    log(group, actor, "server_invite.created", &subject.to_string(), at).await?;
    Ok(invite)
}

/// Uses an invite for one registration; `false` when it lets nobody in.
pub(super) async fn use_server_invite(
    group: &mut Group,
    secret_hash: &str,
    at: Timestamp,
) -> Result<bool, DbErr> {
    let sql =
        format!("UPDATE server_invite SET uses = uses + 1 WHERE secret_hash = ? AND {ADMITS} RETURNING id");
    let used = query(&group.tx, sql, vec![secret_hash.into(), at.0.into()]).await?;
    Ok(!used.is_empty())
}

async fn revoke(group: &mut Group, actor: UserId, id: uuid::Uuid, at: Timestamp) -> Result<bool, DbErr> {
    let sql = "SELECT revoked_at FROM server_invite WHERE id = ?";
    let found = query(&group.tx, sql, vec![id.to_string().into()]).await?;
    let Some(row) = found.first() else {
        return Ok(false);
    };
    if row.try_get_by_index::<Option<i64>>(0)?.is_some() {
        return Ok(true);
    }
    let sql = "UPDATE server_invite SET revoked_at = ? WHERE id = ?";
    execute(&group.tx, sql, vec![at.0.into(), id.to_string().into()]).await?;
    let subject = json!({"invite_id": id.to_string()});
    log(group, actor, "server_invite.revoked", &subject.to_string(), at).await?;
    Ok(true)
}
