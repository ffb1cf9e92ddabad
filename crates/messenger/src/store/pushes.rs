//! Devices that take notifications, and keys of the server.

use super::StoreError;
use crate::{LoginId, PushDevice, PushSubscription, Timestamp, UserId};
use async_trait::async_trait;

/// Devices that take notifications. A device stops when its login ends.
#[async_trait]
pub trait Pushes {
    /// Keeps where a device takes notifications, in place of what was kept for it, and takes the address from any
    /// other device. Nothing happens when the login has ended.
    async fn subscribe_push(
        &self,
        user: UserId,
        login: LoginId,
        subscription: PushSubscription,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// The device takes none.
    async fn unsubscribe_push(&self, login: LoginId) -> Result<(), StoreError>;
    /// Whichever device has the address takes none.
    async fn push_gone(&self, endpoint: &str) -> Result<(), StoreError>;
    /// Everybody with a device that takes notifications, ascending.
    async fn push_users(&self) -> Result<Vec<UserId>, StoreError>;
    /// The user's devices that take notifications and were used after that, by login.
    async fn push_devices(&self, user: UserId, used_after: Timestamp) -> Result<Vec<PushDevice>, StoreError>;
    /// The secret key of this name; `fresh` is kept when there is none.
    async fn server_key(&self, name: &str, fresh: Vec<u8>, at: Timestamp) -> Result<Vec<u8>, StoreError>;
}
