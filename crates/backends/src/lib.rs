//! What the traits of the messenger and the engine run on. So far: SQLite, through [`SqliteStore`], and the local
//! disk for files.

mod disk;
mod sql;

pub use disk::DiskBlobs;
pub use sql::SqliteStore;
