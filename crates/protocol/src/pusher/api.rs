//! The HTTP API of Pusher: whether a request is signed by the app, and how refusals look. What requests want is in
//! [`publish`] and [`query`].

pub mod publish;
pub mod query;

use chinwag_engine::App;
use md5::{Digest, Md5};
use smallvec::SmallVec;

use super::auth;

/// A request as it came, before anything is believed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// The path as in the request line, not decoded, without the query.
    pub path: &'a str,
    /// The query, not decoded.
    pub query: &'a str,
    /// The exact body.
    pub body: &'a [u8],
}

/// A refusal: its status, and a body that every SDK surfaces as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl ApiError {
    /// A refusal.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// The body.
    pub fn body(&self) -> String {
        let message = serde_json::to_string(&self.message).expect("text always serialises");
        format!(
            r#"{{"error":{message},"code":"{}","status":{}}}"#,
            self.code, self.status
        )
    }
}

fn bad_request(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, message)
}

fn unauthorized(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(401, code, message)
}

/// Decodes `%XX` and nothing else: a plus stays a plus. What is not an escape stays as it is.
pub fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A parameter of the query, decoded; names do not depend on capitals.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (known, value) = pair.split_once('=').unwrap_or((pair, ""));
        let same = percent_decode(known).eq_ignore_ascii_case(name);
        same.then(|| percent_decode(value))
    })
}

