//! Signatures of the Pusher protocol: HMAC-SHA256 in lower-case hex, compared in constant time.

use chinwag_engine::{App, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

fn mac(secret: &Secret, parts: &[&str]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac
}

/// The signature of the parts joined.
pub fn sign(secret: &Secret, parts: &[&str]) -> String {
    hex::encode(mac(secret, parts).finalize().into_bytes())
}

/// Whether `signature` is the one of the parts joined. An app without a secret can sign nothing.
pub fn verify(secret: &Secret, parts: &[&str], signature: &str) -> bool {
    let mut bytes = [0; 32];
    let well_formed = !secret.as_bytes().is_empty() && hex::decode_to_slice(signature, &mut bytes).is_ok();
    well_formed && mac(secret, parts).verify_slice(&bytes).is_ok()
}

/// What a client presents to subscribe to a channel: `key:signature`. `channel_data` is signed byte for byte.
pub fn sign_channel(
    key: &str,
    secret: &Secret,
    socket_id: &str,
    channel: &str,
    channel_data: Option<&str>,
) -> String {
    let signature = match channel_data {
        Some(data) => sign(secret, &[socket_id, ":", channel, ":", data]),
        None => sign(secret, &[socket_id, ":", channel]),
    };
    format!("{key}:{signature}")
}

/// What a client presents to sign in: `key:signature`. `user_data` is signed byte for byte.
pub fn sign_user(key: &str, secret: &Secret, socket_id: &str, user_data: &str) -> String {
    format!("{key}:{}", sign(secret, &[socket_id, "::user::", user_data]))
}

/// Whether `auth` lets this socket sign in as whom `user_data` names, with one of this app's keys.
pub fn verify_user(app: &App, auth: &str, socket_id: &str, user_data: &str) -> bool {
    let Some((key, signature)) = auth.split_once(':') else {
        return false;
    };
    app.secret_of(key)
        .is_some_and(|secret| verify(secret, &[socket_id, "::user::", user_data], signature))
}

/// Whether `auth` lets this socket subscribe to the channel. The key must be one of this app's, and the
/// signature made with that key's own secret.
pub fn verify_channel(
    app: &App,
    auth: &str,
    socket_id: &str,
    channel: &str,
    channel_data: Option<&str>,
) -> bool {
    let Some((key, signature)) = auth.split_once(':') else {
        return false;
    };
    let Some(secret) = app.secret_of(key) else {
        return false;
    };
    match channel_data {
        Some(data) => verify(secret, &[socket_id, ":", channel, ":", data], signature),
        None => verify(secret, &[socket_id, ":", channel], signature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> std::sync::Arc<App> {
        crate::pusher::api::tests::app()
    }

    // What other implementations sign is in tests/vectors.rs.
    #[test]
    fn only_the_right_signature_passes() {
        let app = app();
        let (socket, channel) = ("1234.1234", "presence-foobar");
        let data = Some(r#"{"user_id":"10","user_info":{"name":"Ada"}}"#);
        let signature = "178352b825e988d6d68a57f28828f7c16587e8deb2b28fbeb4d827a97f36d134";
        let auth = |text: &str| verify_channel(&app, text, socket, channel, data);
        assert!(auth(&format!("chinwag-key:{signature}")));
        for bad in [
            String::new(),
            signature.to_owned(),
            format!(":{signature}"),
            format!("other-key:{signature}"),
            format!("chinwag-key:{}", &signature[1..]),
            format!("chinwag-key:{signature}00"),
            format!("chinwag-key:{}", "0".repeat(64)),
            "chinwag-key:".to_owned(),
            "chinwag-key".to_owned(),
        ] {
            assert!(!auth(&bad), "{bad}");
        }
        let good = format!("chinwag-key:{signature}");
        assert!(
            !verify_channel(&app, &good, "1234.1235", channel, data),
            "another socket"
        );
        assert!(
            !verify_channel(&app, &good, socket, "presence-foobaz", data),
            "another channel"
        );
        assert!(
            !verify_channel(&app, &good, socket, channel, None),
            "the data left out"
        );
        assert!(
            !verify_channel(&app, &good, socket, channel, Some(r#"{"user_id":"11"}"#)),
            "other data"
        );
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        let empty = Secret::new("");
        let signature = sign(&empty, &["1.1:private-x"]);
        assert!(!verify(&empty, &["1.1:private-x"], &signature));
    }
}
