//! Accounts: who people are. Registering, finding people by name, and the rules for names and passwords.

use crate::store::StoreError;
use crate::{Caller, LoggedIn, Messenger, StoreResult, Timestamp, UserId};

/// A person or a program that can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// The unique name, lower case.
    pub username: Username,
    /// The name shown to others.
    pub display_name: String,
    /// Person or program.
    pub kind: AccountKind,
    /// What it may do on this server.
    pub server_role: ServerRole,
    /// May it log in.
    pub suspended: bool,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// Language tag of its interface.
    pub locale: String,
    /// Number of the last change of this user's private state.
    pub user_rev: u64,
    /// When it was last active.
    pub last_seen_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Person or program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// A person.
    Human,
    /// A program.
    Bot,
}

/// What an account may do on the whole server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerRole {
    /// Uses the messenger.
    Member,
    /// Also runs the server.
    Admin,
    /// The first account: an administrator who cannot be removed.
    Owner,
}

/// A valid username: 3–32 of `a–z 0–9 . _ -`, beginning and ending with a letter or digit, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Checks and lower-cases `given`.
    pub fn parse(given: &str) -> Result<Self, UsernameError> {
        let _ = given;
        todo!()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a username is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Wrong length or characters.
    #[error(
        "a username is 3 to 32 of a–z, 0–9, dot, underscore and hyphen, with a letter or digit at both ends"
    )]
    Invalid,
    /// A word that must not be a person (`all`, `here`, `me`, `admin` …).
    #[error("this name is reserved")]
    Reserved,
}

/// What someone gives to create an account.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The wished name.
    pub username: String,
    /// The name to show; the username when absent.
    pub display_name: Option<String>,
    /// The password in clear.
    pub password: String,
    /// What to call this login in the list of devices.
    pub device_name: String,
}

/// Why registering is refused.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// This server does not let people register.
    #[error("registration is closed")]
    Closed,
    /// The username does not fit.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// Somebody has it.
    #[error("the username is taken")]
    UsernameTaken,
    /// Empty, too long or nothing to see.
    #[error("the display name is not valid")]
    DisplayNameInvalid,
    /// Shorter than the minimum.
    #[error("the password is too short")]
    PasswordTooShort,
    /// Among the most used ones.
    #[error("the password is too common")]
    PasswordCommon,
    /// Longer than 1,024 bytes.
    #[error("the password is too long")]
    PasswordTooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a search for people is refused.
#[derive(Debug, thiserror::Error)]
pub enum SearchPeopleError {
    /// Nothing to look for.
    #[error("the query is empty")]
    EmptyQuery,
    /// Over 200 characters.
    #[error("the query is too long")]
    QueryTooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Whether no account exists yet, so that the next one becomes the owner.
    pub async fn setup_required(&self) -> StoreResult<bool> {
        todo!()
    }

    /// Creates an account and logs it in. The first one becomes the owner, and may be created even when
    /// registration is closed.
    pub async fn register(&self, new: NewAccount) -> Result<LoggedIn, RegisterError> {
        let _ = new;
        todo!()
    }

    /// Creates an account from the command line: no login, and open or closed does not matter.
    pub async fn add_account(
        &self,
        new: NewAccount,
        role: Option<ServerRole>,
    ) -> Result<Account, RegisterError> {
        let _ = (new, role);
        todo!()
    }

    /// Sets a new password and ends all of the account's logins. `Ok(false)`: no such account.
    pub async fn set_password(&self, username: &str, password: &str) -> Result<bool, RegisterError> {
        let _ = (username, password);
        todo!()
    }

    /// All accounts by id, for the command line.
    pub async fn accounts(&self) -> StoreResult<Vec<Account>> {
        todo!()
    }

    /// The account, deleted ones included.
    pub async fn account(&self, id: UserId) -> StoreResult<Option<Account>> {
        let _ = id;
        todo!()
    }

    /// Several accounts at once; unknown ids are left out.
    pub async fn accounts_by_id(&self, ids: &[UserId]) -> StoreResult<Vec<Account>> {
        let _ = ids;
        todo!()
    }

    /// People whose username, or a word of whose display name, begins with `query`; never the caller.
    pub async fn search_people(
        &self,
        caller: &Caller,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Account>, SearchPeopleError> {
        let _ = (caller, query, limit);
        todo!()
    }

    /// Notes when the user was last active.
    pub async fn saw(&self, user: UserId, at: Timestamp) -> StoreResult<()> {
        let _ = (user, at);
        todo!()
    }

    /// The other person of each of the user's direct conversations: who is told of its presence.
    pub async fn peers(&self, user: UserId) -> StoreResult<Vec<UserId>> {
        let _ = user;
        todo!()
    }
}
