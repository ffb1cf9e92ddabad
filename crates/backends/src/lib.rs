//! What the traits of the messenger and the engine run on: SQLite or PostgreSQL, through [`SqlStore`], and the local
//! disk for files.

mod disk;
mod sql;
#[cfg(feature = "testing")]
pub mod testing;

pub use disk::DiskBlobs;
pub use sql::{ArchiveError, OpenError, SqlStore};
