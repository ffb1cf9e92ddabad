//! Apps that are kept: created, changed and removed while the server runs.

use async_trait::async_trait;

use crate::app::KeyPair;

/// The store of apps could not do its work; the text is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store of apps failed: {0}")]
pub struct AppStoreError(pub String);

/// A key pair that is kept.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// The pair.
    pub pair: KeyPair,
    /// When it ceases to be valid, in milliseconds since 1970, if it was replaced.
    pub retires_ms: Option<u64>,
}

/// An app that is kept.
#[derive(Debug, Clone)]
pub struct AppRecord {
    /// Its public id.
    pub id: String,
    /// Its key pairs, the main one first.
    pub keys: Vec<StoredKey>,
    /// What it allows, as text whose form is its writer's own affair. May hold secrets.
    pub settings: String,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
}

/// Keeps apps. One method is one transaction.
#[async_trait]
pub trait AppStore: Send + Sync {
    /// Raised by every change, whichever process makes it.
    async fn version(&self) -> Result<u64, AppStoreError>;

    /// All apps, by id.
    async fn apps(&self) -> Result<Vec<AppRecord>, AppStoreError>;

    /// Keeps an app; `false` when its id or one of its keys is taken.
    async fn create_app(&self, app: AppRecord) -> Result<bool, AppStoreError>;

    /// Replaces settings and keys of an app, provided the settings and keys are those of `before`; `false` when there
    /// is no such app, it has changed meanwhile, or a key is another app's.
    async fn change_app(&self, before: AppRecord, after: AppRecord) -> Result<bool, AppStoreError>;

    /// Forgets an app; `false` when there is none.
    async fn remove_app(&self, id: &str) -> Result<bool, AppStoreError>;
}

/// What every store of apps keeps, as tests.
pub mod contract {
    use super::{AppRecord, AppStore, KeyPair, StoredKey};
    use crate::app::Secret;

    fn key(name: &str, retires_ms: Option<u64>) -> StoredKey {
        let pair = KeyPair {
            key: name.to_owned(),
            secret: Secret::new(&format!("secret of {name}")),
        };
        StoredKey { pair, retires_ms }
    }

    fn app(id: &str, keys: Vec<StoredKey>) -> AppRecord {
        AppRecord {
            id: id.to_owned(),
            keys,
            settings: "{}".to_owned(),
            created_ms: 1_700_000_000_000,
        }
    }

    fn keys(app: &AppRecord) -> Vec<(&str, Option<u64>)> {
        let of = |key: &'_ StoredKey| key.retires_ms;
        app.keys.iter().map(|key| (&*key.pair.key, of(key))).collect()
    }

    /// Checks an empty store.
    ///
    /// # Panics
    /// When it does not keep the contract.
    pub async fn check(store: &dyn AppStore) {
        let mut version = store.version().await.expect("a version");
        let seven = app("7", vec![key("c", None), key("a", Some(5))]);
        assert!(store.create_app(seven.clone()).await.expect("created"));
        for (taken, why) in [
            (app("7", vec![key("x", None)]), "the id"),
            (app("8", vec![key("a", None)]), "a key"),
        ] {
            assert!(!store.create_app(taken).await.expect("refused"), "{why} is taken");
        }
        let now = store.version().await.expect("a version");
        assert!(now > version);
        version = now;

        let kept = store.apps().await.expect("apps");
        assert_eq!(kept.len(), 1, "what was refused left nothing");
        assert_eq!(keys(&kept[0]), [("c", None), ("a", Some(5))], "in their order");
        assert_eq!(kept[0].keys[0].pair.secret.as_bytes(), b"secret of c");
        assert_eq!(kept[0].created_ms, seven.created_ms);

        let mut after = app("7", vec![key("d", None), key("c", Some(9))]);
        after.settings = "{\"enabled\":false}".to_owned();
        let changed = store.change_app(seven.clone(), after.clone()).await;
        assert!(changed.expect("changed"));
        let stale = store.change_app(seven.clone(), after.clone()).await;
        assert!(!stale.expect("refused"), "it has changed meanwhile");
        let kept = store.apps().await.expect("apps");
        assert_eq!(keys(&kept[0]), [("d", None), ("c", Some(9))]);
        assert_eq!(kept[0].settings, after.settings);
        let now = store.version().await.expect("a version");
        assert!(now > version);
        version = now;

        assert!(
            store
                .create_app(app("8", vec![key("a", None)]))
                .await
                .expect("free again")
        );
        let theirs = app("7", vec![key("a", None)]);
        let stolen = store.change_app(after.clone(), theirs).await.expect("refused");
        assert!(!stolen, "a key of another app");
        let unknown = app("9", vec![key("z", None)]);
        assert!(!store.change_app(unknown.clone(), unknown).await.expect("refused"));

        assert!(store.remove_app("7").await.expect("removed"));
        assert!(!store.remove_app("7").await.expect("gone"));
        assert!(store.version().await.expect("a version") > version);
        let kept = store.apps().await.expect("apps");
        assert_eq!(kept.iter().map(|app| &*app.id).collect::<Vec<_>>(), ["8"]);
    }
}
