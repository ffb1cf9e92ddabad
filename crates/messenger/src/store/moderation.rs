//! Reports, what administrators do to accounts and the log of it, and invites to the server.

use super::{Announce, EndedLogin, StoreError};
use crate::{
    AdminAccount, AuditEntry, Counts, LoginId, Me, NewServerInvite, Report, ReportStatus, ReportWish,
    ServerInvite, ServerRole, Timestamp, UserId,
};
use async_trait::async_trait;

/// A report, and whether it is new: one message is reported once by one person.
#[derive(Debug, Clone)]
pub struct Reported {
    /// As stored.
    pub report: Report,
    /// It was stored just now.
    pub created: bool,
}

/// Why nothing was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportRefusal {
    /// No message, or none that the reporter sees.
    NotFound,
    /// The reporter has reported too much lately.
    TooManyToday {
        /// Seconds until there is room again.
        retry_after_s: u64,
    },
}

/// What is to become of an account; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Whether it is suspended.
    pub suspended: Option<bool>,
    /// What it may do on the server: `Admin` or `Member`.
    pub role: Option<ServerRole>,
    /// End all of its logins.
    pub revoke_devices: bool,
}

/// An account after a change.
#[derive(Debug, Clone)]
pub struct AccountChanged {
    /// As it is now.
    pub account: AdminAccount,
    /// Its logins that have ended.
    pub ended: Vec<EndedLogin>,
    /// Its logins that may not be used for now: it was suspended just now.
    pub suspended: Vec<LoginId>,
    /// What the user itself is to learn: its role is another one.
    pub me: Option<Me>,
}

/// Why an account was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountChangeRefusal {
    /// There is none.
    NotFound,
    /// The actor may not: it is itself, the owner, or an administrator and the actor is not the owner.
    NotAllowed,
}

/// Reports.
#[async_trait]
pub trait Reports {
    /// Stores a report with a copy of the message and the five before it, as far as the reporter sees them.
    async fn report(&self, wish: ReportWish) -> Result<Result<Reported, ReportRefusal>, StoreError>;
    /// Reports by id, newest first, below `before`.
    async fn reports(
        &self,
        status: Option<ReportStatus>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Report>, StoreError>;
    /// Says what became of a report, and logs it; `None` when there is none.
    async fn handle_report(
        &self,
        actor: UserId,
        id: i64,
        status: ReportStatus,
        at: Timestamp,
    ) -> Result<Option<Report>, StoreError>;
}

/// What administrators see and do.
#[async_trait]
pub trait Administration {
    /// Accounts by id, above `after`; with a prefix those with a search key that begins so.
    async fn find_accounts(
        &self,
        prefix: Option<&str>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<AdminAccount>, StoreError>;
    /// Changes an account, and logs each thing that was not so already. Suspending leaves the logins, so that they
    /// are told why they are of no use; reinstating ends them.
    async fn change_account(
        &self,
        actor: UserId,
        user: UserId,
        change: AccountChange,
        at: Timestamp,
        announce: Announce<AccountChanged>,
    ) -> Result<Result<AccountChanged, AccountChangeRefusal>, StoreError>;
    /// Logs what an administrator did; `subject` is JSON.
    async fn log_action(
        &self,
        actor: UserId,
        action: &str,
        subject: &str,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// What was logged, newest first, below `before`.
    async fn audit(&self, before: Option<i64>, limit: usize) -> Result<Vec<AuditEntry>, StoreError>;
    /// How much there is.
    async fn counts(&self) -> Result<Counts, StoreError>;
}

/// Invites to the server.
#[async_trait]
pub trait ServerInvites {
    /// Stores an invite to the server, and logs it.
    async fn create_server_invite(&self, new: NewServerInvite) -> Result<ServerInvite, StoreError>;
    /// All invites to the server, newest first, after the one with this id.
    async fn server_invites(
        &self,
        after: Option<uuid::Uuid>,
        limit: usize,
    ) -> Result<Vec<ServerInvite>, StoreError>;
    /// Takes an invite back, and logs it; `false` when there is none. Again: nothing happens.
    async fn revoke_server_invite(
        &self,
        actor: UserId,
        id: uuid::Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Whether an invite lets somebody in. Registering asks again, in its transaction.
    async fn server_invite_admits(&self, secret_hash: &str, at: Timestamp) -> Result<bool, StoreError>;
}
