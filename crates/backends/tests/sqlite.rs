//! SQLite keeps the contract of the stores, and its own promises about files.

use chinwag_backends::SqliteStore;
use chinwag_messenger::store::contract::Fresh;
use std::sync::Arc;

async fn fresh() -> Fresh {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("test.db"))
        .await
        .expect("opened");
    (Arc::new(store), Box::new(folder))
}

chinwag_messenger::store_contract!(crate::fresh);

#[tokio::test]
async fn statistics_are_kept_as_the_engine_wants_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("test.db"))
        .await
        .expect("opened");
    chinwag_engine::statistics_contract::check(&store).await;
}
