//! The loader: has the engine know the apps that the store keeps, whoever changes them.

use std::sync::Arc;
use std::time::Duration;

use chinwag_engine::{
    App, AppNumber, AppOptions, AppRecord, AppStore, AppStoreError, Engine, KeyPair, Namespace,
};
use hashbrown::HashMap;
use tokio_util::sync::CancellationToken;

use super::{AppSettings, is_valid};
use crate::webhooks::system_ms;

/// How often the store is asked whether it has changed.
const POLL_PAUSE: Duration = Duration::from_secs(2);

/// Brings the engine's apps up to date with the store's.
pub struct AppLoader {
    engine: Arc<Engine>,
    store: Arc<dyn AppStore>,
    namespaces: Vec<Namespace>,
    /// The store's version as it was loaded.
    version: Option<u64>,
    /// When the next key retires.
    retires_ms: u64,
    /// What was loaded: settings and valid keys of each app that came from the store.
    loaded: HashMap<String, (String, Vec<String>)>,
    /// Apps whose connections were sent away, to be sent away once more at the next look: somebody may have been
    /// on the way in.
    closed: Vec<AppNumber>,
}

impl AppLoader {
    /// A loader that has loaded nothing yet. Apps that the engine has already are not touched.
    /// `namespaces` are those of all apps.
    pub fn new(engine: Arc<Engine>, store: Arc<dyn AppStore>, namespaces: Vec<Namespace>) -> Self {
        Self {
            engine,
            store,
            namespaces,
            version: None,
            retires_ms: u64::MAX,
            loaded: HashMap::new(),
            closed: Vec::new(),
        }
    }

    /// Follows the store until cancelled.
    pub async fn run(mut self, cancellation: CancellationToken) {
        loop {
            tokio::select! {
                () = cancellation.cancelled() => return,
                () = tokio::time::sleep(POLL_PAUSE) => {}
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "It could not be seen whether apps have changed");
            }
        }
    }

    /// Loads what has changed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look(&mut self) -> Result<(), AppStoreError> {
        for number in std::mem::take(&mut self.closed) {
            self.engine.node().close_app(number);
        }
        // Read first: a change in between raises it again and is seen next time.
        let version = self.store.version().await?;
        let now = system_ms();
        if self.version == Some(version) && now < self.retires_ms {
            return Ok(());
        }
        let records = self.store.apps().await?;
        self.retires_ms = records
            .iter()
            .flat_map(|app| app.keys.iter().filter_map(|key| key.retires_ms))
            .filter(|at| *at > now)
            .min()
            .unwrap_or(u64::MAX);
        self.remove_others(&records);
        for record in &records {
            self.load(record, now);
        }
        self.version = Some(version);
        self.choose_watched();
        Ok(())
    }

    fn remove_others(&mut self, records: &[AppRecord]) {
        let gone: Vec<String> = self
            .loaded
            .keys()
            .filter(|id| !records.iter().any(|record| record.id == **id))
            .cloned()
            .collect();
        for id in gone {
            self.loaded.remove(&id);
            if let Some(app) = self.engine.apps.remove(&id) {
                tracing::info!(app.id = %id, "App {id} was removed");
                self.close(&app);
            }
        }
    }

    fn load(&mut self, record: &AppRecord, now: u64) {
        let id = &record.id;
        let valid = record.keys.iter().filter(|key| is_valid(key, now));
        let keys: Vec<KeyPair> = valid.map(|key| key.pair.clone()).collect();
        let names = keys.iter().map(|pair| pair.key.clone()).collect();
        let state = (record.settings.clone(), names);
        if self.loaded.get(id) == Some(&state) {
            return;
        }
        let settings = AppSettings::parse(&record.settings);
        let options = match settings.and_then(|settings| settings.options()) {
            Ok(options) => options,
            Err(error) => {
                tracing::error!(%error, app.id = %id, "App {id} has settings that cannot be used");
                return;
            }
        };
        let enabled = options.enabled;
        let known = self.loaded.contains_key(id);
        let Some(app) = self.put(id, keys, options, known) else {
            tracing::error!(app.id = %id, "App {id} cannot be loaded: its id or a key is another app's");
            return;
        };
        self.loaded.insert(id.clone(), state);
        tracing::info!(app.id = %id, "App {id} was loaded");
        if !enabled {
            self.close(&app);
        }
    }

    fn put(&self, id: &str, keys: Vec<KeyPair>, options: AppOptions, known: bool) -> Option<Arc<App>> {
        if known {
            self.engine.apps.replace(id, keys, options)
        } else {
            self.engine.apps.add(id, keys, options, self.namespaces.clone())
        }
    }

    fn close(&mut self, app: &App) {
        self.engine.node().close_app(app.number);
        self.closed.push(app.number);
    }

    /// Apps without webhooks cost nothing.
    fn choose_watched(&self) {
        let apps = self.engine.apps.all();
        let watched = apps.iter().filter(|app| !app.options.webhooks.is_empty());
        self.engine
            .node()
            .observations()
            .choose(watched.map(|app| app.number));
    }
}
