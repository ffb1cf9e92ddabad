//! The messenger's store on SQLite. One file per store trait; `writer` is the group commit, `heads` what it keeps
//! in memory, and `sqlite` all that another SQL database would do differently.

mod accounts;
mod append;
mod apps;
mod catch_up;
mod conversations;
mod entity;
mod heads;
mod list;
mod logins;
mod messages;
mod migrations;
mod receipts;
mod rows;
mod sqlite;
mod statistics;
#[cfg(test)]
mod tests;
mod webhooks;
mod writer;

pub use sqlite::SqliteStore;
