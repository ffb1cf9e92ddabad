//! Mail: proving an address, and a new password for one who has forgotten it.
//!
//! A mail waits in the store as what it is about; its words, in the language of whom it is for, and the secret in it
//! are made when it is sent. So a mail server that is away costs patience and nothing else, and nobody waits for it.

mod words;

use crate::login::fresh_secret;
use crate::store::{EmailRefusal, Purpose, QueuedMail, ResetRecord, StoreError, TicketRecord, WantedEmail};
use crate::token::Secret;
use crate::{
    Caller, LogoutReason, Me, Messenger, PasswordError, RegisterError, StoreResult, Timestamp, UserId,
    password,
};
use async_trait::async_trait;
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// How long the secrets in mails are good.
const VERIFY_MS: i64 = 24 * 60 * 60 * 1_000;
const RESET_MS: i64 = 60 * 60 * 1_000;

/// A mail that could not be delivered for so long is given up.
const GIVEN_UP_MS: i64 = 24 * 60 * 60 * 1_000;

/// The first pause after a failure; it doubles with every further one.
const PAUSE_MS: i64 = 30 * 1_000;
const PAUSE_MS_MAX: i64 = 60 * 60 * 1_000;

/// Mails taken from the store at once, and how long others leave them alone.
const TAKEN_MAX: usize = 10;
const TAKEN_MS: i64 = 10 * 60 * 1_000;

/// Requests for a new password that wait to be looked at. One that finds no room is dropped.
const FORGOTTEN_MAX: usize = 1_000;

/// Mails for one account, or requests for one address, within an hour.
pub(crate) const MAILS_MAX: u32 = 5;
pub(crate) const MAILS_WINDOW_S: u64 = 60 * 60;

/// An address for mail: ASCII, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Checks what somebody gave.
    pub fn parse(given: &str) -> Option<Self> {
        let text = given.trim();
        let (local, domain) = text.rsplit_once('@')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&byte);
        let local_fits = (1..=64).contains(&local.len()) && local.bytes().all(plain);
        let dots_fit = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let fits = text.len() <= 254 && local_fits && dots_fit && domain.split('.').all(label);
        fits.then(|| Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// A link that proves the address.
    Verify,
    /// Somebody gave an address that belongs to another account already.
    Taken,
    /// A link to a new password.
    Reset,
}

/// A mail, ready to be sent.
#[derive(Clone)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// Why a mail was not sent; the text is for the log, and names nobody.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Try again.
    #[error("{0}")]
    Later(String),
    /// It will never be taken.
    #[error("{0}")]
    Never(String),
}

