//! What is particular to SQLite: connections, locks, the log, errors.

use super::query::Trouble;
use chinwag_messenger::search::Document;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Connections that only read. More of them help little: SQLite reads from its cache at memory speed.
const READERS: u32 = 4;

/// Memory for pages of the writer, which touches some hundred of them for each group. Negative: in KiB.
const WRITER_CACHE_KIB: &str = "-32000";

/// Rows of a result that wait to be taken. With the usual fifty the thread of SQLite pauses in the midst of each group.
const ROW_BUFFER: usize = 1_024;

/// The log is written into the file at this many pages (32 MiB). Pages that many groups touch, such as the
/// counters, are then written there once instead of once for each few groups.
const CHECKPOINT_PAGES: &str = "8000";

/// How long a connection waits for a lock. Only another process can hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a migration's types are here.
pub(super) const TYPES: [(&str, &str); 4] = [
    ("{MESSAGE_INDEX}", MESSAGE_INDEX),
    ("{ID}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
    ("{BLOB}", "BLOB"),
    ("{CLUSTERED}", " WITHOUT ROWID"),
];

/// The table of the search index. Words come separated by spaces; all but letters, digits and the marks of what is no
/// word separate them. Nothing of a document that is removed stays in the file. Eight pieces of the index, not four, are
/// merged at a time: all writers wait meanwhile, and so they wait half as long.
pub(super) const MESSAGE_INDEX: &str = "CREATE VIRTUAL TABLE message_index USING fts5 \
     (words, columnsize = 0, tokenize = \"ascii tokenchars '~#@!'\"); \
     INSERT INTO message_index (message_index, rank) VALUES ('secure-delete', 1), ('automerge', 8);";

/// A document as it is stored in the index.
pub(super) fn document(document: &Document) -> String {
    let mut text = String::new();
    for word in &document.words {
        // What stands between texts must be something that is no word.
        text.push_str(if word.is_empty() { "!" } else { word });
        text.push(' ');
    }
    for mark in &document.marks {
        text.push_str(mark);
        text.push(' ');
    }
    text
}

/// What finds a word in the index.
pub(super) fn word(word: &str) -> String {
    format!("\"{word}\"")
}

/// What finds words with this beginning.
pub(super) fn beginning(word: &str) -> String {
    format!("\"{word}\" *")
}

/// What finds words side by side, the last one given whole or only its beginning.
pub(super) fn phrase(words: &[String], open: bool) -> String {
    format!("\"{}\"{}", words.join(" "), if open { " *" } else { "" })
}

/// The statement of a search, to be followed by its limit. SQLite takes the tables in the order in which they stand.
pub(super) fn search(order: &str, visible: &str) -> String {
    format!(
        "SELECT i.rowid FROM message_index i CROSS JOIN message m CROSS JOIN member r \
         WHERE i.message_index MATCH ? AND i.rowid >= ? AND i.rowid < ? AND m.id = i.rowid AND {visible} {order}"
    )
}

/// One file.
pub(super) struct File {
    path: PathBuf,
    /// Pages the file may have. Lets tests fill a disk.
    pages_max: Mutex<Option<u32>>,
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            pages_max: Mutex::default(),
        }
    }

    /// From the next connection on, the file may have only so many pages.
    #[cfg(test)]
    pub(super) fn limit(&self, pages_max: Option<u32>) {
        *self.pages_max.lock().unwrap() = pages_max;
    }

    pub(super) async fn connect_writer(&self) -> Result<DatabaseConnection, DbErr> {
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
                // What is deleted, or was said before an edit, is gone from the file.
                .pragma("secure_delete", "ON")
                .pragma("cache_size", WRITER_CACHE_KIB)
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);

            match pages_max {
                Some(pages) => sqlite.pragma("max_page_count", pages.to_string()),
                None => sqlite,
            }
        });
        Database::connect(options).await
    }

    pub(super) async fn connect_readers(&self) -> Result<DatabaseConnection, DbErr> {
        let path = self.path.clone();
        let mut options = ConnectOptions::new("sqlite:");
        options
            .max_connections(READERS)
            .sqlx_logging(false)
            .test_before_acquire(false);
        options.record_stmt_in_spans(false);
        options.map_sqlx_sqlite_opts(move |sqlite| common(sqlite, &path).pragma("query_only", "ON"));
        Database::connect(options).await
    }

    /// Begins a transaction that takes the write lock at once: one that upgraded later could fail in its middle.
    pub(super) async fn begin_write(
        &self,
        connection: &DatabaseConnection,
    ) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        connection.begin_with_options(options).await
    }

    /// Writes what the log holds into the file, and empties the log.
    pub(super) async fn checkpoint(&self, connection: &DatabaseConnection) -> Result<(), DbErr> {
        connection
            .execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
            .await?;
        Ok(())
    }
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
        .row_buffer_size(ROW_BUFFER)
}

/// Reads a result code. The extended ones keep the primary one in their low byte.
pub(super) fn trouble(code: &str) -> Trouble {
    match code.parse::<i32>().map(|code| code & 0xFF) {
        // Busy, locked, out of memory, read-only, interrupted, input or output, cannot open, protocol.
        Ok(5 | 6 | 7 | 8 | 9 | 10 | 14 | 15) => Trouble::Passing,
        Ok(13) => Trouble::Full,
        _ => Trouble::Fault,
    }
}
