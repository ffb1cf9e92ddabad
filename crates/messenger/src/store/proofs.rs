//! What proves who somebody is beside the password: tickets, and codes of a second factor.

use super::{Announce, StoreError};
use crate::{Me, Timestamp, UserId};
use async_trait::async_trait;

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The rest of a log-in whose password was right.
    SecondFactor,
    /// That mail to an address arrives.
    Email,
    /// A new password.
    Password,
}

/// A ticket to be kept.
#[derive(Debug, Clone)]
pub struct TicketRecord {
    /// SHA-256 of its secret, in hex.
    pub secret_hash: String,
    /// Whose.
    pub user: UserId,
    /// What it is for.
    pub purpose: Purpose,
    /// Name of the device, or the address.
    pub subject: String,
    /// When.
    pub at: Timestamp,
    /// It is good until then.
    pub expires_at: Timestamp,
}

/// A ticket that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTicket {
    /// Whose.
    pub user: UserId,
    /// Name of the device, or the address.
    pub subject: String,
}

/// Tickets: each is good once and for a while.
#[async_trait]
pub trait Tickets {
    /// Keeps a ticket, and no more than 20 of this purpose for one user: the oldest go. Expired ones go, too.
    async fn keep_ticket(&self, record: TicketRecord) -> Result<(), StoreError>;
    /// The ticket with this hash, if it is good.
    async fn ticket(
        &self,
        secret_hash: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<StoredTicket>, StoreError>;
    /// The same, and from now on it is not: of many who ask at once, one gets it.
    async fn spend_ticket(
        &self,
        secret_hash: String,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<StoredTicket>, StoreError>;
}

/// A second factor as it is kept.
#[derive(Clone)]
pub struct StoredFactor {
    /// What the codes are made of.
    pub secret: Vec<u8>,
    /// Whether it is asked for: a first code was right.
    pub confirmed: bool,
}

/// Second factors.
#[async_trait]
pub trait SecondFactors {
    /// The user's, confirmed or not.
    async fn second_factor(&self, user: UserId) -> Result<Option<StoredFactor>, StoreError>;
    /// Keeps a secret that is still to be confirmed, instead of another such one. `false`: one is confirmed.
    async fn offer_second_factor(&self, user: UserId, secret: Vec<u8>) -> Result<bool, StoreError>;
    /// Confirms the secret by a code of this step, and replaces the recovery codes. Announced. `false`: this secret
    /// does not wait to be confirmed.
    async fn confirm_second_factor(
        &self,
        user: UserId,
        secret: Vec<u8>,
        step: u64,
        recovery_hashes: Vec<String>,
        at: Timestamp,
        announce: Announce<Me>,
    ) -> Result<bool, StoreError>;
    /// Takes it away, with its recovery codes; announced when it was confirmed. `false`: there was none.
    async fn remove_second_factor(&self, user: UserId, announce: Announce<Me>) -> Result<bool, StoreError>;
    /// Takes a code of this step. `false`: one of it, or of a later step, was taken before.
    async fn spend_step(&self, user: UserId, step: u64) -> Result<bool, StoreError>;
    /// Takes a recovery code. `false`: there is no such one.
    async fn spend_recovery_code(&self, user: UserId, code_hash: String) -> Result<bool, StoreError>;
}