/// Whether the request is signed with one of the app's keys, at about this time, over this very body.
///
/// `now_s` is Unix time; `prefix` is the path under which the API is served, which some SDKs leave out of what
/// they sign. Errors never tell what would have been right.
pub fn authenticate(app: &App, request: &Request<'_>, now_s: u64, prefix: &str) -> Result<(), ApiError> {
    let mut parameters: SmallVec<[(String, String); 8]> = SmallVec::new();
    for pair in request.query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decode(name).to_ascii_lowercase();
        let value = percent_decode(value);
        match parameters.iter_mut().find(|(known, _)| *known == name) {
            // PHP's way to write a list; signed joined with commas.
            Some((known, list)) if known.ends_with("[]") => {
                list.push(',');
                list.push_str(&value);
            }
            Some(_) => {
                return Err(bad_request(
                    "duplicate_parameter",
                    format!("Parameter {name} is given twice"),
                ));
            }
            None => parameters.push((name, value)),
        }
    }
    parameters.sort();
    let parameter = |name: &str| {
        parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let required = |name: &str| {
        parameter(name).ok_or_else(|| unauthorized("auth_missing", format!("Parameter {name} is missing")))
    };
    let (key, timestamp) = (required("auth_key")?, required("auth_timestamp")?);
    let (version, signature) = (required("auth_version")?, required("auth_signature")?);
    if version != "1.0" {
        return Err(unauthorized("auth_version", "Parameter auth_version must be 1.0"));
    }
    let secret = app
        .secret_of(key)
        .ok_or_else(|| unauthorized("auth_key", "Parameter auth_key is not a key of this app"))?;
    let timestamp: u64 = timestamp.parse().map_err(|_| {
        unauthorized(
            "auth_timestamp",
            "Parameter auth_timestamp must be a Unix time in seconds",
        )
    })?;
    let tolerance = app.options.timestamp_tolerance_s;
    if tolerance > 0 && now_s.abs_diff(timestamp) > tolerance {
        let text =
            format!("Timestamp is more than {tolerance} seconds off: the time of this server is {now_s}");
        return Err(unauthorized("auth_timestamp", text));
    }
    match parameter("body_md5") {
        Some(md5) if !md5.eq_ignore_ascii_case(&hex::encode(Md5::digest(request.body))) => {
            return Err(unauthorized(
                "body_md5",
                "Parameter body_md5 does not match the body",
            ));
        }
        None if !request.body.is_empty() => {
            return Err(unauthorized("body_md5", "Parameter body_md5 is missing"));
        }
        _ => {}
    }

    let mut query = String::with_capacity(request.query.len());
    for (name, value) in parameters.iter().filter(|(name, _)| name != "auth_signature") {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name.strip_suffix("[]").unwrap_or(name));
        query.push('=');
        query.push_str(value);
    }
    let stripped = request.path.strip_prefix(prefix).unwrap_or(request.path);
    let decoded = percent_decode(stripped);
    let candidates = [stripped, &decoded, request.path];
    let mut tried: SmallVec<[&str; 3]> = SmallVec::new();
    for path in candidates {
        if tried.contains(&path) {
            continue;
        }
        tried.push(path);
        if auth::verify(secret, &[request.method, "\n", path, "\n", &query], signature) {
            return Ok(());
        }
    }
    Err(unauthorized("auth_signature", "Authentication signature invalid"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use chinwag_engine::{AppOptions, Apps, KeyPair, Secret};

    use super::*;

    pub(crate) fn app() -> Arc<App> {
        let pair = KeyPair {
            key: "chinwag-key".to_owned(),
            secret: Secret::new("chinwag-secret"),
        };
        let second = KeyPair {
            key: "second-key".to_owned(),
            secret: Secret::new("second-secret"),
        };
        let added = Apps::default().add("100200", vec![pair, second], AppOptions::default(), Vec::new());
        added.expect("the first app is added")
    }

    const NOW: u64 = 1_700_000_000;
    const BASE: &str = "auth_key=chinwag-key&auth_timestamp=1700000000&auth_version=1.0";
    const H1_BODY: &str = r#"{"name":"my-event","channels":["my-channel"],"data":"{\"hello\":\"world\"}"}"#;
    const H1: &str = "body_md5=4a2297b34d32420d05955925447cdaf7&auth_signature=33c517020adfc18abcef84295e8041b058599ea2156910c44b024594c6c5ce5d";

    fn check(method: &str, path: &str, query: &str, body: &str, now: u64) -> Result<(), &'static str> {
        let request = Request {
            method,
            path,
            query,
            body: body.as_bytes(),
        };
        authenticate(&app(), &request, now, "/ws").map_err(|error| error.code)
    }

    // What other implementations sign is in tests/vectors.rs.
    #[test]
    fn only_the_right_signature_passes() {
        let path = "/apps/100200/events";
        let good = format!("{BASE}&{H1}");
        let tampered = H1_BODY.replace("world", "World");
        for (query, body, now, code) in [
            (good.clone(), tampered.as_str(), NOW, "body_md5"),
            (
                good.replace("&body_md5=4a2297b34d32420d05955925447cdaf7", ""),
                H1_BODY,
                NOW,
                "body_md5",
            ),
            (good.replace("33c5", "33c6"), H1_BODY, NOW, "auth_signature"),
            (
                good.replace("chinwag-key", "second-key"),
                H1_BODY,
                NOW,
                "auth_signature",
            ),
            (good.replace("chinwag-key", "no-key"), H1_BODY, NOW, "auth_key"),
            (
                good.replace("auth_version=1.0", "auth_version=2.0"),
                H1_BODY,
                NOW,
                "auth_version",
            ),
            (
                good.replace("auth_timestamp=1700000000", "auth_timestamp=now"),
                H1_BODY,
                NOW,
                "auth_timestamp",
            ),
            (
                good.replace("auth_timestamp=1700000000", "auth_timestamp=1700000001"),
                H1_BODY,
                NOW,
                "auth_signature",
            ),
            (
                good.replace("auth_key=chinwag-key&", ""),
                H1_BODY,
                NOW,
                "auth_missing",
            ),
            (good.clone(), H1_BODY, NOW + 601, "auth_timestamp"),
            (good.clone(), H1_BODY, NOW - 601, "auth_timestamp"),
            (
                format!("{good}&auth_key=chinwag-key"),
                H1_BODY,
                NOW,
                "duplicate_parameter",
            ),
            (format!("{good}&extra=1"), H1_BODY, NOW, "auth_signature"),
            (String::new(), H1_BODY, NOW, "auth_missing"),
        ] {
            assert_eq!(
                check("POST", path, &query, body, now),
                Err(code),
                "{query} at {now}"
            );
        }
        assert_eq!(check("POST", path, &good, H1_BODY, NOW + 599), Ok(()));
        assert_eq!(
            check("GET", path, &good, H1_BODY, NOW),
            Err("auth_signature"),
            "another method"
        );
        assert_eq!(
            check("POST", "/apps/100201/events", &good, H1_BODY, NOW),
            Err("auth_signature"),
            "another path"
        );
    }
}
