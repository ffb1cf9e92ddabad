//! Whatever is asked of the HTTP API: nothing passes that is not signed, and all that is signed passes.
//!
//! An input is a line with method and path, a line with the query, and the body.

use std::sync::{Arc, LazyLock};

use chinwag_engine::{App, AppOptions, Apps, KeyPair, Secret};
use chinwag_protocol::pusher::api::{Request, authenticate};
use chinwag_protocol::pusher::auth;
use md5::{Digest, Md5};

const NOW: u64 = 1_700_000_000;
const PREFIX: &str = "/ws";

static APP: LazyLock<Arc<App>> = LazyLock::new(|| {
    let pair = |name: &str| KeyPair {
        key: format!("{name}-key"),
        secret: Secret::new(&format!("{name}-secret")),
    };
    let keys = vec![pair("chinwag"), pair("second")];
    let added = Apps::default().add("100200", keys, AppOptions::default(), Vec::new());
    added.expect("the first app is added")
});

fn passes(request: &Request<'_>, now: u64) -> bool {
    match authenticate(&APP, request, now, PREFIX) {
        Ok(()) => true,
        Err(error) => {
            assert!([400, 401].contains(&error.status), "{error:?}");
            let body: serde_json::Value = serde_json::from_str(&error.body()).expect("a refusal is JSON");
            assert_eq!(body["status"], error.status);
            assert!(!error.message.contains("secret"), "{error:?}");
            false
        }
    }
}

/// Asks once.
pub(crate) fn check(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default()).ok();
    let (Some(head), Some(query)) = (text(), text()) else {
        return;
    };
    let body = parts.next().unwrap_or_default();
    let (method, path) = head.split_once(' ').unwrap_or(("POST", head));
    let request = Request {
        method,
        path,
        query,
        body,
    };
    if passes(&request, NOW) {
        nothing_else_passes(&request);
    }
    signed(&request);
}

/// One thing changed, and the same signature is worth nothing.
fn nothing_else_passes(good: &Request<'_>) {
    let method = format!("{}X", good.method);
    let path = format!("{}x", good.path);
    let query = format!("{}&zzz=1", good.query);
    let body = [good.body, b"x"].concat();
    let changed = [
        Request {
            method: &method,
            ..*good
        },
        Request { path: &path, ..*good },
        Request {
            query: &query,
            ..*good
        },
        Request { body: &body, ..*good },
    ];
    for request in changed {
        assert!(!passes(&request, NOW), "{request:?}");
    }
    assert!(!passes(good, NOW + 1_300), "too late: {good:?}");
}

/// Whatever the parameters are: signed by an SDK, it passes.
fn signed(request: &Request<'_>) {
    let md5 = hex::encode(Md5::digest(request.body));
    let mut parameters = vec![
        ("auth_key".to_owned(), "second-key"),
        ("auth_timestamp".to_owned(), "1700000100"),
        ("auth_version".to_owned(), "1.0"),
        ("body_md5".to_owned(), md5.as_str()),
    ];
    for pair in request.query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = name.to_ascii_lowercase();
        // Lists in PHP's way are signed in another form; the vectors have one.
        if name.ends_with("[]")
            || name == "auth_signature"
            || parameters.iter().any(|(known, _)| *known == name)
        {
            continue;
        }
        parameters.push((name, value));
    }
    parameters.sort();
    let join = |encode: fn(&str) -> String| {
        let pairs: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        pairs.join("&")
    };
    let plain = join(str::to_owned);
    let path = request.path.strip_prefix(PREFIX).unwrap_or(request.path);
    let secret = Secret::new("second-secret");
    let signature = auth::sign(&secret, &[request.method, "\n", path, "\n", &plain]);
    let query = format!("{}&auth_signature={signature}", join(percent_encode));
    let signed = Request {
        query: &query,
        ..*request
    };
    assert!(passes(&signed, NOW), "{signed:?}");
}

fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
