//! The store: where it is, and how it is opened and closed.

use super::migrations::Migrator;
use super::postgres::{OpenError, Server};
use super::query::store_error;
use super::search_index;
use super::sqlite::File;
use super::writer::Writer;
use chinwag_messenger::store::StoreError;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use std::path::Path;

/// The messenger's store in one SQLite file or in a PostgreSQL database. What it acknowledged survives loss of
/// power.
///
/// One thread writes; see its module for how. Reads run beside it, each on a snapshot.
pub struct SqlStore {
    pub(super) readers: DatabaseConnection,
    pub(super) writer: Writer,
}

/// Where a store is.
pub(super) enum Home {
    Sqlite(File),
    Postgres(Box<Server>),
}

impl SqlStore {
    /// Opens or creates the SQLite file and brings its tables up to date. Needs a Tokio runtime, on which
    /// changes are told of; the writer's thread lives until [`SqlStore::close`] or the last reference is gone.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_home(Home::Sqlite(File::new(path)))
            .await
            .map_err(store_error)
    }

    /// Opens the PostgreSQL database at this address, `postgres://user:password@host/database`, and brings its
    /// tables up to date. Several processes may have it open. The runtime as for [`SqlStore::open`].
    pub async fn open_postgres(url: &str) -> Result<Self, OpenError> {
        let server = Server::parse(url)?;
        server.greet().await?;
        let describe = server.describe();
        Self::open_home(Home::Postgres(Box::new(server)))
            .await
            .map_err(|error| describe(&error))
    }

    pub(super) async fn open_home(home: Home) -> Result<Self, DbErr> {
        home.prepare().await?;
        let connection = home.connect_writer().await?;
        search_index::prepare(&connection, &home).await?;
        let readers = home.connect_readers().await?;
        Ok(Self {
            readers,
            writer: Writer::start(connection, home)?,
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

impl Home {
    /// Brings the tables up to date.
    async fn prepare(&self) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(file) => {
                let connection = file.connect_writer().await?;
                Migrator::up(&connection, None).await?;
                connection.close().await
            }
            Self::Postgres(server) => server.migrate().await,
        }
    }

    /// The one connection that writes, alone in its pool and never retired.
    pub(super) async fn connect_writer(&self) -> Result<DatabaseConnection, DbErr> {
        match self {
            Self::Sqlite(file) => file.connect_writer().await,
            Self::Postgres(server) => server.connect_writer().await,
        }
    }

    /// Connections that only read. A transaction on one of them is a snapshot.
    async fn connect_readers(&self) -> Result<DatabaseConnection, DbErr> {
        match self {
            Self::Sqlite(file) => file.connect_readers().await,
            Self::Postgres(server) => server.connect_readers().await,
        }
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin_write(
        &self,
        connection: &DatabaseConnection,
    ) -> Result<DatabaseTransaction, DbErr> {
        match self {
            Self::Sqlite(file) => file.begin_write(connection).await,
            // The commit counter, which is raised next, is what writers lock.
            Self::Postgres(_) => connection.begin().await,
        }
    }

    /// Tidies up when nothing more will be written.
    pub(super) async fn leave(&self, connection: &DatabaseConnection) -> Result<(), DbErr> {
        match self {
            Self::Sqlite(file) => file.checkpoint(connection).await,
            Self::Postgres(_) => Ok(()),
        }
    }
}