/// Hands mails to a mail server.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands one over. Takes no longer than a minute.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Why an address is not taken.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// This server sends no mail.
    #[error("this server sends no mail")]
    Unavailable,
    /// Not an address.
    #[error("this is not an e-mail address")]
    Invalid,
    /// The caller has not shown to know the password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Too many mails; try again after so many seconds.
    #[error("too many mails")]
    TooMany {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the secret of a mail does nothing.
#[derive(Debug, thiserror::Error)]
pub enum MailTokenError {
    /// Unknown, used, late, or overtaken by another.
    #[error("the token is not valid")]
    Invalid,
    /// Another account has proven the address meanwhile.
    #[error("the address belongs to another account")]
    EmailTaken,
    /// The new password does not fit.
    #[error(transparent)]
    Password(RegisterError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Whether this server sends mail.
    pub fn mail_available(&self) -> bool {
        self.options.mail_links.is_some()
    }

    /// Gives the caller another address, which counts once it is proven, or none. Whether it belongs to another
    /// account is only told by mail to that address.
    pub async fn change_email(
        &self,
        caller: &Caller,
        password: &str,
        address: &str,
        email: Option<&str>,
    ) -> Result<(), EmailError> {
        if !self.mail_available() {
            return Err(EmailError::Unavailable);
        }
        let email = match email {
            Some(given) => Some(Email::parse(given).ok_or(EmailError::Invalid)?),
            None => None,
        };
        self.prove_password(caller, password, address).await?;
        self.want_email(caller.user, email).await
    }

    /// The same for one who has just shown the password.
    pub async fn want_email(&self, user: UserId, email: Option<Email>) -> Result<(), EmailError> {
        if !self.mail_available() {
            return Err(EmailError::Unavailable);
        }
        if email.is_some() {
            let (name, now) = (format!("account {user}"), Instant::now());
            let refused = |retry_after_s| EmailError::TooMany { retry_after_s };
            self.mails.allowed(&name, "", now).map_err(refused)?;
            self.mails.failed(&name, "", now);
        }
        let at = Timestamp::now();
        let wanted = WantedEmail { user, email, at };
        let announce = self.announce_me(at);
        self.store.want_email(wanted, announce).await?;
        self.mail_wanted.notify_one();
        Ok(())
    }

    /// Makes the address of a mail that arrived the account's own.
    pub async fn verify_email(&self, token: &str) -> Result<(), MailTokenError> {
        let secret = Secret::given(token).ok_or(MailTokenError::Invalid)?;
        let at = Timestamp::now();
        let announce = self.announce_me(at);
        let hash = secret.hash().as_str().to_owned();
        match self.store.verify_email(hash, at, announce).await? {
            Ok(()) => Ok(()),
            Err(EmailRefusal::Invalid) => Err(MailTokenError::Invalid),
            Err(EmailRefusal::Taken) => Err(MailTokenError::EmailTaken),
        }
    }

    /// Has a link to a new password sent to the account with this address, if there is one. That is found out later,
    /// so the answer and its time tell nothing.
    pub fn forgot_password(&self, email: &str) -> Result<(), EmailError> {
        if !self.mail_available() {
            return Err(EmailError::Unavailable);
        }
        let email = Email::parse(email).ok_or(EmailError::Invalid)?;
        let mut forgotten = self.forgotten.lock();
        if forgotten.len() < FORGOTTEN_MAX {
            forgotten.push_back(email);
        } else {
            warn!("Too many people ask for a new password at once");
        }
        drop(forgotten);
        self.mail_wanted.notify_one();
        Ok(())
    }

    /// Sets a new password with the secret of a mail, and ends all logins of the account.
    pub async fn reset_password(&self, token: &str, new: &str) -> Result<(), MailTokenError> {
        password::check(new, self.options.password_chars_min).map_err(MailTokenError::Password)?;
        let secret = Secret::given(token).ok_or(MailTokenError::Invalid)?;
        let hash = secret.hash();
        // Hashing is dear: only for one who has a secret.
        let good = self
            .store
            .ticket(hash.as_str(), Purpose::Password, Timestamp::now())
            .await?;
        let ticket = good.ok_or(MailTokenError::Invalid)?;
        let record = ResetRecord {
            secret_hash: hash.as_str().to_owned(),
            password_hash: self.passwords.hash(new).await?,
            at: Timestamp::now(),
        };
        let announce = self.announce_log_outs(ticket.user, LogoutReason::PasswordChanged);
        if self.store.reset_password(record, announce).await? {
            Ok(())
        } else {
            Err(MailTokenError::Invalid)
        }
    }

    /// Waits until there may be mail to send: somebody asked for one, or one that failed is due again.
    pub async fn mail_due(&self) {
        let next = match self.store.next_mail_at().await {
            Ok(next) => next,
            Err(error) => {
                warn!(%error, "Mail that waits could not be looked up");
                Some(Timestamp(Timestamp::now().0 + PAUSE_MS))
            }
        };
        let wait_ms = next.map(|at| (at.0 - Timestamp::now().0).max(0).unsigned_abs());
        let due = async {
            match wait_ms {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = self.mail_wanted.notified() => {}
        }
    }

    /// Sends what is due, once. What the mail server does not take waits for another time.
    pub async fn send_mail(&self, mailer: &dyn Mailer, server: &str) -> StoreResult<()> {
        self.look_up_forgotten().await?;
        loop {
            let now = Timestamp::now();
            let taken = self
                .store
                .take_mails(now, Timestamp(now.0 + TAKEN_MS), TAKEN_MAX)
                .await?;
            if taken.is_empty() {
                return Ok(());
            }
            for queued in taken {
                self.send_one(mailer, server, queued).await?;
            }
        }
    }

    async fn look_up_forgotten(&self) -> StoreResult<()> {
        loop {
            let next = self.forgotten.lock().pop_front();
            let Some(email) = next else {
                return Ok(());
            };
            let (key, now) = (email.key(), Instant::now());
            if self.mails.allowed(&key, "", now).is_ok() {
                self.mails.failed(&key, "", now);
                self.store.queue_reset(key, Timestamp::now()).await?;
            }
        }
    }

    async fn send_one(&self, mailer: &dyn Mailer, server: &str, queued: QueuedMail) -> StoreResult<()> {
        let me = self.store.me(queued.user).await?;
        let Some(me) = me.filter(|me| still_wanted(me, &queued)) else {
            return self.store.mail_done(queued.id).await;
        };
        let mail = self.write(&me, &queued, server).await?;
        match mailer.send(&mail).await {
            Ok(()) => self.store.mail_done(queued.id).await,
            Err(MailError::Never(reason)) => {
                warn!(reason, "A mail was refused for good");
                self.store.mail_done(queued.id).await
            }
            Err(MailError::Later(reason)) => {
                let now = Timestamp::now();
                if now.0 - queued.created_at.0 >= GIVEN_UP_MS {
                    warn!(reason, "A mail could not be sent for a day and is given up");
                    return self.store.mail_done(queued.id).await;
                }
                match queued.tries {
                    0 | 1 => warn!(reason, "A mail could not be sent; it will be tried again"),
                    tries => debug!(reason, tries, "A mail could still not be sent"),
                }
                let pause = PAUSE_MS << (queued.tries.saturating_sub(1)).min(7);
                let again = Timestamp(now.0 + pause.min(PAUSE_MS_MAX));
                self.store.mail_later(queued.id, again).await
            }
        }
    }

    /// Puts the words together, with a fresh secret.
    async fn write(&self, me: &Me, queued: &QueuedMail, server: &str) -> StoreResult<Mail> {
        let words = words::of(&me.account.locale);
        let (letter, purpose, path, life_ms) = match queued.kind {
            MailKind::Verify => (&words.verify, Some(Purpose::Email), "verify-email", VERIFY_MS),
            MailKind::Reset => (&words.reset, Some(Purpose::Password), "reset", RESET_MS),
            MailKind::Taken => (&words.taken, None, "", 0),
        };
        let mut link = String::new();
        if let Some(purpose) = purpose {
            let (secret, at) = (fresh_secret()?, Timestamp::now());
            let record = TicketRecord {
                secret_hash: secret.hash().as_str().to_owned(),
                user: queued.user,
                purpose,
                subject: queued.address.clone(),
                at,
                expires_at: Timestamp(at.0 + life_ms),
            };
            self.store.keep_ticket(record).await?;
            let base = self.options.mail_links.as_deref().unwrap_or_default();
            link = format!("{}/{path}/{}", base.trim_end_matches('/'), secret.reveal());
        }
        let fill = |text: &str| {
            // The name last: what it says is not to be taken for one of ours.
            text.replace("{link}", &link)
                .replace("{server}", server)
                .replace("{name}", &me.account.display_name)
        };
        Ok(Mail {
            to: queued.address.clone(),
            subject: letter.subject.replace("{server}", server),
            text: fill(letter.text),
        })
    }
}

/// Whether what the mail is about is as it was when it was asked for.
fn still_wanted(me: &Me, queued: &QueuedMail) -> bool {
    if me.account.deleted_at.is_some() {
        return false;
    }
    let address = Some(&queued.address);
    match queued.kind {
        MailKind::Verify | MailKind::Taken => me.email_wanted.as_ref() == address,
        MailKind::Reset => me.email.as_ref() == address && !me.account.suspended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_text() {
        let long = format!("{}@example.org", "a".repeat(65));
        for (given, fits) in [
            ("sam@example.org", true),
            (" Sam.W+x@mail.example.org ", true),
            ("root@localhost", true),
            ("", false),
            ("sam", false),
            ("@example.org", false),
            ("sam@", false),
            ("sam@exa mple.org", false),
            ("sam@example..org", false),
            ("sam@-example.org", false),
            (".sam@example.org", false),
            ("s..am@example.org", false),
            ("sam@x@example.org", false),
            ("sam\r\nBcc: x@example.org", false),
            ("sam@example.org\nx", false),
            ("<sam@example.org>", false),
            ("sam@пример.рф", false),
            (long.as_str(), false),
        ] {
            assert_eq!(Email::parse(given).is_some(), fits, "{given:?}");
        }
        let sam = Email::parse(" Sam@Example.org").unwrap();
        assert_eq!(
            (sam.as_str(), sam.key().as_str()),
            ("Sam@Example.org", "sam@example.org")
        );
    }
}
