//! Accounts.

use super::entity::{account, account_key};
use super::logins::end_logins_where;
use super::people;
use super::query::{execute, query, store_error};
use super::rows::{
    ACCOUNT, Columns, account as read_account, account_kind_number, account_of, server_role_number,
};
use super::server_invites::use_server_invite;
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    AccountRecord, AccountRefusal, Accounts, Admission, Announce, Credentials, EndedLogin, StoreError,
};
use chinwag_messenger::{Account, LoginId, ServerRole, Timestamp, UserId, Username};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

#[async_trait::async_trait]
impl Accounts for SqlStore {
    async fn create_account(
        &self,
        record: AccountRecord,
    ) -> Result<Result<Account, AccountRefusal>, StoreError> {
        self.writer
            .run(None, move |group| Box::pin(create(group, record)))
            .await
    }

    async fn any_account(&self) -> Result<bool, StoreError> {
        let first = account::Entity::find()
            .select_only()
            .column(account::Column::Id)
            .limit(1);
        let found = first
            .into_tuple::<i64>()
            .one(&self.readers)
            .await
            .map_err(store_error)?;
        Ok(found.is_some())
    }

    async fn all_accounts(&self) -> Result<Vec<Account>, StoreError> {
        let all = account::Entity::find()
            .order_by_asc(account::Column::Id)
            .all(&self.readers)
            .await;
        accounts(all)
    }

    async fn accounts_by_id(&self, ids: &[UserId]) -> Result<Vec<Account>, StoreError> {
        let wanted = account::Column::Id.is_in(ids.iter().map(|id| id.0));
        let found = account::Entity::find()
            .filter(wanted)
            .order_by_asc(account::Column::Id);
        accounts(found.all(&self.readers).await)
    }

    async fn credentials(&self, username: &Username) -> Result<Option<Credentials>, StoreError> {
        let found = account::Entity::find()
            .filter(account::Column::Username.eq(username.as_str()))
            .filter(account::Column::DeletedAt.is_null())
            .one(&self.readers)
            .await
            .map_err(store_error)?;
        let Some(found) = found else { return Ok(None) };
        let password_hash = found.password_hash.clone();
        Ok(Some(Credentials {
            account: account_of(found).map_err(store_error)?,
            password_hash,
        }))
    }

    async fn set_password(
        &self,
        user: UserId,
        password_hash: String,
        keep: Option<LoginId>,
        announce: Announce<Vec<EndedLogin>>,
    ) -> Result<(), StoreError> {
        let work = self.writer.run(Some(announce), move |group| {
            Box::pin(async move {
                group.dirty = true;
                account::Entity::update_many()
                    .col_expr(account::Column::PasswordHash, Expr::value(password_hash))
                    .filter(account::Column::Id.eq(user.0))
                    .exec(&group.tx)
                    .await?;
                end_logins(group, user, keep).await
            })
        });
        work.await.map(|_: Vec<EndedLogin>| ())
    }

    async fn find_people(
        &self,
        prefix: &str,
        searcher: UserId,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        // No key goes on with this character, so it bounds all that begin with the prefix.
        let end = format!("{prefix}\u{10FFFF}");
        let sql = format!(
            "WITH known AS (SELECT user_id FROM contact WHERE owner_id = ? \
             UNION SELECT other.user_id FROM member mine \
             JOIN conversation c ON c.id = mine.conversation_id AND c.kind = 0 \
             JOIN member other ON other.conversation_id = c.id WHERE mine.user_id = ?) \
             SELECT DISTINCT {ACCOUNT}, CASE WHEN known.user_id IS NULL THEN 1 ELSE 0 END AS stranger \
             FROM account_key k JOIN account a ON a.id = k.user_id LEFT JOIN known ON known.user_id = a.id \
             WHERE k.search_key >= ? AND k.search_key < ? AND a.id <> ? AND a.deleted_at IS NULL \
             AND (a.discoverable OR known.user_id IS NOT NULL) ORDER BY stranger, a.username LIMIT ?"
        );
        let (who, limit) = (searcher.0.into(), (limit as i64).into());
        let values = vec![
            searcher.0.into(),
            searcher.0.into(),
            prefix.into(),
            end.into(),
            who,
            limit,
        ];
        let found = query(&self.readers, sql, values).await.map_err(store_error)?;
        let people = found.iter().map(|row| read_account(&mut Columns::of(row)));
        people.collect::<Result<_, _>>().map_err(store_error)
    }

