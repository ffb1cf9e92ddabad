//! Logins: an account on a device, proven by a token.

use crate::store::{LoginRecord, StoreError};
use crate::token::{Secret, Token};
use crate::{
    Account, AccountStatus, Audience, Event, LoginId, LogoutReason, Messenger, StoreResult, Timestamp,
    UserId, Username, text,
};
use std::sync::Arc;
use std::time::Instant;

/// The time of last use is stored at most this often.
const USE_NOTED_MS_MIN: i64 = 60 * 1_000;

/// Longest name of a device; the rest is cut off.
const DEVICE_NAME_CHARS_MAX: usize = 64;

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

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub user: UserId,
    /// The login it came with.
    pub login: LoginId,
}

/// A login as its owner sees it in the list of devices.
#[derive(Debug, Clone)]
pub struct Device {
    /// The login.
    pub login: Login,
    /// When it was last used, to the minute.
    pub last_used_at: Timestamp,
    /// When it ends unless it is used before.
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
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
    /// The password is right, and a code of the second factor is wanted, too; see [`Messenger::second_step`].
    #[error("a second factor is wanted")]
    SecondFactorRequired {
        /// To be given along with the code.
        ticket: Token,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a token is of no use though it is one of ours.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// Its account may not be used.
    #[error("the account is suspended")]
    Suspended,
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
        let allowed = || {
            let refused = |retry_after_s| LogInError::TooManyAttempts { retry_after_s };
            self.attempts
                .allowed(username, address, Instant::now())
                .map_err(refused)
        };
        allowed()?;
        let found = match Username::parse(username) {
            Ok(name) => self.store.credentials(&name).await?,
            Err(_) => None,
        };
        let (account, stored) = found.map(|found| (found.account, found.password_hash)).unzip();
        // Asked again when its turn comes: otherwise many attempts at once would all pass the first question.
        let fits = self
            .passwords
            .verify(password, stored, || allowed().is_ok())
            .await?;
        let account = match (fits, account) {
            (Some(true), Some(account)) => account,
            (Some(_), _) => {
                self.attempts.failed(username, address, Instant::now());
                return Err(LogInError::InvalidCredentials);
            }
            (None, _) => return Err(allowed().err().unwrap_or(LogInError::InvalidCredentials)),
        };
        self.attempts.succeeded(username, address);
        if account.suspended {
            return Err(LogInError::Suspended);
        }
        self.first_step(account, device_name).await
    }

    pub(crate) async fn begin_login(&self, account: Account, device_name: &str) -> StoreResult<LoggedIn> {
        let secret = fresh_secret()?;
        let record = LoginRecord {
            device_id: uuid::Uuid::new_v4(),
            user: account.id,
            name: self::device_name(device_name),
            secret_hash: secret.hash().as_str().to_owned(),
            at: Timestamp::now(),
        };
        let (feed, user) = (Arc::clone(&self.feed), account.id);
        let announce = move |(login, user_rev): &(Login, u64)| {
            let event = Event::DeviceChanged {
                device: login.device_id,
                login: Some(login.clone()),
                user_rev: *user_rev,
                at: login.created_at,
            };
            feed.deliver(&Audience::Users(vec![user]), &event);
        };
        let login = self.store.create_login(record, Box::new(announce)).await?;
        self.end_surplus_logins(account.id).await?;
        let token = Token::of(login.id, &secret);
        Ok(LoggedIn {
            account,
            login,
            token,
        })
    }

