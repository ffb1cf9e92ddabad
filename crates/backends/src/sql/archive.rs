//! A whole store as one archive, to be kept or to be moved to the other database: a tar file in which
//! `header.json` says what it is, `tables/<table>/<part>.jsonl` holds the rows, a JSON object each, `files/<SHA-256>` a
//! file that a row refers to, and `end.json` that nothing is missing. The same store always yields the same bytes.

mod export;
mod import;

use export::{add, export_files, export_table, to_line};
use import::{import_into, read_parts};

use super::migrations::Migrator;
use super::query::query;
use super::store::SqlStore;
use crate::DiskBlobs;
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::MigratorTrait;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What an archive calls itself.
const FORMAT: &str = "chinwag-export";
/// Raised when the layout changes, not when tables do.
const VERSION: u32 = 1;
const HEADER: &str = "header.json";
const END: &str = "end.json";
const FILES: &str = "files";
/// Rows of one part: bounds what is held in memory.
const PART_ROWS: usize = 1_000;
/// Values of one statement: both databases take more.
const VALUES_MAX: usize = 8_000;
/// Longest line that is read: a row of the largest message, many times over.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Every table, those that others refer to first, with its key. A new table needs its line here. The search index is
/// left out: it is made anew.
const TABLES: &[(&str, &[&str])] = &[
    ("commit_counter", &["id"]),
    ("account", &["id"]),
    ("account_key", &["search_key", "user_id"]),
    ("former_username", &["username"]),
    ("contact", &["owner_id", "user_id"]),
    ("block", &["owner_id", "user_id"]),
    ("login", &["id"]),
    ("push_subscription", &["login_id"]),
    ("server_key", &["name"]),
    ("ticket", &["secret_hash"]),
    ("second_factor", &["user_id"]),
    ("recovery_code", &["user_id", "code_hash"]),
    ("mail", &["id"]),
    ("conversation", &["id"]),
    ("member", &["conversation_id", "user_id"]),
    ("message", &["id"]),
    ("ban", &["conversation_id", "user_id"]),
    ("invite", &["id"]),
    ("message_version", &["message_id", "version"]),
    ("reaction", &["message_id", "user_id", "emoji"]),
    ("mention", &["conversation_id", "seq", "user_id"]),
    ("thread_follow", &["root_id", "user_id"]),
    ("hidden_message", &["user_id", "conversation_id", "seq"]),
    (
        "receipt_advance",
        &["conversation_id", "user_id", "kind", "up_to_seq"],
    ),
    ("attachment", &["id"]),
    ("attachment_part", &["attachment_id", "size"]),
    ("released_blob", &["digest"]),
    ("report", &["id"]),
    ("audit", &["id"]),
    ("server_invite", &["id"]),
    ("webhook_parcel", &["id"]),
    ("app", &["id"]),
    ("app_key", &["key"]),
    ("app_version", &["id"]),
    ("statistics", &["app_id", "at"]),
];

/// Tables that hold one row from the start.
const SINGLE: [&str; 2] = ["commit_counter", "app_version"];

/// Why an archive was not written or read.
#[derive(Debug)]
pub enum ArchiveError {
    /// The database failed.
    Database(String),
    /// The file failed.
    File(std::io::Error),
    /// It is no archive of ours, or damaged, or made by another version.
    Archive(String),
    /// The store is in use: an archive is only read into an empty one.
    NotEmpty,
}

impl std::fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the database failed: {error}"),
            Self::File(error) => write!(f, "the file failed: {error}"),
            Self::Archive(text) => f.write_str(text),
            Self::NotEmpty => f.write_str("the store is not empty: an archive is only read into a new one"),
        }
    }
}

impl std::error::Error for ArchiveError {}

impl From<DbErr> for ArchiveError {
    fn from(error: DbErr) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<std::io::Error> for ArchiveError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    /// The steps that built the tables.
    migrations: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Truth,
    Bytes,
}

struct Column {
    name: String,
    kind: Kind,
}

