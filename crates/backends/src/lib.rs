//! What the traits of the messenger and the engine run on. So far: SQLite and PostgreSQL, through [`SqlStore`],
//! and a mail server, through [`SmtpMailer`].

mod smtp;
mod sql;
#[cfg(feature = "testing")]
pub mod testing;

pub use smtp::SmtpMailer;
pub use sql::{ArchiveError, OpenError, SqlStore};
