//! What the traits of the messenger and the engine run on. So far: SQLite, through [`SqliteStore`].

mod sql;

pub use sql::SqliteStore;
