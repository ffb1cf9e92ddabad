//! What the traits of the messenger and the engine run on: SQLite or PostgreSQL, through [`SqlStore`], and the local
//! disk for files.

mod disk;
mod sql;

pub use disk::DiskBlobs;
pub use sql::{OpenError, SqlStore};
