//! SQLite keeps the contract of the stores, and its own promises about files.

use chinwag_backends::SqlStore;
use chinwag_engine::{AppStore, WebhookQueue};
use chinwag_messenger::store::contract::Fresh;
use std::sync::Arc;

async fn fresh() -> Fresh {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqlStore::open(&folder.path().join("test.db"))
        .await
        .expect("opened");
    (Arc::new(store), Box::new(folder))
}

chinwag_messenger::store_contract!(crate::fresh);

#[tokio::test]
async fn keeps_the_contract_of_the_outbox_and_over_a_restart_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.db");
    let store = SqlStore::open(&path).await.expect("opened");
    chinwag_engine::outbox_contract::check(&store).await;
    let before = store.lanes().await.expect("lanes");
    store.close().await.expect("closed");
    let store = SqlStore::open(&path).await.expect("opened again");
    assert_eq!(store.lanes().await.expect("lanes"), before);
    assert_eq!(before.len(), 3);
}

#[tokio::test]
async fn keeps_the_contract_of_apps_and_tells_other_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.db");
    let store = SqlStore::open(&path).await.expect("opened");
    let beside = SqlStore::open(&path).await.expect("opened twice");
    chinwag_engine::app_store_contract::check(&store).await;
    assert_eq!(
        store.version().await.expect("a version"),
        beside.version().await.expect("a version")
    );
    assert_eq!(beside.apps().await.expect("apps").len(), 1);
}

#[tokio::test]
async fn statistics_are_kept_as_the_engine_wants_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqlStore::open(&folder.path().join("test.db"))
        .await
        .expect("opened");
    chinwag_engine::statistics_contract::check(&store).await;
}
