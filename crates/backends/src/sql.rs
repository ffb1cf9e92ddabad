//! The messenger's store on SQLite. One file per store trait; `writer` is the group commit, `heads` what it keeps
//! in memory, and `sqlite` all that another SQL database would do differently.

mod accounts;
mod append;
mod apps;
mod catch_up;
mod conversations;
mod entity;
mod groups;
mod heads;
mod invites;
mod list;
mod logins;
mod messages;
mod migrations;
mod my_states;
mod notes;
mod receipts;
mod rows;
mod sqlite;
mod statistics;
#[cfg(test)]
mod tests;
mod webhooks;
mod writer;

pub use sqlite::SqliteStore;
