//! Passwords: which are good enough, and hashing them without stopping everything else.

use crate::{RegisterError, store::StoreError};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Longer passwords only cost time.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// Salt of the hash that is computed and thrown away for a name that does not exist.
const NOBODYS_SALT: &[u8; 16] = b"nobody's account";

/// The most used passwords of 8 characters and more; shorter ones are refused for their length.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "00000000", "0123456789", "0987654321", "11111111", "111111111", "1111111111", "11223344",
    "112233445566", "12121212", "123123123", "12341234", "1234512345", "12345678", "123456789",
    "1234567890", "12345678910", "123456789a", "12345678a", "12345qwert", "1234abcd", "1234qwer",
    "123qwe123", "147258369", "1q2w3e4r", "1q2w3e4r5t", "1qaz2wsx", "22222222", "55555555", "66666666",
    "77777777", "87654321", "88888888", "987654321", "9876543210", "99999999", "a1234567", "a12345678",
    "a123456789", "aa123456", "aa12345678", "abc12345", "abcd1234", "abcdefgh", "access14",
    "administrator", "admin123", "admin1234", "alexander", "asdasdasd", "asdf1234", "asdfasdf",
    "asdfghjk", "asdfghjkl", "barcelona", "baseball", "basketball", "benjamin", "blink182", "changeme",
    "charlie1", "chocolate", "christian", "computer", "corvette", "cricket1", "danielle", "diamond1",
    "dragon123", "elephant", "estrella", "facebook", "football", "football1", "freedom1", "garfield",
    "google123", "hello123", "helloworld", "iloveyou", "iloveyou1", "iloveyou2", "internet", "jennifer",
    "jessica1", "jonathan", "jordan23", "letmein1", "letmein123", "liverpool", "liverpool1", "lovelove",
    "loveyou1", "manchester", "maverick", "mercedes", "michael1", "michelle", "midnight", "minecraft",
    "monkey123", "mustang1", "myspace1", "nicholas", "p@ssw0rd", "p@ssword", "pa$$word", "pass1234",
    "passw0rd", "password", "password!", "password1", "password1!", "password12", "password123",
    "password1234", "patricia", "pokemon1", "princess", "princess1", "q1w2e3r4", "q1w2e3r4t5",
    "qazwsxedc", "qwer1234", "qwerasdf", "qwerty12", "qwerty123", "qwerty1234", "qwertyui", "qwertyuiop",
    "rockyou1", "samantha", "scorpion", "secret123", "shadow123", "something", "spiderman", "starwars",
    "startrek", "steelers", "summer123", "sunshine", "sunshine1", "superman", "superman1", "test1234",
    "testtest", "trustno1", "victoria", "welcome1", "welcome123", "whatever", "william1", "xxxxxxxx",
    "yankees1", "zaq12wsx", "zxcvbnm1", "zxcvbnm123", "йцукенгш", "пароль123",
];

/// Whether this may become somebody's password.
pub(crate) fn check(password: &str, chars_min: usize) -> Result<(), RegisterError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(RegisterError::PasswordTooLong);
    }
    if password.chars().count() < chars_min {
        return Err(RegisterError::PasswordTooShort);
    }
    let lower = password.to_lowercase();
    if COMMON.contains(&lower.as_str()) {
        return Err(RegisterError::PasswordCommon);
    }
    Ok(())
}

/// Hashes on threads that may block, only so many at once: each needs 19 MiB and some 20 ms of a core, which
/// anybody can ask for.
pub(crate) struct PasswordHasher {
    turns: Arc<Semaphore>,
}

impl PasswordHasher {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: Arc::new(Semaphore::new(cores.min(4))),
        }
    }

    /// The text to store for this password.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, StoreError> {
        let password = password.to_owned();
        self.blocking(
            || true,
            move || {
                let hash = argon2().hash_password(password.as_bytes());
                hash.map(|hash| hash.to_string()).map_err(|error| broken(&error))
            },
        )
        .await?
        .unwrap_or_else(|| Err(StoreError::Broken("the hash was not wanted".into())))
    }

    /// Whether the password fits the stored text; without one, as much work for nothing. Asks `still_wanted`
    /// when its turn has come, and answers `None` when it is not.
    pub(crate) async fn verify(
        &self,
        password: &str,
        stored: Option<String>,
        still_wanted: impl FnOnce() -> bool,
    ) -> Result<Option<bool>, StoreError> {
        // A password that could not have been set is still worth a hash, but not a long one.
        let too_long = password.len() > PASSWORD_BYTES_MAX;
        let password = if too_long {
            String::new()
        } else {
            password.to_owned()
        };
        self.blocking(still_wanted, move || {
            let Some(stored) = stored.filter(|_| !too_long) else {
                let mut thrown_away = [0u8; 32];
                let hashed = argon2().hash_password_into(password.as_bytes(), NOBODYS_SALT, &mut thrown_away);
                std::hint::black_box(&thrown_away);
                return hashed.map(|()| false).map_err(|error| broken(&error));
            };
            let stored = PasswordHash::new(&stored).map_err(|error| broken(&error))?;
            Ok(argon2().verify_password(password.as_bytes(), &stored).is_ok())
        })
        .await?
        .transpose()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        still_wanted: impl FnOnce() -> bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|error| broken(&error))?;
        if !still_wanted() {
            return Ok(None);
        }
        // The turn goes along, for the thread works on even when the one who asked has gone.
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map(Some).map_err(|error| broken(&error))
    }
}

/// Argon2id with 19 MiB, two passes, one lane: the crate's defaults, which are the usual minimum advised.
fn argon2() -> Argon2<'static> {
    Argon2::default()
}

fn broken(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("hashing a password: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused() {
        let verdict = |password: &str| match check(password, 8) {
            Ok(()) => "fine",
            Err(RegisterError::PasswordTooShort) => "short",
            Err(RegisterError::PasswordTooLong) => "long",
            Err(RegisterError::PasswordCommon) => "common",
            Err(_) => "other",
        };
        let table = [
            ("", "short"),
            ("sevench", "short"),
            ("пароли7", "short"),
            ("password", "common"),
            ("PassWord1", "common"),
            ("plum-kettle-9", "fine"),
            ("длинный пароль", "fine"),
        ];
        for (password, expected) in table {
            assert_eq!(verdict(password), expected, "{password}");
        }
        assert_eq!(verdict(&"x".repeat(1_024)), "fine");
        assert_eq!(verdict(&"x".repeat(1_025)), "long");
    }

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let hasher = PasswordHasher::new();
        let stored = hasher.hash("plum-kettle-9").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let verify =
            |password: &'static str, stored: Option<String>| hasher.verify(password, stored, || true);
        assert_eq!(
            verify("plum-kettle-9", Some(stored.clone())).await.unwrap(),
            Some(true)
        );
        assert_eq!(
            verify("plum-kettle-8", Some(stored.clone())).await.unwrap(),
            Some(false)
        );
        assert_eq!(verify("plum-kettle-9", None).await.unwrap(), Some(false));
        assert_eq!(
            hasher
                .verify("plum-kettle-9", Some(stored), || false)
                .await
                .unwrap(),
            None
        );
    }
}
