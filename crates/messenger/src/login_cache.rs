//! Tokens that were proven a moment ago, so that most requests need not ask the store.

use crate::{LoginId, UserId, token::SecretHash};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// How long a proof is believed: a login ended by another process works on for so long.
const LIFE: Duration = Duration::from_secs(30);

/// Proofs kept at most; when they are all fresh, everything is forgotten and asked anew.
const ENTRIES_MAX: usize = 50_000;

/// Recent proofs by login.
#[derive(Default)]
pub(crate) struct LoginCache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    proven: HashMap<LoginId, Proven>,
    /// Raised by every end of a login. A proof read from the store before that is not remembered.
    endings: u64,
}

struct Proven {
    user: UserId,
    secret_hash: String,
    until: Instant,
}

impl LoginCache {
    /// Whose token it is, if that was proven lately.
    pub(crate) fn find(&self, login: LoginId, secret: &SecretHash, now: Instant) -> Option<UserId> {
        let inner = self.inner.lock();
        let proven = inner.proven.get(&login)?;
        (now < proven.until && secret.matches(&proven.secret_hash)).then_some(proven.user)
    }

    /// To be given to [`LoginCache::remember`]; taken before the store is asked.
    pub(crate) fn endings(&self) -> u64 {
        self.inner.lock().endings
    }

    pub(crate) fn remember(&self, endings: u64, login: LoginId, user: UserId, hash: String, now: Instant) {
        let mut inner = self.inner.lock();
        if inner.endings != endings {
            return;
        }
        if inner.proven.len() >= ENTRIES_MAX {
            inner.proven.retain(|_, proven| now < proven.until);
            if inner.proven.len() >= ENTRIES_MAX {
                inner.proven.clear();
            }
        }
        inner.proven.insert(
            login,
            Proven {
                user,
                secret_hash: hash,
                until: now + LIFE,
            },
        );
    }

    pub(crate) fn forget(&self, logins: &[LoginId]) {
        let mut inner = self.inner.lock();
        inner.endings += 1;
        for login in logins {
            inner.proven.remove(login);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Secret;

    #[test]
    fn a_proof_is_believed_for_a_while_and_not_after_the_end_of_the_login() {
        let cache = LoginCache::default();
        let secret = Secret::generate().unwrap().hash();
        let other = Secret::generate().unwrap().hash();
        let (login, user, now) = (LoginId(1), UserId(7), Instant::now());
        let keep = |endings| cache.remember(endings, login, user, secret.as_str().to_owned(), now);

        keep(cache.endings());
        assert_eq!(cache.find(login, &secret, now), Some(user));
        assert_eq!(cache.find(login, &other, now), None);
        assert_eq!(cache.find(login, &secret, now + LIFE), None);

        let before = cache.endings();
        cache.forget(&[login]);
        assert_eq!(cache.find(login, &secret, now), None);
        keep(before);
        assert_eq!(
            cache.find(login, &secret, now),
            None,
            "read before the login ended"
        );
    }
}
