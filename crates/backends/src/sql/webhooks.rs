//! The outbox of webhooks.

use super::query::{execute, places, query, row_places};
use super::store::SqlStore;
use chinwag_engine::{NewParcel, Parcel, WebhookQueue, WebhookQueueError};
use sea_orm::{DbErr, Value};

/// Rows of one statement: bounds its number of placeholders.
const ROWS_MAX: usize = 256;

fn failed(error: impl std::fmt::Display) -> WebhookQueueError {
    WebhookQueueError(error.to_string())
}

#[async_trait::async_trait]
impl WebhookQueue for SqlStore {
    async fn put(&self, parcels: Vec<NewParcel>) -> Result<(), WebhookQueueError> {
        if parcels.is_empty() {
            return Ok(());
        }
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                group.dirty = true;
                for parcels in parcels.chunks(ROWS_MAX) {
                    let sql = format!(
                        "INSERT INTO webhook_parcel (app, destination, payload, made_at, due_at) VALUES {}",
                        row_places(parcels.len(), 5)
                    );
                    let values = parcels.iter().flat_map(|parcel| -> [Value; 5] {
                        let made_at = parcel.made_ms as i64;
                        [
                            parcel.app.clone().into(),
                            parcel.destination.clone().into(),
                            parcel.payload.to_vec().into(),
                            made_at.into(),
                            made_at.into(),
                        ]
                    });
                    execute(&group.tx, sql, values.collect()).await?;
                }
                Ok(())
            })
        });
        work.await.map_err(failed)
    }

    async fn lanes(&self) -> Result<Vec<(String, String)>, WebhookQueueError> {
        let read = async {
            let sql = "SELECT DISTINCT app, destination FROM webhook_parcel";
            let rows = query(&self.readers, sql, Vec::new()).await?;
            rows.iter()
                .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
                .collect::<Result<_, DbErr>>()
        };
        read.await.map_err(failed)
    }

    async fn due(
        &self,
        app: &str,
        destination: &str,
        limit: usize,
    ) -> Result<Vec<Parcel>, WebhookQueueError> {
        let read = async {
            let sql = "SELECT id, payload, made_at, due_at, attempts FROM webhook_parcel \
                 WHERE app = ? AND destination = ? ORDER BY id LIMIT ?";
            let values = vec![app.into(), destination.into(), (limit as i64).into()];
            let rows = query(&self.readers, sql, values).await?;
            let parcel = |row: &sea_orm::QueryResult| -> Result<Parcel, DbErr> {
                Ok(Parcel {
                    id: row.try_get_by_index(0)?,
                    new: NewParcel {
                        app: app.to_owned(),
                        destination: destination.to_owned(),
                        payload: row.try_get_by_index::<Vec<u8>>(1)?.into(),
                        made_ms: row.try_get_by_index::<i64>(2)? as u64,
                    },
                    due_ms: row.try_get_by_index::<i64>(3)? as u64,
                    attempts: row.try_get_by_index::<i64>(4)? as u32,
                })
            };
            rows.iter().map(parcel).collect::<Result<_, DbErr>>()
        };
        read.await.map_err(failed)
    }

    async fn done(&self, ids: Vec<i64>) -> Result<(), WebhookQueueError> {
        if ids.is_empty() {
            return Ok(());
        }
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                group.dirty = true;
                for ids in ids.chunks(ROWS_MAX) {
                    let sql = format!("DELETE FROM webhook_parcel WHERE id IN ({})", places(ids.len()));
                    execute(&group.tx, sql, ids.iter().map(|id| (*id).into()).collect()).await?;
                }
                Ok(())
            })
        });
        work.await.map_err(failed)
    }

    async fn postponed(&self, id: i64, due_ms: u64) -> Result<(), WebhookQueueError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                group.dirty = true;
                let sql = "UPDATE webhook_parcel SET due_at = ?, attempts = attempts + 1 WHERE id = ?";
                execute(&group.tx, sql, vec![(due_ms as i64).into(), id.into()]).await
            })
        });
        work.await.map_err(failed)
    }
}
