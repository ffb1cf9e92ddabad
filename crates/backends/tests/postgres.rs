//! PostgreSQL keeps the contract of the stores, and what it promises about its own troubles.

use chinwag_backends::SqlStore;
use chinwag_backends::testing::PostgresServer;
use chinwag_engine::{AppStore, WebhookQueue};
use chinwag_messenger::store::contract::Fresh;
use std::sync::Arc;

async fn opened(url: &str) -> SqlStore {
    SqlStore::open_postgres(url).await.expect("opened")
}

async fn fresh() -> Fresh {
    let url = PostgresServer::shared().database().await;
    (Arc::new(opened(&url).await), Box::new(()))
}

chinwag_messenger::store_contract!(crate::fresh);

#[tokio::test]
async fn keeps_the_contract_of_the_outbox_and_over_a_restart_too() {
    let url = PostgresServer::shared().database().await;
    let store = opened(&url).await;
    chinwag_engine::outbox_contract::check(&store).await;
    let before = store.lanes().await.expect("lanes");
    store.close().await.expect("closed");
    let store = opened(&url).await;
    assert_eq!(store.lanes().await.expect("lanes"), before);
    assert_eq!(before.len(), 3);
}

#[tokio::test]
async fn keeps_the_contract_of_apps_and_tells_other_processes() {
    let url = PostgresServer::shared().database().await;
    let (store, beside) = (opened(&url).await, opened(&url).await);
    chinwag_engine::app_store_contract::check(&store).await;
    assert_eq!(
        store.version().await.expect("a version"),
        beside.version().await.expect("a version")
    );
    assert_eq!(beside.apps().await.expect("apps").len(), 1);
}

#[tokio::test]
async fn statistics_are_kept_as_the_engine_wants_it() {
    let url = PostgresServer::shared().database().await;
    chinwag_engine::statistics_contract::check(&opened(&url).await).await;
}

/// Of servers that start together one makes the tables, and the others wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_may_start_together() {
    let url = PostgresServer::shared().database().await;
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        starting.spawn(async move { SqlStore::open_postgres(&url).await.map(|_| ()) });
    }
    for started in starting.join_all().await {
        started.expect("opened");
    }
}

#[tokio::test]
async fn says_plainly_why_a_database_cannot_be_used() {
    let server = PostgresServer::shared();
    let why = async |url: String| {
        let opened = SqlStore::open_postgres(&url).await;
        let why = opened.err().expect("refused").to_string();
        assert!(!why.contains("hunter2") && !why.contains('\n'), "{why}");
        why
    };
    let check = |why: String, expected: &str| assert!(why.contains(expected), "{why}");
    check(
        why("mysql://a:hunter2@b/c".into()).await,
        "not the address of a PostgreSQL database",
    );
    check(
        why("postgres://a:hunter2@b:port/c".into()).await,
        "not the address",
    );
    check(
        why("postgres://a:hunter2@127.0.0.1:1/c".into()).await,
        "PostgreSQL at 127.0.0.1:1, database c, cannot be reached: ",
    );
    check(
        why(server.url("nothing")).await,
        "database \"nothing\" does not exist",
    );
    let url = server.database().await;
    check(
        why(url.replace("chinwag@", "nobody:hunter2@")).await,
        "role \"nobody\" does not exist",
    );

    server.run("CREATE ROLE guest LOGIN").await;
    check(
        why(url.replace("chinwag@", "guest:hunter2@")).await,
        "does not let guest have tables: permission denied for schema public",
    );
}
