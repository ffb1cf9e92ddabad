//! Logins.

use super::entity::{account, login};
use super::people::raise_by;
use super::query::{query, store_error};
use super::rows::{Columns, account_of, corrupt};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{Announce, EndedLogin, LoginRecord, Logins, StoreError, StoredLogin};
use chinwag_messenger::{AccountStatus, Login, LoginId, Timestamp, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Value};

#[async_trait::async_trait]
impl Logins for SqlStore {
    async fn create_login(
        &self,
        record: LoginRecord,
        announce: Announce<(Login, u64)>,
    ) -> Result<Login, StoreError> {
        let work = self.writer.run(Some(announce), move |group| {
            Box::pin(async move {
                let user_rev = raise_by(group, record.user, 1).await?;
                let created = login::ActiveModel {
                    device_id: Set(record.device_id.as_bytes().to_vec()),
                    user_id: Set(record.user.0),
                    name: Set(record.name),
                    secret_hash: Set(record.secret_hash),
                    created_at: Set(record.at.0),
                    last_used_at: Set(record.at.0),
                    ..Default::default()
                };
                Ok((login_of(created.insert(&group.tx).await?)?, user_rev))
            })
        });
        work.await.map(|(login, _)| login)
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
        announce: Announce<Vec<EndedLogin>>,
    ) -> Result<(), StoreError> {
        let work = self.writer.run(Some(announce), move |group| {
            let values = vec![user.0.into(), id.0.into()];
            Box::pin(end_logins_where(group, user, "user_id = ? AND id = ?", values))
        });
        work.await.map(|_| ())
    }
}

/// Ends those logins of the user that fit, each with a change number of its own.
pub(super) async fn end_logins_where(
    group: &mut Group,
    user: UserId,
    which: &str,
    values: Vec<Value>,
) -> Result<Vec<EndedLogin>, DbErr> {
    let sql = format!("DELETE FROM login WHERE {which} RETURNING id, device_id");
    let rows = query(&group.tx, &sql, values).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let last = raise_by(group, user, rows.len() as u64).await?;
    let first = last + 1 - rows.len() as u64;
    rows.iter()
        .zip(first..)
        .map(|(row, user_rev)| {
            let mut columns = Columns::of(row);
            Ok(EndedLogin {
                login: LoginId(columns.take()?),
                device_id: device_id(&columns.take::<Vec<u8>>()?)?,
                user_rev,
            })
        })
        .collect()
}

fn device_id(bytes: &[u8]) -> Result<uuid::Uuid, DbErr> {
    uuid::Uuid::from_slice(bytes).map_err(|_| corrupt("a device id that is no UUID"))
}

fn login_of(model: login::Model) -> Result<Login, DbErr> {
    Ok(Login {
        id: LoginId(model.id),
        device_id: device_id(&model.device_id)?,
        user: UserId(model.user_id),
        name: model.name,
        created_at: Timestamp(model.created_at),
    })
}
