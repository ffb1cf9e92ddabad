//! What is particular to SQLite: connections, placeholders, errors. The store itself, too.

use super::migrations::Migrator;
use super::writer::{ConnectWriter, Writer};
use chinwag_messenger::store::StoreError;
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    QueryResult, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use sea_orm_migration::MigratorTrait;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections that only read. More of them help little: SQLite reads from its cache at memory speed.
const READERS: u32 = 4;

/// Memory for pages of the writer, which touches some hundred of them for each group. Negative: in KiB.
const WRITER_CACHE_KIB: &str = "-32000";

/// The log is written into the file at this many pages (32 MiB). Pages that many groups touch, such as the
/// counters, are then written there once instead of once for each few groups.
const CHECKPOINT_PAGES: &str = "8000";

/// How long a connection waits for a lock. Only another process can hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The messenger's store in one SQLite file. What it acknowledged survives loss of power.
///
/// One task writes; see its module for how. Reads run beside it, each on a snapshot.
pub struct SqliteStore {
    pub(super) readers: DatabaseConnection,
    pub(super) writer: Writer,
}

impl SqliteStore {
    /// Opens or creates the file and brings its tables up to date. Needs a Tokio runtime, on which the writer
    /// lives until [`SqliteStore::close`] or the last reference is gone.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(ConnectWriter {
            path: path.to_owned(),
            pages_max: None.into(),
        })
        .await
    }

    pub(super) async fn open_with(connect: ConnectWriter) -> Result<Self, StoreError> {
        let path = connect.path.clone();
        let connection = connect.connect().await.map_err(store_error)?;
        Migrator::up(&connection, None).await.map_err(store_error)?;
        let readers = open_readers(path).await.map_err(store_error)?;
        Ok(Self {
            readers,
            writer: Writer::start(connection, connect),
        })
    }

    /// Carries out what has been asked for, tells of it, and closes the file. Later calls are refused.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.writer.stop().await?;
        self.readers.close_by_ref().await.map_err(store_error)
    }

    /// A transaction that only reads: all its queries see the same moment.
    pub(super) async fn snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        self.readers.begin().await.map_err(store_error)
    }
}

impl ConnectWriter {
    /// The one connection that writes, alone in its pool and never retired.
    pub(super) async fn connect(&self) -> Result<DatabaseConnection, DbErr> {
        let path = self.path.clone();
        let pages_max = *self
            .pages_max
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut options = ConnectOptions::new("sqlite:");
        options
            .max_connections(1)
            .sqlx_logging(false)
            .test_before_acquire(false);
        options
            .record_stmt_in_spans(false)
            .idle_timeout(None)
            .max_lifetime(None);
        options.map_sqlx_sqlite_opts(move |sqlite| {
            // Batches come in many sizes and each is a statement of its own, worth keeping prepared.
            let sqlite = common(sqlite, &path)
                .create_if_missing(true)
                .statement_cache_capacity(1_024)
                .pragma("cache_size", WRITER_CACHE_KIB)
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);

            match pages_max {
                Some(pages) => sqlite.pragma("max_page_count", pages.to_string()),
                None => sqlite,
            }
        });
        Database::connect(options).await
    }
}

async fn open_readers(path: PathBuf) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new("sqlite:");
    options
        .max_connections(READERS)
        .sqlx_logging(false)
        .test_before_acquire(false);
    options.record_stmt_in_spans(false);
    options.map_sqlx_sqlite_opts(move |sqlite| common(sqlite, &path).pragma("query_only", "ON"));
    Database::connect(options).await
}

fn common(sqlite: SqliteConnectOptions, path: &Path) -> SqliteConnectOptions {
    sqlite
        .filename(path)
        .in_memory(false)
        .shared_cache(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // Statements for many rows keep what is needed to undo them; by default in a file each time.
        .pragma("temp_store", "MEMORY")
        .busy_timeout(BUSY_TIMEOUT)
}

/// Begins a transaction that takes the write lock at once: one that upgraded later could fail in its middle.
pub(super) async fn begin_write(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    connection.begin_with_options(options).await
}

/// Writes what the log holds into the file, and empties the log.
pub(super) async fn checkpoint(connection: &DatabaseConnection) -> Result<(), DbErr> {
    connection
        .execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
        .await?;
    Ok(())
}

/// A statement whose placeholders are question marks.
pub(super) fn statement(sql: impl Into<String>, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)
}

/// Runs a query for all its rows.
pub(super) async fn query(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, DbErr> {
    connection.query_all_raw(statement(sql, values)).await
}

/// Runs a statement that returns nothing.
pub(super) async fn execute(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<(), DbErr> {
    connection.execute_raw(statement(sql, values)).await?;
    Ok(())
}

/// Placeholders for so many values: `?,?,?`.
pub(super) fn places(count: usize) -> String {
    let mut text = "?,".repeat(count);
    text.pop();
    text
}

/// Placeholders for so many rows: `(?,?),(?,?)`.
pub(super) fn row_places(rows: usize, columns: usize) -> String {
    let row = format!("({}),", places(columns));
    let mut text = row.repeat(rows);
    text.pop();
    text
}

/// What the messenger may know of a failure of the database.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
pub(super) fn store_error(error: DbErr) -> StoreError {
    match result_code(&error) {
        // Busy, locked, out of memory, read-only, interrupted, input or output, cannot open, protocol: passing,
        // or for the operator to mend.
        Some(5 | 6 | 7 | 8 | 9 | 10 | 14 | 15) => StoreError::Unavailable(error.to_string()),
        Some(13) => StoreError::Full,
        Some(_) => StoreError::Broken(error.to_string()),
        None => match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Broken(error.to_string()),
        },
    }
}

/// SQLite's primary result code: the extended ones keep it in their low byte.
fn result_code(error: &DbErr) -> Option<i32> {
    let (DbErr::Conn(RuntimeErr::SqlxError(inner))
    | DbErr::Exec(RuntimeErr::SqlxError(inner))
    | DbErr::Query(RuntimeErr::SqlxError(inner))) = error
    else {
        return None;
    };
    let SqlxError::Database(inner) = &**inner else {
        return None;
    };
    inner.code()?.parse::<i32>().ok().map(|code| code & 0xFF)
}
