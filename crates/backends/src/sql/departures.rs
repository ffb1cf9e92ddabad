//! The end of accounts.

use super::accounts::end_logins;
use super::attachments::{AvatarOf, change_avatar, forget_attachments};
use super::conversations::standing;
use super::groups::{Scene, dissolve, some_members};
use super::people::read_me;
use super::query::{execute, query, store_error};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    AccountDeleted, Acted, Announce, DeleteAccountRefusal, DepartureRecord, Departures, StepKind, StoreError,
};
use chinwag_messenger::{
    ConversationId, ConversationKind, PolicyChange, ServerRole, SettingsChange, UserId, Who,
};
use sea_orm::{ConnectionTrait, DbErr};

/// The name of an account that is no more: nobody can choose it.
fn no_name(user: UserId) -> String {
    format!("~{user}")
}

#[async_trait::async_trait]
impl Departures for SqlStore {
    async fn other_owner(&self, user: UserId) -> Result<bool, StoreError> {
        other_owner(&self.readers, user).await.map_err(store_error)
    }

    async fn delete_account(
        &self,
        record: DepartureRecord,
        announce: Announce<Result<AccountDeleted, DeleteAccountRefusal>>,
    ) -> Result<Result<AccountDeleted, DeleteAccountRefusal>, StoreError> {
        self.writer
            .run(Some(announce), move |group| {
                Box::pin(delete_account(group, record))
            })
            .await
    }
}

async fn other_owner(connection: &impl ConnectionTrait, user: UserId) -> Result<bool, DbErr> {
    let sql = "SELECT id FROM account WHERE server_role = ? AND id <> ? AND deleted_at IS NULL AND NOT suspended LIMIT 1";
    let owner = super::rows::server_role_number(ServerRole::Owner);
    let found = query(connection, sql, vec![owner.into(), user.0.into()]).await?;
    Ok(!found.is_empty())
}

async fn delete_account(
    group: &mut Group,
    record: DepartureRecord,
) -> Result<Result<AccountDeleted, DeleteAccountRefusal>, DbErr> {
    let DepartureRecord { user, at, .. } = record;
    let me = read_me(&group.tx, user).await?;
    let nothing = AccountDeleted {
        logins: Vec::new(),
        acted: Vec::new(),
    };
    // Gone already, by another request.
    let Some(me) = me.filter(|me| me.account.deleted_at.is_none()) else {
        return Ok(Ok(nothing));
    };
    if me.account.server_role == ServerRole::Owner && !other_owner(&group.tx, user).await? {
        return Ok(Err(DeleteAccountRefusal::LastOwner));
    }
    let sql = "SELECT c.id, c.kind FROM member m JOIN conversation c ON c.id = m.conversation_id \
         WHERE m.user_id = ? AND m.left_at IS NULL AND c.deleted_at IS NULL ORDER BY c.id";
    let mut conversations = Vec::new();
    for row in query(&group.tx, sql, vec![user.0.into()]).await? {
        let (id, kind): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if super::rows::conversation_kind(kind)? == ConversationKind::Group {
            return Ok(Err(DeleteAccountRefusal::InGroups));
        }
        conversations.push(ConversationId(id));
    }
    let ended = end_logins(group, user, None).await?;
    if me.account.avatar.is_some() {
        change_avatar(group, AvatarOf::User(user), me.account.avatar, None, at).await?;
    }
    let unused = "uploader_id = ? AND message_id IS NULL AND avatar_conversation_id IS NULL";
    forget_attachments(group, unused, vec![user.0.into()], at).await?;
    wipe(group, record, me.account.username.as_str()).await?;
    let mut acted = Vec::with_capacity(conversations.len());
    for id in conversations {
        acted.extend(bid_farewell(group, record, id).await?);
    }
    Ok(Ok(AccountDeleted {
        logins: ended.iter().map(|ended| ended.login).collect(),
        acted,
    }))
}

/// Tells the other person of a direct conversation, and closes it; deletes one's own notes.
async fn bid_farewell(
    group: &mut Group,
    record: DepartureRecord,
    id: ConversationId,
) -> Result<Option<Acted>, DbErr> {
    let user = record.user;
    let Some((conversation, _)) = standing(&group.tx, user, id).await? else {
        return Ok(None);
    };
    let kind = conversation.kind;
    let mut scene = Scene::new(conversation, user, record.at);
    if kind == ConversationKind::Own {
        dissolve(&mut scene, group).await?;
    } else {
        // Administrators may write, and there are none.
        scene.conversation.policies.post = Who::Admins;
        let policies = PolicyChange {
            post: Some(Who::Admins),
            ..PolicyChange::default()
        };
        scene.silent(StepKind::Settings(SettingsChange {
            policies,
            ..SettingsChange::default()
        }));
        scene.silent(StepKind::Members {
            added: Vec::new(),
            removed: Vec::new(),
            updated: some_members(&group.tx, id, &[user]).await?,
        });
    }
    scene.finish(group).await.map(Some)
}

/// Leaves nothing of the account but that it was there.
async fn wipe(group: &mut Group, record: DepartureRecord, username: &str) -> Result<(), DbErr> {
    group.dirty = true;
    let user = record.user;
    let sql = "INSERT INTO former_username (username, user_id, held_until) VALUES (?, ?, ?) \
         ON CONFLICT (username) DO UPDATE SET user_id = EXCLUDED.user_id, held_until = EXCLUDED.held_until";
    let values = vec![username.into(), user.0.into(), record.name_held_until.0.into()];
    execute(&group.tx, sql, values).await?;
    for sql in [
        "DELETE FROM account_key WHERE user_id = ?",
        "DELETE FROM contact WHERE owner_id = ?",
        "DELETE FROM block WHERE owner_id = ?",
        "DELETE FROM second_factor WHERE user_id = ?",
        "DELETE FROM recovery_code WHERE user_id = ?",
        "DELETE FROM mail WHERE user_id = ?",
        "DELETE FROM thread_follow WHERE user_id = ?",
        "DELETE FROM hidden_message WHERE user_id = ?",
        "UPDATE member SET draft = NULL, draft_at = NULL, muted_until = NULL, archived = FALSE, notify = 0, \
         pinned_order = NULL, marked_unread = FALSE WHERE user_id = ?",
    ] {
        execute(&group.tx, sql, vec![user.0.into()]).await?;
    }
    // There is no index by user alone, so by its conversations.
    let sql = "DELETE FROM receipt_advance WHERE user_id = ? \
         AND conversation_id IN (SELECT conversation_id FROM member WHERE user_id = ?)";
    execute(&group.tx, sql, vec![user.0.into(), user.0.into()]).await?;
    let sql = "UPDATE account SET username = ?, display_name = '', password_hash = '', bio = '', timezone = 'UTC', \
         locale = 'en', settings = '{}', email = NULL, email_key = NULL, email_verified_at = NULL, \
         email_wanted = NULL, avatar_id = NULL, last_seen_at = NULL, last_seen_for = 2, who_can_dm = 2, \
         who_can_add_me = 2, discoverable = FALSE, server_role = ?, suspended = FALSE, deleted_at = ? WHERE id = ?";
    let values = vec![
        no_name(user).into(),
        super::rows::server_role_number(ServerRole::Member).into(),
        record.at.0.into(),
        user.0.into(),
    ];
    execute(&group.tx, sql, values).await
}
