//! Logins: an account on a device, proven by a token.

use crate::store::StoreError;
use crate::{Account, LoginId, Messenger, StoreResult, Timestamp, UserId};

/// An account signed in on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The number before the bar of the token.
    pub id: LoginId,
    /// Public name of the device: an unguessable UUID.
    pub device_id: uuid::Uuid,
    /// Whose it is.
    pub user: UserId,
    /// What the user calls the device.
    pub name: String,
    /// When it began.
    pub created_at: Timestamp,
}

/// The secret that proves a login, shown once: `<login id>|<40 letters and digits><CRC-32 of them in hex>`.
/// It does not print.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Wraps the text a client presented.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to hand to the client, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub user: UserId,
    /// The login it came with.
    pub login: LoginId,
}

/// A fresh login.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// Who.
    pub account: Account,
    /// The login.
    pub login: Login,
    /// Its secret, to be handed out once.
    pub token: Token,
}

/// Why logging in is refused.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// Unknown name or wrong password; which of them is not said.
    #[error("the username or the password is wrong")]
    InvalidCredentials,
    /// The account may not log in.
    #[error("the account is suspended")]
    Suspended,
    /// Too many failures; try again after so many seconds.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Checks the password and creates a login. An unknown name costs the same time as a wrong password.
    /// `address` is where the attempt comes from; failures are counted per account and address.
    pub async fn log_in(
        &self,
        username: &str,
        password: &str,
        device_name: &str,
        address: &str,
    ) -> Result<LoggedIn, LogInError> {
        let _ = (username, password, device_name, address);
        todo!()
    }

    /// Whose token this is; `None` when it proves nothing (malformed, unknown, ended, account suspended).
    pub async fn authenticate(&self, token: &Token) -> StoreResult<Option<Caller>> {
        let _ = token;
        todo!()
    }

    /// Ends the caller's login.
    pub async fn log_out(&self, caller: &Caller) -> StoreResult<()> {
        let _ = caller;
        todo!()
    }
}
