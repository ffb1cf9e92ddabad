//! Accounts: who people are. Registering, finding people by name, and the rules for names and passwords.

use crate::store::{AccountRecord, AccountRefusal, Admission, Announce, EndedLogin, StoreError};
use crate::token::Secret;
use crate::{
    AttachmentId, Audience, Caller, Event, LoggedIn, LoginId, LogoutReason, Messenger, StoreResult,
    Timestamp, UserId, contact, password, text,
};
use std::sync::Arc;

/// Names that must not be a person: they mean something else, or would be believed too easily.
const RESERVED: &[&str] = &[
    "admin",
    "administrator",
    "all",
    "channel",
    "chinwag",
    "everyone",
    "help",
    "here",
    "me",
    "moderator",
    "nobody",
    "root",
    "support",
    "system",
];

/// People found at most by one search.
const PEOPLE_MAX: usize = 20;

/// A person or a program that can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// The unique name, lower case.
    pub username: Username,
    /// The name shown to others.
    pub display_name: String,
    /// The picture it is shown by.
    pub avatar: Option<AttachmentId>,
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

impl Account {
    /// Whether it may be used.
    pub fn status(&self) -> AccountStatus {
        match (self.deleted_at, self.suspended) {
            (Some(_), _) => AccountStatus::Deleted,
            (None, true) => AccountStatus::Suspended,
            (None, false) => AccountStatus::Active,
        }
    }

    /// Whether messages count as delivered and seen only when it has received and seen them.
    pub fn is_recipient(&self) -> bool {
        self.kind == AccountKind::Human && self.status() == AccountStatus::Active
    }
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// It may.
    Active,
    /// Not until an administrator lets it in again.
    Suspended,
    /// Never again.
    Deleted,
}

/// Who may create accounts. The first account can always be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Those with an invite to the server.
    Invite,
    /// Nobody.
    Closed,
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
        let name = given.to_ascii_lowercase();
        if RESERVED.contains(&name.as_str()) {
            return Err(UsernameError::Reserved);
        }
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = name.as_bytes();
        let fits = (3..=32).contains(&bytes.len())
            && bytes.iter().all(|&b| inside(b))
            && edge(bytes.first())
            && edge(bytes.last());
        if fits {
            Ok(Self(name))
        } else {
            Err(UsernameError::Invalid)
        }
    }

    /// A name that was checked when it was stored, by the rules of that day.
    pub fn from_store(name: String) -> Self {
        Self(name)
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
    /// The secret of an invite to the server.
    pub invite: Option<String>,
    /// What to call this login in the list of devices.
    pub device_name: String,
}

