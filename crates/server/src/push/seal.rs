//! Encryption of pushes (RFC 8291): nobody but the browser that gave its key reads them. The scheme is `ece`'s, and
//! what it is made of is AWS-LC's, which is in this process for TLS anyway.

use std::any::Any;
use std::sync::Once;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use ece::crypto::EcKeyComponents;
use ece::{Cryptographer, Error, LocalKeyPair, RemotePublicKey};

/// Length of a point of the curve, not compressed.
pub(crate) const POINT_BYTES: usize = 65;
/// Length of what authenticates the sender to the browser.
pub(crate) const AUTH_BYTES: usize = 16;

/// Encrypts for the browser with this key and secret. `None`: the key is none, or there is no randomness.
pub(crate) fn seal(p256dh: &[u8], auth: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    prepare();
    ece::encrypt(p256dh, auth, plain).ok()
}

/// Whether these are the key and the secret of a browser.
pub(crate) fn fits(p256dh: &[u8], auth: &[u8]) -> bool {
    auth.len() == AUTH_BYTES && p256dh.len() == POINT_BYTES && seal(p256dh, auth, b"?").is_some()
}

fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only when it was set before, and nobody else does.
        let _ = ece::crypto::set_cryptographer(&AwsLc);
    });
}

struct AwsLc;

struct Local {
    private: PrivateKey,
    public: Vec<u8>,
}

impl Local {
    fn new(private: PrivateKey) -> Result<Self, Error> {
        let public = private.compute_public_key().map_err(|_| Error::CryptoError)?;
        let public = public.as_ref().to_vec();
        Ok(Self { private, public })
    }
}

impl LocalKeyPair for Local {
    fn pub_as_raw(&self) -> Result<Vec<u8>, Error> {
        Ok(self.public.clone())
    }

    fn raw_components(&self) -> Result<EcKeyComponents, Error> {
        let private: Result<EcPrivateKeyBin<'_>, _> = self.private.as_be_bytes();
        let private = private.map_err(|_| Error::CryptoError)?;
        Ok(EcKeyComponents::new(
            private.as_ref().to_vec(),
            self.public.clone(),
        ))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Remote(Vec<u8>);

impl RemotePublicKey for Remote {
    fn as_raw(&self) -> Result<Vec<u8>, Error> {
        Ok(self.0.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// As many bytes as are asked for.
#[derive(Clone, Copy)]
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn key(key: &[u8]) -> Result<LessSafeKey, Error> {
    let key = UnboundKey::new(&AES_128_GCM, key).map_err(|_| Error::CryptoError)?;
    Ok(LessSafeKey::new(key))
}

fn nonce(iv: &[u8]) -> Result<Nonce, Error> {
    Nonce::try_assume_unique_for_key(iv).map_err(|_| Error::CryptoError)
}

impl Cryptographer for AwsLc {
    fn generate_ephemeral_keypair(&self) -> Result<Box<dyn LocalKeyPair>, Error> {
        let private = PrivateKey::generate(&ECDH_P256).map_err(|_| Error::CryptoError)?;
        Ok(Box::new(Local::new(private)?))
    }

    fn import_key_pair(&self, components: &EcKeyComponents) -> Result<Box<dyn LocalKeyPair>, Error> {
        let private = PrivateKey::from_private_key(&ECDH_P256, components.private_key());
        Ok(Box::new(Local::new(private.map_err(|_| Error::CryptoError)?)?))
    }

    fn import_public_key(&self, raw: &[u8]) -> Result<Box<dyn RemotePublicKey>, Error> {
        // Whether it is on the curve shows when it is used.
        Ok(Box::new(Remote(raw.to_vec())))
    }

    fn compute_ecdh_secret(
        &self,
        remote: &dyn RemotePublicKey,
        local: &dyn LocalKeyPair,
    ) -> Result<Vec<u8>, Error> {
        let local = local.as_any().downcast_ref::<Local>().ok_or(Error::CryptoError)?;
        let remote = UnparsedPublicKey::new(&ECDH_P256, remote.as_raw()?);
        agreement::agree(&local.private, remote, Error::CryptoError, |secret| {
            Ok(secret.to_vec())
        })
    }

    fn hkdf_sha256(&self, salt: &[u8], secret: &[u8], info: &[u8], len: usize) -> Result<Vec<u8>, Error> {
        let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
        let info = [info];
        let expanded = extracted.expand(&info, Length(len));
        let mut bytes = vec![0; len];
        expanded
            .and_then(|expanded| expanded.fill(&mut bytes))
            .map_err(|_| Error::CryptoError)?;
        Ok(bytes)
    }

    fn aes_gcm_128_encrypt(&self, with: &[u8], iv: &[u8], data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut bytes = data.to_vec();
        key(with)?
            .seal_in_place_append_tag(nonce(iv)?, Aad::empty(), &mut bytes)
            .map_err(|_| Error::CryptoError)?;
        Ok(bytes)
    }

    fn aes_gcm_128_decrypt(&self, with: &[u8], iv: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let mut bytes = sealed.to_vec();
        let plain = key(with)?
            .open_in_place(nonce(iv)?, Aad::empty(), &mut bytes)
            .map_err(|_| Error::CryptoError)?;
        Ok(plain.to_vec())
    }

    fn random_bytes(&self, dest: &mut [u8]) -> Result<(), Error> {
        rand::fill(dest).map_err(|_| Error::CryptoError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    fn bytes(text: &str) -> Vec<u8> {
        BASE64.decode(text).unwrap()
    }

    /// RFC 8291, appendix A.
    const RECEIVER_PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
    const RECEIVER_PUBLIC: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    const SEALED: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
    const PLAIN: &[u8] = b"When I grow up, I want to be a watermelon";

    #[test]
    fn what_the_standard_sealed_is_opened() {
        prepare();
        let components = EcKeyComponents::new(bytes(RECEIVER_PRIVATE), bytes(RECEIVER_PUBLIC));
        let opened = ece::decrypt(&components, &bytes(AUTH), &bytes(SEALED)).unwrap();
        assert_eq!(opened, PLAIN);
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_receiver_only() {
        let (public, auth) = (bytes(RECEIVER_PUBLIC), bytes(AUTH));
        let sealed = seal(&public, &auth, PLAIN).unwrap();
        assert_ne!(
            sealed,
            seal(&public, &auth, PLAIN).unwrap(),
            "never twice the same"
        );
        let components = EcKeyComponents::new(bytes(RECEIVER_PRIVATE), public);
        assert_eq!(ece::decrypt(&components, &auth, &sealed).unwrap(), PLAIN);
        assert!(ece::decrypt(&components, &[0; AUTH_BYTES], &sealed).is_err());
        let mut broken = sealed;
        *broken.last_mut().unwrap() ^= 1;
        assert!(ece::decrypt(&components, &auth, &broken).is_err());
    }

    #[test]
    fn keys_that_are_none_do_not_fit() {
        let (public, auth) = (bytes(RECEIVER_PUBLIC), bytes(AUTH));
        assert!(fits(&public, &auth));
        assert!(!fits(&public, &auth[1..]));
        assert!(!fits(&public[1..], &auth));
        let mut elsewhere = public;
        elsewhere[64] ^= 1;
        assert!(!fits(&elsewhere, &auth), "not on the curve");
        assert!(!fits(&[4; POINT_BYTES], &auth));
    }
}
