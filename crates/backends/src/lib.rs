//! What the traits of the messenger and the engine run on: SQLite or PostgreSQL, through [`SqlStore`], the local
//! disk for files, and a mail server, through [`SmtpMailer`].

mod disk;
mod smtp;
mod sql;
#[cfg(feature = "testing")]
pub mod testing;

pub use disk::DiskBlobs;
pub use smtp::SmtpMailer;
pub use sql::{ArchiveError, OpenError, SqlStore};
