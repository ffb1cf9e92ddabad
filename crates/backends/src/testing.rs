//! A PostgreSQL server for tests, run by `scripts/test-postgres`: in a temporary folder, on a free port of the
//! loopback address, gone when the test process is.

use crate::SqlStore;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// An empty store for a test of something above it: on SQLite, in `folder`, or on PostgreSQL when the variable
/// `CHINWAG_TEST_STORE` is `postgres`.
///
/// # Panics
/// When it cannot be opened.
pub async fn store_in(folder: &Path) -> SqlStore {
    if std::env::var("CHINWAG_TEST_STORE").is_ok_and(|store| store == "postgres") {
        let url = PostgresServer::shared().database().await;
        return SqlStore::open_postgres(&url).await.expect("opened");
    }
    SqlStore::open(&folder.join("chinwag.db")).await.expect("opened")
}

/// A server. One is enough for a test process: each test has a database of its own.
#[derive(Debug)]
pub struct PostgresServer {
    port: u16,
    databases: AtomicU32,
    process: Mutex<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// Its end is what ends the server.
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl PostgresServer {
    /// The one of this process.
    ///
    /// # Panics
    /// When there is no PostgreSQL; the script says so.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(false))
    }

    /// Starts a server; a durable one waits for the disk.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(durable: bool) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/test-postgres");
        let mut child = Command::new(script)
            .args(durable.then_some("durable"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/test-postgres runs");
        let orders = child.stdin.take();
        let answers = child.stdout.take().expect("a pipe");
        let mut answers = BufReader::new(answers).lines();
        let ready = answers.next().expect("PostgreSQL started").expect("a line");
        let port = ready.strip_prefix("ready ").and_then(|port| port.parse().ok());
        Self {
            port: port.expect("a port"),
            databases: AtomicU32::new(0),
            process: Mutex::new(Process {
                child,
                orders,
                answers,
            }),
        }
    }

    /// The address of a new, empty database.
    ///
    /// # Panics
    /// When the server is away.
    pub async fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://chinwag@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement as the owner of everything.
    ///
    /// # Panics
    /// When it fails.
    pub async fn run(&self, sql: &str) {
        let url = self.url("postgres");
        let mut connection = PgConnection::connect(&url).await.expect("connected");
        let sql = AssertSqlSafe(sql.to_owned());
        connection.execute(sql).await.expect("carried out");
        connection.close().await.expect("closed");
    }

    /// Gives the script an order, `stop`, `kill` or `start`, and waits until it is carried out.
    ///
    /// # Panics
    /// When the script is gone.
    pub fn order(&self, order: &str) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = process.orders.as_mut().expect("open until the end");
        writeln!(orders, "{order}").expect("taken");
        let answer = process.answers.next().expect("an answer").expect("a line");
        assert_eq!(answer, "done");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        process.orders = None;
        // Nobody is left to hear of a failure.
        let _ = process.child.wait();
    }
}
