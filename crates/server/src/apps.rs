//! Apps that are kept in the store: what may be set, how they are created and changed, and how a running server
//! follows.
//!
//! The command line and the admin API both change the store, through [`AppAdmin`]; [`AppLoader`] sees the store's
//! version rise, whoever did it, and brings the engine up to date.

mod loader;
mod settings;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chinwag_engine::{AppRecord, AppStore, AppStoreError, KeyPair, Secret, StoredKey};
use serde_json::{Map, Value};

pub use loader::AppLoader;
pub use settings::{AppSettings, SettingFault, WebhookSettings};

use crate::webhooks::system_ms;

/// Key pairs an app may have at a time, retiring ones included.
const KEYS_MAX: usize = 8;

/// Why an app was not created or changed.
#[derive(Debug, thiserror::Error)]
pub enum AppAdminError {
    /// The id is not one an app may have.
    #[error("an id has 1 to 64 of a–z, A–Z, 0–9, hyphen and underscore")]
    IdInvalid,
    /// An app has the id.
    #[error("there is an app with this id")]
    IdTaken,
    /// There is no such app, or it stands in the settings file.
    #[error("there is no such app in the store")]
    Unknown,
    /// Somebody else changed it at the same moment.
    #[error("the app was changed by somebody else at the same moment")]
    Changed,
    /// As many key pairs as an app may have are still valid.
    #[error("the app has too many key pairs; wait until one retires")]
    TooManyKeys,
    /// A setting is at fault.
    #[error(transparent)]
    Setting(#[from] SettingFault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] AppStoreError),
    /// The system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// Creates, changes and removes apps in the store.
pub struct AppAdmin {
    store: Arc<dyn AppStore>,
    /// Ids that are taken by the settings file and by the server itself.
    reserved: HashSet<String>,
}

impl AppAdmin {
    /// Over a store, next to apps that are not in it.
    pub fn new(store: Arc<dyn AppStore>, reserved: impl IntoIterator<Item = String>) -> Self {
        let reserved = reserved.into_iter().collect();
        Self { store, reserved }
    }

    /// All apps of the store, by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<AppRecord>, AppAdminError> {
        Ok(self.store.apps().await?)
    }

    /// The app of this id.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn show(&self, id: &str) -> Result<AppRecord, AppAdminError> {
        let apps = self.store.apps().await?;
        let found = apps.into_iter().find(|app| app.id == id);
        found.ok_or(AppAdminError::Unknown)
    }

    /// Creates an app with a fresh key pair, whose secret is in what is returned.
    ///
    /// # Errors
    /// When the id is taken or not valid, or a setting is at fault.
    pub async fn create(&self, id: &str, settings: &AppSettings) -> Result<AppRecord, AppAdminError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return Err(AppAdminError::IdInvalid);
        }
        settings.options()?;
        let app = AppRecord {
            id: id.to_owned(),
            keys: vec![fresh_key()?],
            settings: settings.to_json(),
            created_ms: system_ms(),
        };
        if self.reserved.contains(id) || !self.store.create_app(app.clone()).await? {
            return Err(AppAdminError::IdTaken);
        }
        Ok(app)
    }

    /// Sets what the patch names; what is null there goes back to its default.
    ///
    /// # Errors
    /// When there is no such app, or a setting is at fault.
    pub async fn change(&self, id: &str, patch: &Map<String, Value>) -> Result<AppRecord, AppAdminError> {
        let before = self.show(id).await?;
        let settings = AppSettings::parse(&before.settings)?.patched(patch)?;
        settings.options()?;
        let after = AppRecord {
            settings: settings.to_json(),
            ..before.clone()
        };
        self.replace(before, after).await
    }

    /// Adds a fresh key pair as the main one; those before stay valid for `keep`.
    ///
    /// # Errors
    /// When there is no such app, or it has too many key pairs.
    pub async fn rotate(&self, id: &str, keep: Duration) -> Result<AppRecord, AppAdminError> {
        let before = self.show(id).await?;
        let now = system_ms();
        let retires_ms = now.saturating_add(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        let mut keys = vec![fresh_key()?];
        let valid = before.keys.iter().filter(|key| is_valid(key, now));
        keys.extend(valid.cloned().map(|key| StoredKey {
            // One that retires earlier already still does.
            retires_ms: Some(key.retires_ms.map_or(retires_ms, |at| at.min(retires_ms))),
            ..key
        }));
        if keys.len() > KEYS_MAX {
            return Err(AppAdminError::TooManyKeys);
        }
        let after = AppRecord {
            keys,
            ..before.clone()
        };
        self.replace(before, after).await
    }

    /// Removes an app.
    ///
    /// # Errors
    /// When there is none.
    pub async fn remove(&self, id: &str) -> Result<(), AppAdminError> {
        let removed = self.store.remove_app(id).await?;
        removed.then_some(()).ok_or(AppAdminError::Unknown)
    }

    async fn replace(&self, before: AppRecord, after: AppRecord) -> Result<AppRecord, AppAdminError> {
        let changed = self.store.change_app(before, after.clone()).await?;
        changed.then_some(after).ok_or(AppAdminError::Changed)
    }
}

/// Whether the key still counts.
fn is_valid(key: &StoredKey, now_ms: u64) -> bool {
    key.retires_ms.is_none_or(|at| now_ms < at)
}

fn fresh_key() -> Result<StoredKey, AppAdminError> {
    let mut random = [0; 42];
    getrandom::fill(&mut random).map_err(|error| AppAdminError::Random(error.to_string()))?;
    let (key, secret) = random.split_at(10);
    let pair = KeyPair {
        key: hex::encode(key),
        secret: Secret::new(&hex::encode(secret)),
    };
    Ok(StoredKey {
        pair,
        retires_ms: None,
    })
}