/// Why registering is refused.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// This server does not let people register.
    #[error("registration is closed")]
    Closed,
    /// This server lets people register who have an invite; the given one does not let in, or none was given.
    #[error("an invite to this server is needed")]
    InviteRequired,
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
        Ok(!self.store.any_account().await?)
    }

    /// Creates an account and logs it in. The first one becomes the owner, and may be created even when
    /// registration is closed.
    pub async fn register(&self, new: NewAccount) -> Result<LoggedIn, RegisterError> {
        let invite = new.invite.as_deref().and_then(Secret::given);
        let admission = match (self.options.registration, invite) {
            (Registration::Open, _) => Admission::Anyone,
            (Registration::Invite, Some(secret)) => Admission::Invited {
                secret_hash: secret.hash().as_str().to_owned(),
            },
            (Registration::Invite, None) | (Registration::Closed, _) => Admission::FirstOnly,
        };
        // Hashing is dear: who cannot be admitted is told so before.
        if admission != Admission::Anyone && self.store.any_account().await? {
            self.require_invite(&admission).await?;
        }
        let device_name = new.device_name.clone();
        let account = self.create_account(new, admission).await?;
        Ok(self.begin_login(account, &device_name).await?)
    }

    async fn require_invite(&self, admission: &Admission) -> Result<(), RegisterError> {
        if self.options.registration == Registration::Closed {
            return Err(RegisterError::Closed);
        }
        let Admission::Invited { secret_hash } = admission else {
            return Err(RegisterError::InviteRequired);
        };
        match self
            .store
            .server_invite_admits(secret_hash, Timestamp::now())
            .await?
        {
            true => Ok(()),
            false => Err(RegisterError::InviteRequired),
        }
    }

    /// Creates an account from the command line: no login, and open or closed does not matter.
    pub async fn add_account(
        &self,
        new: NewAccount,
        role: Option<ServerRole>,
    ) -> Result<Account, RegisterError> {
        self.create_account(new, role.map_or(Admission::Anyone, Admission::As))
            .await
    }

    async fn create_account(&self, new: NewAccount, admission: Admission) -> Result<Account, RegisterError> {
        let username = Username::parse(&new.username)?;
        let display_name = match &new.display_name {
            Some(given) => self.display_name(given)?,
            None => username.as_str().to_owned(),
        };
        password::check(&new.password, self.options.password_chars_min)?;
        if self.store.credentials(&username).await?.is_some() {
            return Err(RegisterError::UsernameTaken);
        }
        let record = AccountRecord {
            search_keys: text::search_keys(username.as_str(), &display_name),
            username,
            display_name,
            password_hash: self.passwords.hash(&new.password).await?,
            kind: AccountKind::Human,
            admission,
            at: Timestamp::now(),
        };
        self.store
            .create_account(record)
            .await?
            .map_err(|refusal| match refusal {
                AccountRefusal::UsernameTaken => RegisterError::UsernameTaken,
                AccountRefusal::NotTheFirst if self.options.registration == Registration::Invite => {
                    RegisterError::InviteRequired
                }
                AccountRefusal::NotTheFirst => RegisterError::Closed,
                AccountRefusal::NotInvited => RegisterError::InviteRequired,
            })
    }

    fn display_name(&self, given: &str) -> Result<String, RegisterError> {
        let name = text::name(given);
        if name.is_empty() || name.chars().count() > self.options.display_name_chars_max {
            return Err(RegisterError::DisplayNameInvalid);
        }
        Ok(name)
    }

    /// Sets a new password and ends all of the account's logins. `Ok(false)`: no such account.
    pub async fn set_password(&self, username: &str, password: &str) -> Result<bool, RegisterError> {
        let username = Username::parse(username)?;
        password::check(password, self.options.password_chars_min)?;
        let Some(credentials) = self.store.credentials(&username).await? else {
            return Ok(false);
        };
        let hash = self.passwords.hash(password).await?;
        let user = credentials.account.id;
        self.store
            .set_password(
                user,
                hash,
                None,
                self.announce_log_outs(user, LogoutReason::PasswordChanged),
            )
            .await?;
        Ok(true)
    }

    /// What follows when logins of `user` have ended.
    pub(crate) fn announce_log_outs(&self, user: UserId, reason: LogoutReason) -> Announce<Vec<EndedLogin>> {
        let (feed, cache) = (Arc::clone(&self.feed), Arc::clone(&self.logins));
        let at = Timestamp::now();
        Box::new(move |ended| {
            let logins: Vec<LoginId> = ended.iter().map(|ended| ended.login).collect();
            cache.forget(&logins);
            let own = Audience::Users(vec![user]);
            // First they are sent away: what follows is for those who stay.
            for login in logins {
                feed.deliver(&own, &Event::LoggedOut { user, login, reason });
            }
            for ended in ended {
                let event = Event::DeviceChanged {
                    device: ended.device_id,
                    login: None,
                    user_rev: ended.user_rev,
                    at,
                };
                feed.deliver(&own, &event);
            }
        })
    }

    /// All accounts by id, for the command line.
    pub async fn accounts(&self) -> StoreResult<Vec<Account>> {
        self.store.all_accounts().await
    }

    /// The account, deleted ones included.
    pub async fn account(&self, id: UserId) -> StoreResult<Option<Account>> {
        Ok(self.store.accounts_by_id(&[id]).await?.pop())
    }

    /// Several accounts at once; unknown ids are left out.
    pub async fn accounts_by_id(&self, ids: &[UserId]) -> StoreResult<Vec<Account>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.store.accounts_by_id(ids).await
    }

    /// People whose username, alias, or a word of them or of whose display name, begins with `query`: those whom the
    /// caller knows first. Strangers only if they want to be found; never the caller. A limit above 20 is taken
    /// as 20.
    pub async fn search_people(
        &self,
        caller: &Caller,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Account>, SearchPeopleError> {
        if query.chars().count() > 200 {
            return Err(SearchPeopleError::QueryTooLong);
        }
        let prefix = text::prefix(query);
        if prefix.is_empty() {
            return Err(SearchPeopleError::EmptyQuery);
        }
        let limit = limit.min(PEOPLE_MAX);
        // Aliases are few and the caller's own, so they have no keys in the store.
        let contacts = self.store.contacts(caller.user).await?;
        let mut found: Vec<Account> = contacts
            .into_iter()
            .filter(|contact| contact.account.deleted_at.is_none() && contact.alias.is_some())
            .filter(|contact| contact::is_found(contact, &prefix))
            .map(|contact| contact.account)
            .collect();
        let others = self.store.find_people(&prefix, caller.user, limit).await?;
        for account in others {
            if found.iter().all(|known| known.id != account.id) {
                found.push(account);
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Notes when the user was last active.
    pub async fn saw(&self, user: UserId, at: Timestamp) -> StoreResult<()> {
        self.store.saw(user, at).await
    }

    /// The other person of each of the user's direct conversations: who is told of its presence.
    pub async fn peers(&self, user: UserId) -> StoreResult<Vec<UserId>> {
        self.store.peers(user).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_follow_the_rule() {
        let check = |given: &str, expected: Result<&str, UsernameError>| {
            let parsed = Username::parse(given);
            assert_eq!(
                parsed.as_ref().map(Username::as_str).map_err(|&e| e),
                expected,
                "{given:?}"
            );
        };
        let longest = "a".repeat(32);
        check("sam", Ok("sam"));
        check("Sam.W_1-x", Ok("sam.w_1-x"));
        check("007", Ok("007"));
        check(&longest, Ok(&longest));
        for reserved in ["all", "here", "me", "Admin", "SYSTEM"] {
            check(reserved, Err(UsernameError::Reserved));
        }
        let invalid = [
            "", "ab", "-sam", "sam.", "_am", "sa m", " sam", "séb", "ſam", "sam\0", "sam\n", "Sam@x",
        ];
        for invalid in invalid {
            check(invalid, Err(UsernameError::Invalid));
        }
        check(&"a".repeat(33), Err(UsernameError::Invalid));
    }
}