impl SqlStore {
    /// Writes everything the store holds at this moment into an archive, with the files, if any are kept. The store may
    /// be in use; a file that is deleted meanwhile is left out.
    pub async fn export(&self, out: impl Write, files: Option<&DiskBlobs>) -> Result<(), ArchiveError> {
        let tx = self.snapshot().await;
        let tx = tx.map_err(|error| ArchiveError::Database(error.to_string()))?;
        let mut archive = tar::Builder::new(out);
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            migrations: migrations(),
        };
        add(&mut archive, HEADER, &to_line(&header)?)?;
        for (table, key) in TABLES {
            export_table(&tx, &mut archive, table, key).await?;
        }
        if let Some(files) = files {
            export_files(&tx, &mut archive, files).await?;
        }
        add(&mut archive, END, b"{}\n")?;
        archive.into_inner()?.flush()?;
        Ok(())
    }

    /// Reads an archive into this store, which must be empty: all of it, or nothing. Its files go to `files`, if it is
    /// given; what came before a failure stays there, and is swept as nothing refers to it.
    pub async fn import(
        &self,
        archive: impl Read + Send + 'static,
        files: Option<DiskBlobs>,
    ) -> Result<(), ArchiveError> {
        let (parts, mut coming) = mpsc::channel(2);
        // Files are read beside the runtime. Ends with the archive, or when nobody listens any more.
        let reading = tokio::task::spawn_blocking(move || {
            if let Err(error) = read_parts(archive, files.as_ref(), &parts) {
                // Nobody listens when the import has failed already.
                let _ = parts.blocking_send(Err(error));
            }
        });
        let work = self.writer.run(None, move |group| {
            Box::pin(async move {
                let imported = import_into(&group.tx, &mut coming).await;
                // Without this, what was written is undone.
                group.dirty = imported.is_ok();
                group.heads.forget_all();
                match imported {
                    Err(ArchiveError::Database(error)) => Err(DbErr::Custom(error)),
                    other => Ok(other.map_err(Arc::new)),
                }
            })
        });
        let done = work.await;
        let read = reading.await;
        done.map_err(|error| ArchiveError::Database(error.to_string()))?
            .map_err(|error| ArchiveError::Archive(error.to_string()))?;
        read.map_err(|_| ArchiveError::Archive("reading it was cut off".into()))
    }
}

fn migrations() -> Vec<String> {
    let steps = Migrator::migrations();
    steps.iter().map(|step| step.name().to_owned()).collect()
}

