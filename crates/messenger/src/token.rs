//! Tokens: the secret of a login, how it is made, read and compared.

use crate::LoginId;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const RANDOM_CHARS: usize = 40;

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

    /// The token of login `id` with this secret.
    pub(crate) fn of(id: LoginId, secret: &Secret) -> Self {
        Self(format!("{id}|{}", secret.0))
    }

    /// The login it speaks of, and the hash of its secret; `None` when it has not the shape of a token. The
    /// checksum in it is for scanners that look for leaked tokens; it proves nothing and is not checked.
    pub(crate) fn read(&self) -> Option<(LoginId, SecretHash)> {
        let (id, secret) = self.0.split_once('|')?;
        let well_formed = secret.len() == RANDOM_CHARS + 8
            && secret.bytes().all(|b| b.is_ascii_alphanumeric())
            && (1..=16).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_digit());
        if !well_formed {
            return None;
        }
        Some((LoginId(id.parse().ok()?), SecretHash::of(secret)))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The part of a token after the bar, before the id of the login is known.
pub(crate) struct Secret(String);

impl Secret {
    /// A fresh one. Fails only when the system has no randomness to give.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut text = String::with_capacity(RANDOM_CHARS + 8);
        while text.len() < RANDOM_CHARS {
            let mut bytes = [0u8; 64];
            getrandom::fill(&mut bytes)?;
            // Bytes past the last whole multiple of 62 would favour the first letters, so they are passed over.
            let fair = bytes
                .iter()
                .filter(|&&b| b < 248)
                .map(|&b| char::from(ALPHABET[usize::from(b % 62)]));
            text.extend(fair.take(RANDOM_CHARS - text.len()));
        }
        let checksum = crc32(text.as_bytes());
        text.push_str(&format!("{checksum:08x}"));
        Ok(Self(text))
    }

    /// What somebody presented; `None` when it has not the shape of a secret.
    pub(crate) fn given(text: &str) -> Option<Self> {
        let well_formed = text.len() == RANDOM_CHARS + 8 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The text to hand out, once.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

/// What the store keeps of a secret: its SHA-256 in hex. Comparing takes the same time for every pair.
#[derive(Clone)]
pub(crate) struct SecretHash(String);

impl SecretHash {
    pub(crate) fn of(secret: &str) -> Self {
        Self(hex::encode(Sha256::digest(secret.as_bytes())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn matches(&self, stored: &str) -> bool {
        self.0.as_bytes().ct_eq(stored.as_bytes()).into()
    }
}

/// CRC-32 as in zip and Ethernet, bit by bit: tokens are short and made seldom.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_token_reads_back_as_its_login_and_hash() {
        let secret = Secret::generate().unwrap();
        let token = Token::of(LoginId(17), &secret);
        assert_eq!(token.reveal().len(), 3 + 40 + 8);
        let (id, hash) = token.read().unwrap();
        assert_eq!(id, LoginId(17));
        assert!(hash.matches(secret.hash().as_str()));
        assert!(!hash.matches(Secret::generate().unwrap().hash().as_str()));
        assert!(!hash.matches(""));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn what_has_not_the_shape_of_a_token_proves_nothing() {
        let secret = "a".repeat(48);
        let faulty = [
            "",
            "|",
            &secret,
            &format!("|{secret}"),
            &format!("x|{secret}"),
            &format!("-1|{secret}"),
        ];
        for text in faulty {
            assert!(Token::new(text).read().is_none(), "{text:?}");
        }
        assert!(Token::new(format!("1|{secret}a")).read().is_none());
        assert!(
            Token::new(format!("99999999999999999999|{secret}"))
                .read()
                .is_none()
        );
        assert!(Token::new(format!("1|{secret}")).read().is_some());
    }
}
