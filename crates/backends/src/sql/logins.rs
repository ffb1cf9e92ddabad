//! Logins.

use super::entity::{account, login};
use super::query::store_error;
use super::rows::{account_of, corrupt};
use super::store::SqlStore;
use chinwag_messenger::store::{Announce, LoginRecord, Logins, StoreError, StoredLogin};
use chinwag_messenger::{AccountStatus, Login, LoginId, Timestamp, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

#[async_trait::async_trait]
impl Logins for SqlStore {
    async fn create_login(&self, record: LoginRecord) -> Result<Login, StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                group.dirty = true;
                let created = login::ActiveModel {
                    device_id: Set(record.device_id.as_bytes().to_vec()),
                    user_id: Set(record.user.0),
                    name: Set(record.name),
                    secret_hash: Set(record.secret_hash),
                    created_at: Set(record.at.0),
                    last_used_at: Set(record.at.0),
                    ..Default::default()
                };
                login_of(created.insert(&group.tx).await?)
            })
        });
        work.await
    }

    async fn login(&self, id: LoginId) -> Result<Option<StoredLogin>, StoreError> {
        let read = async {
            let Some(found) = login::Entity::find_by_id(id.0).one(&self.readers).await? else {
                return Ok(None);
            };
            let whose = account::Entity::find_by_id(found.user_id)
                .one(&self.readers)
                .await?;
            Ok(Some(StoredLogin {
                secret_hash: found.secret_hash.clone(),
                last_used_at: Timestamp(found.last_used_at),
                status: match whose.map(account_of).transpose()? {
                    Some(account) => account.status(),
                    None => AccountStatus::Deleted,
                },
                login: login_of(found)?,
            }))
        };
        read.await.map_err(store_error)
    }

    async fn used(&self, id: LoginId, at: Timestamp) -> Result<(), StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let updated = login::Entity::update_many()
                    .col_expr(login::Column::LastUsedAt, Expr::value(at.0))
                    .filter(login::Column::Id.eq(id.0))
                    .filter(login::Column::LastUsedAt.lt(at.0))
                    .exec(&group.tx)
                    .await?;
                group.dirty |= updated.rows_affected > 0;
                Ok(())
            })
        });
        work.await
    }

    async fn logins_of(&self, user: UserId) -> Result<Vec<StoredLogin>, StoreError> {
        let found = login::Entity::find()
            .filter(login::Column::UserId.eq(user.0))
            .order_by_desc(login::Column::LastUsedAt)
            .order_by_desc(login::Column::Id);
        let read = |model: login::Model| {
            Ok(StoredLogin {
                secret_hash: model.secret_hash.clone(),
                last_used_at: Timestamp(model.last_used_at),
                // Whoever asks is logged in.
                status: AccountStatus::Active,
                login: login_of(model)?,
            })
        };
        let found = found.all(&self.readers).await.map_err(store_error)?;
        let logins: Result<_, DbErr> = found.into_iter().map(read).collect();
        logins.map_err(store_error)
    }

    async fn renew_login(&self, id: LoginId, secret_hash: String, at: Timestamp) -> Result<bool, StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let updated = login::Entity::update_many()
                    .col_expr(login::Column::SecretHash, Expr::value(secret_hash))
                    .col_expr(login::Column::LastUsedAt, Expr::value(at.0))
                    .filter(login::Column::Id.eq(id.0))
                    .exec(&group.tx)
                    .await?;
                group.dirty |= updated.rows_affected > 0;
                Ok(updated.rows_affected > 0)
            })
        });
        work.await
    }

    async fn end_login(
        &self,
        user: UserId,
        id: LoginId,
        announce: Announce<Vec<LoginId>>,
    ) -> Result<(), StoreError> {
        let work = self.writer.run(Some(announce), move |group| {
            Box::pin(async move {
                let ended = login::Entity::delete_many()
                    .filter(login::Column::Id.eq(id.0))
                    .filter(login::Column::UserId.eq(user.0))
                    .exec(&group.tx)
                    .await?;
                let ended = ended.rows_affected > 0;
                group.dirty |= ended;
                Ok(if ended { vec![id] } else { Vec::new() })
            })
        });
        work.await.map(|_| ())
    }
}

fn login_of(model: login::Model) -> Result<Login, DbErr> {
    let device_id = uuid::Uuid::from_slice(&model.device_id);
    Ok(Login {
        id: LoginId(model.id),
        device_id: device_id.map_err(|_| corrupt("a device id that is no UUID"))?,
        user: UserId(model.user_id),
        name: model.name,
        created_at: Timestamp(model.created_at),
    })
}