    async fn saw(&self, user: UserId, at: Timestamp) -> Result<(), StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let earlier = Condition::any()
                    .add(account::Column::LastSeenAt.is_null())
                    .add(account::Column::LastSeenAt.lt(at.0));
                let updated = account::Entity::update_many()
                    .col_expr(account::Column::LastSeenAt, Expr::value(at.0))
                    .filter(account::Column::Id.eq(user.0))
                    .filter(earlier)
                    .exec(&group.tx)
                    .await?;
                group.dirty |= updated.rows_affected > 0;
                Ok(())
            })
        });
        work.await
    }
}

/// Ends all logins but the one to keep, and voids all tickets.
pub(super) async fn end_logins(
    group: &mut Group,
    user: UserId,
    keep: Option<LoginId>,
) -> Result<Vec<EndedLogin>, DbErr> {
    group.dirty = true;
    let tickets = "DELETE FROM ticket WHERE user_id = ?";
    execute(&group.tx, tickets, vec![user.0.into()]).await?;
    // No login has the number 0.
    let keep = keep.map_or(0, |login| login.0);
    let which = "user_id = ? AND id <> ?";
    end_logins_where(group, user, which, vec![user.0.into(), keep.into()]).await
}

fn accounts(found: Result<Vec<account::Model>, DbErr>) -> Result<Vec<Account>, StoreError> {
    let read = |models: Vec<account::Model>| models.into_iter().map(account_of).collect();
    found.and_then(read).map_err(store_error)
}

async fn create(group: &mut Group, record: AccountRecord) -> Result<Result<Account, AccountRefusal>, DbErr> {
    // No account has the number 0.
    if !people::is_free(group, UserId(0), record.username.as_str(), record.at).await? {
        return Ok(Err(AccountRefusal::UsernameTaken));
    }
    let first = account::Entity::find().one(&group.tx).await?.is_none();
    let role = match (record.admission, first) {
        (Admission::FirstOnly, false) => return Ok(Err(AccountRefusal::NotTheFirst)),
        (Admission::As(role), _) => role,
        (Admission::FirstOnly | Admission::Anyone | Admission::Invited { .. }, true) => ServerRole::Owner,
        (Admission::Invited { secret_hash }, false) => {
            if !use_server_invite(group, &secret_hash, record.at).await? {
                return Ok(Err(AccountRefusal::NotInvited));
            }
            ServerRole::Member
        }
        (Admission::Anyone, false) => ServerRole::Member,
    };
    group.dirty = true;
    let created = account::ActiveModel {
        username: Set(record.username.as_str().to_owned()),
        display_name: Set(record.display_name),
        password_hash: Set(record.password_hash),
        kind: Set(account_kind_number(record.kind)),
        server_role: Set(server_role_number(role)),
        suspended: Set(false),
        locale: Set("en".to_owned()),
        user_rev: Set(0),
        created_at: Set(record.at.0),
        ..Default::default()
    };
    let created = created.insert(&group.tx).await?;
    let keys = record.search_keys.into_iter();
    let keys = keys.map(|key| account_key::ActiveModel {
        search_key: Set(key),
        user_id: Set(created.id),
    });
    account_key::Entity::insert_many(keys)
        .exec_without_returning(&group.tx)
        .await?;
    account_of(created).map(Ok)
}
