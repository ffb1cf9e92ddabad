//! Who sends a push (RFC 8292): a key of this server, by which push services know it again.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// How long a signature holds; services accept a day at most.
const LIFE_S: i64 = 12 * 60 * 60;

/// The key pair of this server. It does not print.
pub struct Vapid {
    key: EncodingKey,
    public: String,
    /// Whom a push service may ask when something is wrong: an address with `mailto:` or `https:`.
    contact: String,
}

/// The key does not fit, or could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key for pushes is not usable")]
pub struct VapidError;

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    sub: &'a str,
}

impl Vapid {
    /// A new secret key, to be kept for good: browsers subscribe to its owner only. Its bytes are PKCS #8.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Vec<u8>, VapidError> {
        let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(secret.map_err(|_| VapidError)?.as_ref().to_vec())
    }

    /// Takes up a secret key.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(secret: &[u8], contact: String) -> Result<Self, VapidError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret);
        let pair = pair.map_err(|_| VapidError)?;
        Ok(Self {
            key: EncodingKey::from_ec_der(secret),
            public: BASE64.encode(pair.public_key().as_ref()),
            contact,
        })
    }

    /// What browsers subscribe with: the public key, not compressed, in base64 for URLs.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    /// The value of `Authorization` for a push service, which is named by its origin.
    pub(crate) fn authorization(&self, origin: &str, now_s: i64) -> Result<String, VapidError> {
        let claims = Claims {
            aud: origin,
            exp: now_s + LIFE_S,
            sub: &self.contact,
        };
        let header = Header::new(Algorithm::ES256);
        let token = jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| VapidError)?;
        Ok(format!("vapid t={token}, k={}", self.public))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    #[test]
    fn the_signature_is_the_servers_and_holds_for_one_service() {
        let vapid = Vapid::new(&Vapid::generate().unwrap(), "mailto:ops@example.org".to_owned()).unwrap();
        let now_s = jiff::Timestamp::now().as_second();
        let value = vapid.authorization("https://push.example.org", now_s).unwrap();
        let (token, key) = value
            .strip_prefix("vapid t=")
            .and_then(|rest| rest.split_once(", k="))
            .unwrap();
        assert_eq!(key, vapid.public());
        let point = BASE64.decode(key).unwrap();
        assert_eq!((point.len(), point[0]), (65, 4));
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        let verifying = DecodingKey::from_ec_components(&x, &y).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&["https://push.example.org"]);
        let claims = jsonwebtoken::decode::<Value>(token, &verifying, &rules)
            .unwrap()
            .claims;
        assert_eq!(claims["sub"], "mailto:ops@example.org");
        assert_eq!(claims["exp"], now_s + LIFE_S);
        rules.set_audience(&["https://other.example.org"]);
        assert!(jsonwebtoken::decode::<Value>(token, &verifying, &rules).is_err());
    }

    #[test]
    fn a_damaged_key_is_refused() {
        let mut secret = Vapid::generate().unwrap();
        secret.truncate(40);
        assert!(Vapid::new(&secret, String::new()).is_err());
    }
}