    /// Whose token this is; `None` when it proves nothing (malformed, unknown, ended). A proof is
    /// believed for half a minute, but not past the end of its login, or of its use, in this process.
    pub async fn authenticate(&self, token: &Token) -> Result<Option<Caller>, AuthenticateError> {
        let Some((id, secret)) = token.read() else {
            return Ok(None);
        };
        if let Some(user) = self.logins.find(id, &secret, Instant::now()) {
            return Ok(Some(Caller { user, login: id }));
        }
        let endings = self.logins.endings();
        let Some(stored) = self.store.login(id).await? else {
            return Ok(None);
        };
        let now = Timestamp::now();
        let unused_ms = now.0 - stored.last_used_at.0;
        if !secret.matches(&stored.secret_hash) || unused_ms > self.device_idle_ms() {
            return Ok(None);
        }
        match stored.status {
            AccountStatus::Active => {}
            AccountStatus::Suspended => return Err(AuthenticateError::Suspended),
            AccountStatus::Deleted => return Ok(None),
        }
        if unused_ms >= USE_NOTED_MS_MIN
            && let Err(error) = self.store.used(id, now).await
        {
            // A store that cannot write may still serve readers.
            tracing::debug!(%error, "The time a login was used could not be stored");
        }
        let user = stored.login.user;
        self.logins
            .remember(endings, id, user, stored.secret_hash, Instant::now());
        Ok(Some(Caller { user, login: id }))
    }

    /// A login that was not used for so long has ended.
    fn device_idle_ms(&self) -> i64 {
        self.options.device_idle_s as i64 * 1_000
    }

    /// Makes room when a user has more logins than allowed.
    async fn end_surplus_logins(&self, user: UserId) -> StoreResult<()> {
        let logins = self.store.logins_of(user).await?;
        for surplus in logins.iter().skip(self.options.devices_max.max(1)) {
            let announce = self.announce_log_outs(user, LogoutReason::DeviceRevoked);
            self.store.end_login(user, surplus.login.id, announce).await?;
        }
        Ok(())
    }

    /// The caller's logins that have not ended, last used first.
    pub async fn devices(&self, caller: &Caller) -> StoreResult<Vec<Device>> {
        let logins = self.store.logins_of(caller.user).await?;
        let now = Timestamp::now();
        let devices = logins.into_iter().map(|stored| Device {
            current: stored.login.id == caller.login,
            last_used_at: stored.last_used_at,
            expires_at: Timestamp(stored.last_used_at.0 + self.device_idle_ms()),
            login: stored.login,
        });
        Ok(devices.filter(|device| device.expires_at > now).collect())
    }

    /// Ends the caller's login on a device; `Ok(false)`: there is none.
    pub async fn end_device(&self, caller: &Caller, device: uuid::Uuid) -> StoreResult<bool> {
        let logins = self.store.logins_of(caller.user).await?;
        let Some(stored) = logins.iter().find(|stored| stored.login.device_id == device) else {
            return Ok(false);
        };
        let announce = self.announce_log_outs(caller.user, LogoutReason::DeviceRevoked);
        self.store
            .end_login(caller.user, stored.login.id, announce)
            .await?;
        Ok(true)
    }

    /// Ends all of the caller's logins but this one.
    pub async fn end_other_devices(&self, caller: &Caller) -> StoreResult<()> {
        for stored in self.store.logins_of(caller.user).await? {
            if stored.login.id != caller.login {
                let announce = self.announce_log_outs(caller.user, LogoutReason::DeviceRevoked);
                self.store
                    .end_login(caller.user, stored.login.id, announce)
                    .await?;
            }
        }
        Ok(())
    }

    /// A new secret for the caller's login; the old one is void. `Ok(None)`: the login has ended.
    pub async fn renew(&self, caller: &Caller) -> StoreResult<Option<Token>> {
        let secret = fresh_secret()?;
        let hash = secret.hash().as_str().to_owned();
        if !self
            .store
            .renew_login(caller.login, hash, Timestamp::now())
            .await?
        {
            return Ok(None);
        }
        self.logins.forget(&[caller.login]);
        Ok(Some(Token::of(caller.login, &secret)))
    }

    /// Ends the caller's login.
    pub async fn log_out(&self, caller: &Caller) -> StoreResult<()> {
        let announce = self.announce_log_outs(caller.user, LogoutReason::LoggedOut);
        self.store.end_login(caller.user, caller.login, announce).await
    }
}

/// What a device may be called.
pub(crate) fn device_name(given: &str) -> String {
    text::name(given).chars().take(DEVICE_NAME_CHARS_MAX).collect()
}

pub(crate) fn fresh_secret() -> StoreResult<Secret> {
    Secret::generate().map_err(|error| StoreError::Unavailable(format!("no randomness for a token: {error}")))
}
