//! Apps that are kept.

use super::query::{affected, execute, query};
use super::rows::corrupt;
use super::store::SqlStore;
use chinwag_engine::{AppRecord, AppStore, AppStoreError, KeyPair, Secret, StoredKey};
use sea_orm::{ConnectionTrait, DbErr};

fn failed(error: impl std::fmt::Display) -> AppStoreError {
    AppStoreError(error.to_string())
}

#[async_trait::async_trait]
impl AppStore for SqlStore {
    async fn version(&self) -> Result<u64, AppStoreError> {
        let read = async {
            let sql = "SELECT value FROM app_version WHERE id = 1";
            let row = query(&self.readers, sql, Vec::new()).await?.pop();
            let row = row.ok_or_else(|| corrupt("no version of the apps"))?;
            row.try_get_by_index::<i64>(0)
        };
        read.await.map(|version| version as u64).map_err(failed)
    }

    async fn apps(&self) -> Result<Vec<AppRecord>, AppStoreError> {
        let read = async {
            let snapshot = self
                .snapshot()
                .await
                .map_err(|error| corrupt(&error.to_string()))?;
            all(&snapshot).await
        };
        read.await.map_err(failed)
    }

    async fn create_app(&self, app: AppRecord) -> Result<bool, AppStoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let taken = all(&group.tx)
                    .await?
                    .iter()
                    .any(|other| other.id == app.id || shares_key(other, &app));
                if taken {
                    return Ok(false);
                }
                group.dirty = true;
                let sql = "INSERT INTO app (id, settings, created_at) VALUES (?, ?, ?)";
                let created_at = app.created_ms as i64;
                let values = vec![
                    app.id.clone().into(),
                    app.settings.clone().into(),
                    created_at.into(),
                ];
                execute(&group.tx, sql, values).await?;
                insert_keys(&group.tx, &app).await?;
                raise_version(&group.tx).await?;
                Ok(true)
            })
        });
        work.await.map_err(failed)
    }

    async fn change_app(&self, before: AppRecord, after: AppRecord) -> Result<bool, AppStoreError> {
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let others = all(&group.tx).await?;
                let Some(found) = others.iter().find(|app| app.id == before.id) else {
                    return Ok(false);
                };
                let taken = others
                    .iter()
                    .any(|other| other.id != before.id && shares_key(other, &after));
                if taken || !is_same(found, &before) {
                    return Ok(false);
                }
                group.dirty = true;
                let sql = "UPDATE app SET settings = ? WHERE id = ?";
                let values = vec![after.settings.clone().into(), before.id.clone().into()];
                execute(&group.tx, sql, values).await?;
                let sql = "DELETE FROM app_key WHERE app_id = ?";
                execute(&group.tx, sql, vec![before.id.into()]).await?;
                insert_keys(&group.tx, &after).await?;
                raise_version(&group.tx).await?;
                Ok(true)
            })
        });
        work.await.map_err(failed)
    }

    async fn remove_app(&self, id: &str) -> Result<bool, AppStoreError> {
        let id = id.to_owned();
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let delete = "DELETE FROM app WHERE id = ?";
                let removed = affected(&group.tx, delete, vec![id.into()]).await? > 0;
                if removed {
                    group.dirty = true;
                    raise_version(&group.tx).await?;
                }
                Ok(removed)
            })
        });
        work.await.map_err(failed)
    }
}

/// There are few, and they are looked at seldom.
async fn all(connection: &impl ConnectionTrait) -> Result<Vec<AppRecord>, DbErr> {
    let mut apps = Vec::new();
    let sql = "SELECT id, settings, created_at FROM app ORDER BY id";
    for row in query(connection, sql, Vec::new()).await? {
        apps.push(AppRecord {
            id: row.try_get_by_index(0)?,
            keys: Vec::new(),
            settings: row.try_get_by_index(1)?,
            created_ms: row.try_get_by_index::<i64>(2)? as u64,
        });
    }
    let sql = "SELECT app_id, key, secret, retires_at FROM app_key ORDER BY app_id, place";
    for row in query(connection, sql, Vec::new()).await? {
        let whose: String = row.try_get_by_index(0)?;
        let app = apps.binary_search_by(|app| app.id.cmp(&whose));
        let app = app.map_err(|_| corrupt("a key of no app"))?;
        let secret: String = row.try_get_by_index(2)?;
        apps[app].keys.push(StoredKey {
            pair: KeyPair {
                key: row.try_get_by_index(1)?,
                secret: Secret::new(&secret),
            },
            retires_ms: row.try_get_by_index::<Option<i64>>(3)?.map(|at| at as u64),
        });
    }
    Ok(apps)
}

async fn insert_keys(connection: &impl ConnectionTrait, app: &AppRecord) -> Result<(), DbErr> {
    for (place, key) in app.keys.iter().enumerate() {
        let sql = "INSERT INTO app_key (key, app_id, place, secret, retires_at) VALUES (?, ?, ?, ?, ?)";
        let values = vec![
            key.pair.key.clone().into(),
            app.id.clone().into(),
            (place as i64).into(),
            key.pair.secret.reveal().into(),
            key.retires_ms.map(|at| at as i64).into(),
        ];
        execute(connection, sql, values).await?;
    }
    Ok(())
}

async fn raise_version(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = "UPDATE app_version SET value = value + 1 WHERE id = 1";
    execute(connection, sql, Vec::new()).await
}

fn shares_key(one: &AppRecord, other: &AppRecord) -> bool {
    let has = |key: &str| other.keys.iter().any(|theirs| theirs.pair.key == key);
    one.keys.iter().any(|ours| has(&ours.pair.key))
}

fn is_same(one: &AppRecord, other: &AppRecord) -> bool {
    let pairs = || one.keys.iter().zip(&other.keys);
    one.settings == other.settings
        && one.keys.len() == other.keys.len()
        && pairs().all(|(one, other)| one.pair.key == other.pair.key && one.retires_ms == other.retires_ms)
}