/// The columns of a table, by name, as the database knows them.
async fn columns(connection: &impl ConnectionTrait, table: &str) -> Result<Vec<Column>, DbErr> {
    let sql = match connection.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT column_name::TEXT, upper(data_type::TEXT) FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = ? ORDER BY 1"
        }
        _ => "SELECT name, upper(type) FROM pragma_table_info(?) ORDER BY 1",
    };
    let mut columns = Vec::new();
    for row in query(connection, sql, vec![table.into()]).await? {
        let (name, kind): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let kind = match kind.as_str() {
            "BIGINT" | "INTEGER" => Kind::Number,
            "TEXT" => Kind::Text,
            "BOOLEAN" => Kind::Truth,
            "BLOB" | "BYTEA" => Kind::Bytes,
            _ => return Err(DbErr::Type(format!("{table}.{name} is of type {kind}"))),
        };
        columns.push(Column { name, kind });
    }
    columns.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::PostgresServer;
    use chinwag_engine::{Sample, Statistics};
    use chinwag_messenger::Username;
    use chinwag_messenger::blob::Blobs;
    use chinwag_messenger::store::{AccountRecord, Accounts, Admission};
    use chinwag_messenger::{
        AccountKind, Caller, ClientId, Draft, LoginId, Messenger, NoFeed, Options, Timestamp,
    };

    async fn exported(store: &SqlStore) -> Vec<u8> {
        let mut archive = Vec::new();
        store.export(&mut archive, None).await.unwrap();
        archive
    }

    async fn filled(store: Arc<SqlStore>) {
        let record = AccountRecord {
            username: Username::parse("ann").unwrap(),
            display_name: "Анна 安娜".into(),
            search_keys: vec!["ann".into(), "анна".into()],
            password_hash: "none".into(),
            kind: AccountKind::Human,
            admission: Admission::Anyone,
            at: Timestamp(1),
        };
        let account = store.create_account(record).await.unwrap().unwrap();
        let caller = Caller {
            user: account.id,
            login: LoginId(0),
        };
        let messenger = Messenger::new(store.clone(), Arc::new(NoFeed), Options::default());
        let id = messenger
            .open_direct(&caller, caller.user)
            .await
            .unwrap()
            .item
            .conversation
            .id;
        // More than a part holds.
        let mut sending = Vec::new();
        for n in 0..PART_ROWS + 10 {
            let draft = Draft {
                client_id: ClientId(uuid::Uuid::new_v4()),
                body: format!("{n} \"…\" 数据"),
                attachments: Vec::new(),
                reply_to: None,
                thread: None,
                advance_seen: true,
            };
            sending.push(messenger.send(&caller, id, draft));
        }
        for sent in sending {
            sent.await.unwrap();
        }
        chinwag_engine::app_store_contract::check(&*store).await;
        let sample = Sample {
            app: "app".into(),
            at_s: 60,
            connections_peak: 1,
            frames_received: 2,
            api_messages: 3,
            messages_sent: 4,
        };
        store.keep(&[sample]).await.unwrap();
    }

    #[tokio::test]
    async fn a_store_moves_to_the_other_database_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let server = PostgresServer::shared();
        let first = Arc::new(SqlStore::open(&folder.path().join("1.db")).await.unwrap());
        filled(first.clone()).await;
        let archive = exported(&first).await;

        let second = SqlStore::open_postgres(&server.database().await).await.unwrap();
        second
            .import(std::io::Cursor::new(archive.clone()), None)
            .await
            .unwrap();
        assert!(exported(&second).await == archive, "PostgreSQL holds the same");
        let third = SqlStore::open(&folder.path().join("3.db")).await.unwrap();
        third
            .import(std::io::Cursor::new(archive.clone()), None)
            .await
            .unwrap();
        assert!(exported(&third).await == archive, "SQLite holds the same");

        let again = second.import(std::io::Cursor::new(archive), None).await;
        assert!(again.unwrap_err().to_string().contains("not empty"));
        // Ids go on where they were.
        let record = AccountRecord {
            username: Username::parse("bob").unwrap(),
            display_name: "Bob".into(),
            search_keys: vec!["bob".into()],
            password_hash: "none".into(),
            kind: AccountKind::Human,
            admission: Admission::Anyone,
            at: Timestamp(1),
        };
        assert_eq!(second.create_account(record).await.unwrap().unwrap().id.0, 2);
    }

    #[tokio::test]
    async fn what_is_no_archive_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let first = Arc::new(SqlStore::open(&folder.path().join("1.db")).await.unwrap());
        filled(first.clone()).await;
        let archive = exported(&first).await;
        let second = SqlStore::open(&folder.path().join("2.db")).await.unwrap();
        let empty = exported(&second).await;
        let cut = archive[..archive.len() / 2].to_vec();
        for faulty in [cut, b"nonsense".repeat(200), Vec::new()] {
            second
                .import(std::io::Cursor::new(faulty), None)
                .await
                .unwrap_err();
            assert!(exported(&second).await == empty);
        }
        second.import(std::io::Cursor::new(archive), None).await.unwrap();
    }

    #[tokio::test]
    async fn files_move_along() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let first = Arc::new(SqlStore::open(&place("1.db")).await.unwrap());
        filled(first.clone()).await;
        let ann = Username::parse("ann").unwrap();
        let caller = Caller {
            user: first.credentials(&ann).await.unwrap().unwrap().account.id,
            login: LoginId(0),
        };
        let here = DiskBlobs::open(&place("1")).unwrap();
        let messenger = Messenger::new(first.clone(), Arc::new(NoFeed), Options::default())
            .with_files(Arc::new(here.clone()), &place("arriving"))
            .unwrap();
        let mut ids = Vec::new();
        for words in ["one", "other", "gone"] {
            let mut incoming = messenger.begin_attachment(&caller, None).await.unwrap();
            incoming.write(words.as_bytes()).await.unwrap();
            let brought = messenger.finish_attachment(&caller, incoming, words, None);
            ids.push(brought.await.unwrap().blob.unwrap());
        }
        here.delete(ids[2]).await.unwrap();
        let mut archive = Vec::new();
        first.export(&mut archive, Some(&here)).await.unwrap();

        let second = SqlStore::open(&place("2.db")).await.unwrap();
        let there = DiskBlobs::open(&place("2")).unwrap();
        let reading = std::io::Cursor::new(archive.clone());
        second.import(reading, Some(there.clone())).await.unwrap();
        let read = |id| {
            let mut text = String::new();
            there
                .file(id)
                .map(|mut file| file.read_to_string(&mut text).map(|_| text))
        };
        assert_eq!(read(ids[0]).unwrap().unwrap(), "one");
        assert_eq!(read(ids[1]).unwrap().unwrap(), "other");
        assert!(read(ids[2]).is_err());

        // What is not what its name says is damaged.
        let at = archive.windows(5).rposition(|window| window == b"other").unwrap();
        archive[at] = b'O';
        let third = SqlStore::open(&place("3.db")).await.unwrap();
        let refused = third.import(std::io::Cursor::new(archive), Some(there)).await;
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("not what its name says")
        );
        assert!(third.credentials(&ann).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn no_table_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqlStore::open(&folder.path().join("1.db")).await.unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
             AND name NOT LIKE 'message_index%' AND name NOT IN ('search_state', 'seaql_migrations') ORDER BY name";
        let rows = query(&store.readers, sql, Vec::new()).await.unwrap();
        let there: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let mut known: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
        known.sort_unstable();
        assert_eq!(there, known);
    }
}
