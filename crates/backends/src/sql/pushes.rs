//! Devices that take notifications, and keys of the server.

use super::query::{execute, query, store_error};
use super::rows::{Columns, corrupt};
use super::store::SqlStore;
use chinwag_messenger::store::{Pushes, StoreError};
use chinwag_messenger::{LoginId, PushDevice, PushSubscription, Timestamp, UserId};
use sea_orm::{DbErr, QueryResult};

#[async_trait::async_trait]
impl Pushes for SqlStore {
    async fn subscribe_push(
        &self,
        user: UserId,
        login: LoginId,
        subscription: PushSubscription,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let known = "SELECT id FROM login WHERE id = ? AND user_id = ?";
                let known = query(&group.tx, known, vec![login.0.into(), user.0.into()]).await?;
                if known.is_empty() {
                    return Ok(());
                }
                group.dirty = true;
                let others = "DELETE FROM push_subscription WHERE login_id = ? OR endpoint = ?";
                let endpoint = subscription.endpoint;
                execute(&group.tx, others, vec![login.0.into(), endpoint.as_str().into()]).await?;
                let sql = "INSERT INTO push_subscription (login_id, user_id, endpoint, p256dh, auth, created_at) \
                     VALUES (?, ?, ?, ?, ?, ?)";
                let values = vec![
                    login.0.into(),
                    user.0.into(),
                    endpoint.into(),
                    subscription.p256dh.into(),
                    subscription.auth.into(),
                    at.0.into(),
                ];
                execute(&group.tx, sql, values).await
            })
        });
        work.await
    }

    async fn unsubscribe_push(&self, login: LoginId) -> Result<(), StoreError> {
        let sql = "DELETE FROM push_subscription WHERE login_id = ?";
        self.change(sql, vec![login.0.into()]).await.map(|_| ())
    }

    async fn push_gone(&self, endpoint: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM push_subscription WHERE endpoint = ?";
        self.change(sql, vec![endpoint.into()]).await.map(|_| ())
    }

    async fn push_users(&self) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT DISTINCT user_id FROM push_subscription ORDER BY user_id";
        let rows = query(&self.readers, sql, Vec::new()).await.map_err(store_error)?;
        let users = rows.iter().map(|row| row.try_get_by_index(0).map(UserId));
        users.collect::<Result<_, DbErr>>().map_err(store_error)
    }

    async fn push_devices(&self, user: UserId, used_after: Timestamp) -> Result<Vec<PushDevice>, StoreError> {
        let sql = "SELECT s.login_id, s.endpoint, s.p256dh, s.auth FROM push_subscription s \
             JOIN login l ON l.id = s.login_id WHERE s.user_id = ? AND l.last_used_at > ? ORDER BY s.login_id";
        let values = vec![user.0.into(), used_after.0.into()];
        let read = |row: &QueryResult| {
            let mut columns = Columns::of(row);
            Ok(PushDevice {
                login: LoginId(columns.take()?),
                subscription: PushSubscription {
                    endpoint: columns.take()?,
                    p256dh: columns.take()?,
                    auth: columns.take()?,
                },
            })
        };
        let rows = query(&self.readers, sql, values).await.map_err(store_error)?;
        let devices: Result<_, DbErr> = rows.iter().map(read).collect();
        devices.map_err(store_error)
    }

    async fn server_key(&self, name: &str, fresh: Vec<u8>, at: Timestamp) -> Result<Vec<u8>, StoreError> {
        let name = name.to_owned();
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let sql = "INSERT INTO server_key (name, secret, created_at) VALUES (?, ?, ?) \
                     ON CONFLICT (name) DO NOTHING";
                group.dirty = true;
                execute(
                    &group.tx,
                    sql,
                    vec![name.as_str().into(), fresh.into(), at.0.into()],
                )
                .await?;
                let sql = "SELECT secret FROM server_key WHERE name = ?";
                let rows = query(&group.tx, sql, vec![name.into()]).await?;
                let row = rows.first().ok_or_else(|| corrupt("a key that vanished"))?;
                row.try_get_by_index(0)
            })
        });
        work.await
    }
}
