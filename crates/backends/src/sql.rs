//! The messenger's store on SQLite and PostgreSQL. One file per store trait; `writer` is the group commit, `heads`
//! what it keeps in memory, `query` runs statements that are the same for both databases, and `sqlite` and
//! `postgres` are all that is not.

mod accounts;
mod append;
mod apps;
mod archive;
mod attachments;
mod catch_up;
mod changes;
mod conversations;
mod departures;
mod entity;
mod forwards;
mod groups;
mod heads;
mod hides;
mod invites;
mod list;
mod logins;
mod mails;
mod mentions;
mod messages;
mod migrations;
mod moderation;
mod my_states;
mod notes;
mod people;
mod pins;
mod postgres;
mod proofs;
mod pushes;
mod query;
mod receipts;
mod rows;
mod search;
mod search_index;
mod server_invites;
mod sqlite;
mod statistics;
mod store;
#[cfg(test)]
mod tests;
mod threads;
mod webhooks;
mod writer;

pub use archive::ArchiveError;
pub use postgres::OpenError;
pub use store::SqlStore;
