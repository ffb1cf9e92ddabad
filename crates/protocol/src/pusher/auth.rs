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

    /// Socket, channel, channel data and the signature that any other implementation makes of them.
    const VECTORS: &[(&str, &str, Option<&str>, &str)] = &[
        (
            "1234.1234",
            "private-foobar",
            None,
            "a7ff9f52fb4d9d46e9c05d2dce0ca25e7a44da6130d93272ba851c67b9ddc69d",
        ),
        (
            "123456789.987654321",
            "private-chat.42",
            None,
            "fc20e7f7f3be0a9684757a821802ba16a302fea8048cd943f1682accf2cb0233",
        ),
        (
            "1.1",
            "private-room=1@a,b;c.d_e-F",
            None,
            "aaed0f5e9cc61ca5da2913cb2ab65cd35977950096c1e7074aa5eb093f90dc29",
        ),
        (
            "700.800",
            "private-cache-orders",
            None,
            "26f193175a1767fc3e730409a484d7faac27e7ff96aed2e71541318b401e50e0",
        ),
        (
            "42.42",
            "private-foobar",
            Some(r#"{"user_id":"42.42","user_info":{"name":"Integration 42.42"}}"#),
            "dedbe187dff09b07e940c67a853abfdca08ae0a344e64d194a4a8e48d550f93f",
        ),
        (
            "1234.1234",
            "presence-foobar",
            Some(r#"{"user_id":"10","user_info":{"name":"Ada"}}"#),
            "178352b825e988d6d68a57f28828f7c16587e8deb2b28fbeb4d827a97f36d134",
        ),
        (
            "1234.1234",
            "presence-foobar",
            Some(r#"{"user_id":10,"user_info":{"name":"Ada"}}"#),
            "d0ab88c965f0bc0f040b2fa17a8ce22255adcfe496d3624ce7fd086a6d8eecfa",
        ),
        (
            "5.6",
            "presence-chat.1",
            Some(r#"{"user_id":"7","user_info":{"name":"Zoë","url":"https://ex.org/"}}"#),
            "7be8aee7f5f253c3bccb12d99cf21b5717f89718e36281b678150ebcdc9f3185",
        ),
        (
            "5.6",
            "presence-chat.1",
            Some(r#"{"user_id":"7","user_info":{"name":"Zo\u00eb","url":"https:\/\/ex.org\/"}}"#),
            "d21358182e4394d79c897d019ba2e9ed5f6ab38c501f14c662af8e9eb2c1bd69",
        ),
        (
            "9.9",
            "presence-cache-lobby",
            Some(r#"{"user_id":"u-1"}"#),
            "027734d8090b60a0085224c6e410891f63779b3b39606c5ba01e922a5d00b339",
        ),
        (
            "9.9",
            "presence-lobby",
            None,
            "27948bbbda609a815e15efbf7a8b56cc99322e0d9c8837d5cfa72eb5f30696a7",
        ),
        (
            "700.800",
            "private-encrypted-vault",
            None,
            "5b737113c7fcac79b41ad98047e3635d21158dedada9ed1cd7bc2e8a9cb24d62",
        ),
        (
            "700.800",
            "private-encrypted-chat.1",
            None,
            "6516e8aea0fdf3ef1ff49b8f37e9de718d2d06702d017466784c684f0a5ec4e8",
        ),
        (
            "700.800",
            "private-encrypted-cache-orders",
            None,
            "b388f713372902548ec53d6fb89044bde3f69731b895c540831fec370ed8fc5e",
        ),
    ];

    fn app() -> std::sync::Arc<App> {
        crate::pusher::api::tests::app()
    }

    #[test]
    fn signatures_agree_with_other_implementations() {
        let app = app();
        let secret = &app.keys[0].secret;
        for (socket, channel, data, signature) in VECTORS {
            let auth = format!("chinwag-key:{signature}");
            assert_eq!(sign_channel("chinwag-key", secret, socket, channel, *data), auth);
            assert!(verify_channel(&app, &auth, socket, channel, *data), "{channel}");
        }
    }

    #[test]
    fn sign_in_signatures_agree_with_other_implementations() {
        let app = app();
        for (socket, data, signature) in [
            (
                "1234.1234",
                r#"{"id":"12345"}"#,
                "e051c9ad1dbe7fbd7d2fc9d5557d1b1626f9a236636ebb3d4f77dcbb3576368a",
            ),
            (
                "1234.1234",
                r#"{"id":"u-1","user_info":{"name":"Ada"},"watchlist":["u-2","u-3"]}"#,
                "8f118d32fc134d919b79f4765e758a81c2fae31b7c977a46bd02da17be07a3f7",
            ),
            (
                "88.99",
                r#"{"id":"u_9","user_info":{"name":"Zoë"}}"#,
                "0f563d7213dabf03230dbe9cd8fe747045e714208e4c1b08952e735ec9ccba53",
            ),
            (
                "88.99",
                r#"{"id":"u_9","user_info":{"name":"Zo\u00eb"}}"#,
                "8f870e367154025cef876d44fe29dfe4872f52059628ffb5abc74d2302bb9ffc",
            ),
        ] {
            let auth = format!("chinwag-key:{signature}");
            let secret = &app.keys[0].secret;
            assert_eq!(sign_user("chinwag-key", secret, socket, data), auth);
            assert!(verify_user(&app, &auth, socket, data), "{data}");
            assert!(!verify_user(&app, &auth, "1.1", data), "another socket");
            assert!(!verify_user(&app, signature, socket, data), "no key");
            assert!(
                !verify_user(&app, &auth.replace("chinwag-key", "second-key"), socket, data),
                "another key"
            );
        }
    }

    #[test]
    fn nothing_else_passes() {
        let app = app();
        let (socket, channel, data, signature) = VECTORS[5];
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
