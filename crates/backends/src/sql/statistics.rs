//! The engine's statistics, beside the messenger's tables in the same file.

use super::query::{execute, larger, query, row_places, store_error};
use super::store::SqlStore;
use chinwag_engine::{Sample, Statistics, StatisticsError};
use sea_orm::{DbErr, QueryResult};

const COLUMNS: &str = "app_id, at, connections_peak, frames_received, api_messages, messages_sent";
/// Rows of one statement.
const ROWS_MAX: usize = 100;

#[async_trait::async_trait]
impl Statistics for SqlStore {
    async fn keep(&self, samples: &[Sample]) -> Result<(), StatisticsError> {
        if samples.is_empty() {
            return Ok(());
        }
        let samples = samples.to_vec();
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                group.dirty = true;
                let peak = larger("statistics.connections_peak", "excluded.connections_peak");
                for rows in samples.chunks(ROWS_MAX) {
                    let sql = format!(
                        "INSERT INTO statistics ({COLUMNS}) VALUES {} ON CONFLICT (app_id, at) DO UPDATE SET \
                         connections_peak = {peak}, \
                         frames_received = statistics.frames_received + excluded.frames_received, \
                         api_messages = statistics.api_messages + excluded.api_messages, \
                         messages_sent = statistics.messages_sent + excluded.messages_sent",
                        row_places(rows.len(), 6)
                    );
                    let mut values = Vec::with_capacity(rows.len() * 6);
                    for row in rows {
                        values.push(row.app.clone().into());
                        values.push(row.at_s.into());
                        for number in [
                            row.connections_peak,
                            row.frames_received,
                            row.api_messages,
                            row.messages_sent,
                        ] {
                            values.push((number as i64).into());
                        }
                    }
                    execute(&group.tx, sql, values).await?;
                }
                Ok(())
            })
        });
        work.await.map_err(|error| StatisticsError(error.to_string()))
    }

    async fn newest(&self, app: &str, since_s: i64, limit: usize) -> Result<Vec<Sample>, StatisticsError> {
        let sql =
            format!("SELECT {COLUMNS} FROM statistics WHERE app_id = ? AND at >= ? ORDER BY at DESC LIMIT ?");
        let values = vec![app.into(), since_s.into(), (limit as i64).into()];
        let read = async {
            let rows = query(&self.readers, sql, values).await?;
            rows.iter().rev().map(sample).collect::<Result<Vec<_>, DbErr>>()
        };
        let failed = |error| StatisticsError(store_error(error).to_string());
        read.await.map_err(failed)
    }

    async fn forget_before(&self, at_s: i64) -> Result<(), StatisticsError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                group.dirty = true;
                execute(
                    &group.tx,
                    "DELETE FROM statistics WHERE at < ?",
                    vec![at_s.into()],
                )
                .await
            })
        });
        work.await.map_err(|error| StatisticsError(error.to_string()))
    }
}

fn sample(row: &QueryResult) -> Result<Sample, DbErr> {
    let number = |index: usize| -> Result<u64, DbErr> {
        let number: i64 = row.try_get_by_index(index)?;
        Ok(number as u64)
    };
    Ok(Sample {
        app: row.try_get_by_index(0)?,
        at_s: row.try_get_by_index(1)?,
        connections_peak: number(2)?,
        frames_received: number(3)?,
        api_messages: number(4)?,
        messages_sent: number(5)?,
    })
}
