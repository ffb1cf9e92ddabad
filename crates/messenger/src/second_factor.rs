//! The second factor: codes that change every 30 seconds (RFC 6238), made by the user's own device, and recovery codes
//! for the day when it is lost.

use crate::login::fresh_secret;
use crate::store::{Purpose, StoreError, StoredFactor, TicketRecord};
use crate::token::{Secret, SecretHash, Token};
use crate::{
    Account, Caller, LogInError, LoggedIn, Messenger, PasswordError, StoreResult, Timestamp, UserId,
};
use std::time::Instant;
use totp_rs::{Builder, Totp};

/// How long the rest of a log-in may take.
const TICKET_MS: i64 = 5 * 60 * 1_000;

/// As RFC 4226 recommends.
const SECRET_BYTES: usize = 20;

const RECOVERY_CODES: usize = 10;
const RECOVERY_CHARS: usize = 12;
/// Without letters that are taken for others; 32 of them, so that five bits choose one.
const RECOVERY_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A secret for the user's device, to be shown once.
pub struct Offered {
    /// In base 32, for typing.
    pub secret: String,
    /// The same as `otpauth://` address, for a QR code.
    pub uri: String,
}

/// Why a second factor is not set up, confirmed or taken away.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// The caller has not shown to know the password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There is one already.
    #[error("there is a second factor already")]
    Exists,
    /// There is none, or none to be confirmed.
    #[error("there is no such second factor")]
    Missing,
    /// Wrong, late, or taken before.
    #[error("the code is wrong")]
    CodeInvalid,
    /// Too many wrong ones; try again after so many seconds.
    #[error("too many wrong codes")]
    TooManyAttempts {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a log-in is not completed.
#[derive(Debug, thiserror::Error)]
pub enum SecondStepError {
    /// Unknown, used or late: it has to begin with the password again.
    #[error("the ticket is not valid")]
    TicketInvalid,
    /// Wrong, late, or taken before.
    #[error("the code is wrong")]
    CodeInvalid,
    /// The account may not log in.
    #[error("the account is suspended")]
    Suspended,
    /// Too many wrong ones; try again after so many seconds.
    #[error("too many wrong codes")]
    TooManyAttempts {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a code.
enum Verdict {
    Right,
    Wrong,
    TooMany { retry_after_s: u64 },
}

impl Messenger {
    /// A secret for the caller's device, which becomes the second factor once a code shows that it arrived. Another
    /// one that waits for that is void. `issuer` is what the device calls this server.
    pub async fn offer_second_factor(
        &self,
        caller: &Caller,
        password: &str,
        address: &str,
        issuer: &str,
    ) -> Result<Offered, SecondFactorError> {
        let account = self.prove_password(caller, password, address).await?;
        let mut secret = vec![0; SECRET_BYTES];
        randomise(&mut secret)?;
        if !self
            .store
            .offer_second_factor(caller.user, secret.clone())
            .await?
        {
            return Err(SecondFactorError::Exists);
        }
        let totp = totp(secret, &account, issuer)?;
        let uri = totp.to_url().map_err(|error| broken(&error))?;
        Ok(Offered {
            secret: totp.secret().to_base32(),
            uri,
        })
    }

    /// Makes the offered secret the caller's second factor. Returns recovery codes, to be shown once.
    pub async fn confirm_second_factor(
        &self,
        caller: &Caller,
        code: &str,
    ) -> Result<Vec<String>, SecondFactorError> {
        let found = self.store.second_factor(caller.user).await?;
        let factor = found.ok_or(SecondFactorError::Missing)?;
        if factor.confirmed {
            return Err(SecondFactorError::Exists);
        }
        self.count_code(caller.user)
            .map_err(|retry_after_s| SecondFactorError::TooManyAttempts { retry_after_s })?;
        let step = step_of(&factor, code)?.ok_or(SecondFactorError::CodeInvalid)?;
        let codes = recovery_codes()?;
        let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
        let at = Timestamp::now();
        let announce = self.announce_me(at);
        let confirmed = self
            .store
            .confirm_second_factor(caller.user, factor.secret, step, hashes, at, announce)
            .await?;
        if !confirmed {
            return Err(SecondFactorError::Missing);
        }
        self.forgive_codes(caller.user);
        Ok(codes)
    }

    /// Takes the caller's second factor away, for the password and a code or recovery code.
    pub async fn remove_second_factor(
        &self,
        caller: &Caller,
        password: &str,
        code: &str,
        address: &str,
    ) -> Result<(), SecondFactorError> {
        self.prove_password(caller, password, address).await?;
        let found = self.store.second_factor(caller.user).await?;
        let factor = found
            .filter(|factor| factor.confirmed)
            .ok_or(SecondFactorError::Missing)?;
        self.require_code(caller.user, &factor, code).await?;
        self.drop_second_factor(caller.user).await?;
        Ok(())
    }

    /// Takes a second factor away without asking for anything, for the command line. `false`: there was none.
    pub async fn drop_second_factor(&self, user: UserId) -> StoreResult<bool> {
        let announce = self.announce_me(Timestamp::now());
        self.store.remove_second_factor(user, announce).await
    }

    /// Logs in whose password was right, or hands out a ticket when a code is wanted, too.
    pub(crate) async fn first_step(
        &self,
        account: Account,
        device_name: &str,
    ) -> Result<LoggedIn, LogInError> {
        let factor = self.store.second_factor(account.id).await?;
        if !factor.is_some_and(|factor| factor.confirmed) {
            return Ok(self.begin_login(account, device_name).await?);
        }
        let secret = fresh_secret()?;
        let at = Timestamp::now();
        let record = TicketRecord {
            secret_hash: secret.hash().as_str().to_owned(),
            user: account.id,
            purpose: Purpose::SecondFactor,
            subject: crate::login::device_name(device_name),
            at,
            expires_at: Timestamp(at.0 + TICKET_MS),
        };
        self.store.keep_ticket(record).await?;
        Err(LogInError::SecondFactorRequired {
            ticket: Token::new(secret.reveal()),
        })
    }

    /// Completes a log-in with a code or a recovery code. Wrong codes are counted for the account, wherever they come
    /// from.
    pub async fn second_step(&self, ticket: &str, code: &str) -> Result<LoggedIn, SecondStepError> {
        let secret = Secret::given(ticket).ok_or(SecondStepError::TicketInvalid)?;
        let hash = secret.hash();
        let good = self
            .store
            .ticket(hash.as_str(), Purpose::SecondFactor, Timestamp::now())
            .await?;
        let ticket = good.ok_or(SecondStepError::TicketInvalid)?;
        let account = self.account(ticket.user).await?;
        let account = account.filter(|account| account.deleted_at.is_none());
        let account = account.ok_or(SecondStepError::TicketInvalid)?;
        if account.suspended {
            return Err(SecondStepError::Suspended);
        }
        let factor = self.store.second_factor(ticket.user).await?;
        let factor = factor
            .filter(|factor| factor.confirmed)
            .ok_or(SecondStepError::TicketInvalid)?;
        match self.check_code(ticket.user, &factor, code).await? {
            Verdict::Right => {}
            Verdict::Wrong => return Err(SecondStepError::CodeInvalid),
            Verdict::TooMany { retry_after_s } => {
                return Err(SecondStepError::TooManyAttempts { retry_after_s });
            }
        }
        let spent = self
            .store
            .spend_ticket(hash.as_str().to_owned(), Purpose::SecondFactor, Timestamp::now())
            .await?;
        let ticket = spent.ok_or(SecondStepError::TicketInvalid)?;
        Ok(self.begin_login(account, &ticket.subject).await?)
    }

    /// Takes a code or recovery code, once.
    pub(crate) async fn require_code(
        &self,
        user: UserId,
        factor: &StoredFactor,
        code: &str,
    ) -> Result<(), SecondFactorError> {
        match self.check_code(user, factor, code).await? {
            Verdict::Right => Ok(()),
            Verdict::Wrong => Err(SecondFactorError::CodeInvalid),
            Verdict::TooMany { retry_after_s } => Err(SecondFactorError::TooManyAttempts { retry_after_s }),
        }
    }

    /// Whether it is a code of the device that was not taken before, or a recovery code. Both are good once.
    async fn check_code(&self, user: UserId, factor: &StoredFactor, code: &str) -> StoreResult<Verdict> {
        if let Err(retry_after_s) = self.count_code(user) {
            return Ok(Verdict::TooMany { retry_after_s });
        }
        let right = match step_of(factor, code)? {
            Some(step) => self.store.spend_step(user, step).await?,
            None => self.store.spend_recovery_code(user, recovery_hash(code)).await?,
        };
        if !right {
            return Ok(Verdict::Wrong);
        }
        self.forgive_codes(user);
        Ok(Verdict::Right)
    }

    /// Every code counts as a wrong one until it proves right, or many at once would all be let through.
    fn count_code(&self, user: UserId) -> Result<(), u64> {
        let now = Instant::now();
        self.code_attempts.allowed(&user.to_string(), "", now)?;
        self.code_attempts.failed(&user.to_string(), "", now);
        Ok(())
    }

    fn forgive_codes(&self, user: UserId) {
        self.code_attempts.succeeded(&user.to_string(), "");
    }
}

/// The step of which this is a code: the present one, or one to either side of it, for clocks differ.
fn step_of(factor: &StoredFactor, code: &str) -> StoreResult<Option<u64>> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if code.len() != 6 {
        return Ok(None);
    }
    let totp = Builder::new().with_secret(factor.secret.clone());
    let totp = totp.build().map_err(|error| broken(&error))?;
    Ok(totp.check(&code, Timestamp::now().0.unsigned_abs() / 1_000))
}

fn totp(secret: Vec<u8>, account: &Account, issuer: &str) -> StoreResult<Totp> {
    // A colon separates the two names.
    let issuer = issuer.replace(':', " ");
    let totp = Builder::new()
        .with_secret(secret)
        .with_account_name(account.username.as_str())
        .with_issuer(Some(issuer));
    totp.build().map_err(|error| broken(&error))
}

fn recovery_codes() -> StoreResult<Vec<String>> {
    let mut random = [0; RECOVERY_CODES * RECOVERY_CHARS];
    randomise(&mut random)?;
    let code = |bytes: &[u8]| {
        let letters = bytes
            .iter()
            .map(|byte| char::from(RECOVERY_ALPHABET[usize::from(byte % 32)]));
        let letters: Vec<char> = letters.collect();
        let parts: Vec<String> = letters.chunks(4).map(|part| part.iter().collect()).collect();
        parts.join("-")
    };
    Ok(random.chunks(RECOVERY_CHARS).map(code).collect())
}

/// However it was typed.
fn recovery_hash(code: &str) -> String {
    let plain: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(RECOVERY_CHARS + 1)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    SecretHash::of(&plain).as_str().to_owned()
}

fn randomise(bytes: &mut [u8]) -> StoreResult<()> {
    getrandom::fill(bytes)
        .map_err(|error| StoreError::Unavailable(format!("no randomness for a second factor: {error}")))
}

fn broken(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("a second factor: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_told_apart_and_read_however_they_are_typed() {
        let codes = recovery_codes().unwrap();
        assert_eq!(codes.len(), 10);
        let hashes: std::collections::HashSet<_> = codes.iter().map(|code| recovery_hash(code)).collect();
        assert_eq!(hashes.len(), 10);
        assert_eq!(codes[0].len(), 14);
        let typed = format!(" {} ", codes[0].to_uppercase().replace('-', " "));
        assert_eq!(recovery_hash(&typed), recovery_hash(&codes[0]));
        assert_ne!(recovery_hash(&format!("{}x", codes[0])), recovery_hash(&codes[0]));
    }

    #[test]
    fn a_code_is_good_for_its_step_and_the_ones_beside_it() {
        let factor = StoredFactor {
            secret: b"12345678901234567890".to_vec(),
            confirmed: true,
        };
        let totp = Builder::new().with_secret(factor.secret.clone()).build().unwrap();
        let now = Timestamp::now().0.unsigned_abs() / 1_000;
        let code = totp.generate(now).to_string();
        let step = step_of(&factor, &code).unwrap().unwrap();
        assert!(step.abs_diff(now / 30) <= 1);
        assert_eq!(
            step_of(&factor, &format!("{} {}", &code[..3], &code[3..])).unwrap(),
            Some(step)
        );
        assert_eq!(
            step_of(&factor, &totp.generate(now - 300).to_string()).unwrap(),
            None
        );
        assert_eq!(step_of(&factor, "").unwrap(), None);
        // Of RFC 6238, appendix B, cut to six digits.
        assert_eq!(totp.generate(59).to_string(), "287082");
    }
}
