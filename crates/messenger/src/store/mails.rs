//! Addresses for mail, and mail that waits to be sent.

use super::{Announce, EndedLogin, StoreError};
use crate::{Email, MailKind, Me, Timestamp, UserId};
use async_trait::async_trait;

/// A wish for another address.
#[derive(Debug, Clone)]
pub struct WantedEmail {
    /// Whose.
    pub user: UserId,
    /// Which, or none.
    pub email: Option<Email>,
    /// When.
    pub at: Timestamp,
}

/// Why an address is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailRefusal {
    /// The ticket is not good, or the address is not the one that is wanted now.
    Invalid,
    /// Another account has proven it.
    Taken,
}

/// A new password for a ticket.
#[derive(Debug, Clone)]
pub struct ResetRecord {
    /// The hash of the ticket's secret.
    pub secret_hash: String,
    /// The hashed password.
    pub password_hash: String,
    /// When.
    pub at: Timestamp,
}

/// A mail that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMail {
    /// Its number.
    pub id: i64,
    /// Whose account it is about.
    pub user: UserId,
    /// What it is about.
    pub kind: MailKind,
    /// Where to.
    pub address: String,
    /// Since when.
    pub created_at: Timestamp,
    /// How often it was taken, this time included.
    pub tries: u32,
}

/// Addresses for mail. A proven one belongs to one account, in whatever case it is written.
#[async_trait]
pub trait Emails {
    /// Notes the address as wanted and queues mail to it, one to prove it or one that says that it is another
    /// account's; without one, the account has none any more. Announced when that changes the account.
    async fn want_email(&self, wanted: WantedEmail, announce: Announce<Me>) -> Result<(), StoreError>;
    /// Spends a ticket to make its address the account's, if it is still wanted. Announced.
    async fn verify_email(
        &self,
        secret_hash: String,
        at: Timestamp,
        announce: Announce<Me>,
    ) -> Result<Result<(), EmailRefusal>, StoreError>;
    /// Queues mail to the account that has proven the address and may log in, unless such one waits already.
    async fn queue_reset(&self, email_key: String, at: Timestamp) -> Result<(), StoreError>;
    /// Spends a ticket to set a new password and end all logins, which are announced. `false`: it is not good.
    async fn reset_password(
        &self,
        record: ResetRecord,
        announce: Announce<Vec<EndedLogin>>,
    ) -> Result<bool, StoreError>;
}

/// Mail that waits to be sent.
#[async_trait]
pub trait Mails {
    /// Mails that are due, the longest first; until then nobody else gets them.
    async fn take_mails(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<QueuedMail>, StoreError>;
    /// When the next one is due.
    async fn next_mail_at(&self) -> Result<Option<Timestamp>, StoreError>;
    /// Forgets one.
    async fn mail_done(&self, id: i64) -> Result<(), StoreError>;
    /// Keeps one for later.
    async fn mail_later(&self, id: i64, due_at: Timestamp) -> Result<(), StoreError>;
}
