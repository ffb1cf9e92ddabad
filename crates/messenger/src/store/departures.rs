//! The end of accounts.

use super::{Acted, Announce, StoreError};
use crate::{LoginId, Timestamp, UserId};
use async_trait::async_trait;

/// Whose account is to be deleted.
#[derive(Debug, Clone, Copy)]
pub struct DepartureRecord {
    /// Who.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
    /// Until when nobody else gets the name.
    pub name_held_until: Timestamp,
}

/// What went with an account.
#[derive(Debug, Clone)]
pub struct AccountDeleted {
    /// Its logins, all of which have ended.
    pub logins: Vec<LoginId>,
    /// What became of its direct conversations and of its own notes.
    pub acted: Vec<Acted>,
}

/// Why an account was not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteAccountRefusal {
    /// It is in a group, which has to be left before.
    InGroups,
    /// Nobody else who may log in owns the server.
    LastOwner,
}

/// The end of accounts.
#[async_trait]
pub trait Departures {
    /// Whether somebody else owns the server, and may log in.
    async fn other_owner(&self, user: UserId) -> Result<bool, StoreError>;
    /// Deletes an account: only its id, when it was created and what it said stay. Its direct conversations are told
    /// to the other people, and take no more messages; its own notes are deleted.
    async fn delete_account(
        &self,
        record: DepartureRecord,
        announce: Announce<Result<AccountDeleted, DeleteAccountRefusal>>,
    ) -> Result<Result<AccountDeleted, DeleteAccountRefusal>, StoreError>;
}
