//! What the traits of the messenger and the engine run on. So far: SQLite and PostgreSQL, through [`SqlStore`].

mod sql;
#[cfg(feature = "testing")]
pub mod testing;

pub use sql::{ArchiveError, OpenError, SqlStore};
