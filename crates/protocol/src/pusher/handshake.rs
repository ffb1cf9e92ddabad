//! The handshake: how a client came, and whether it may stay.

use std::sync::Arc;

use chinwag_engine::App;

use super::error;
use crate::Close;

/// How a client came, beyond its key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handshake<'a> {
    /// The query of the address it opened.
    pub query: &'a str,
    /// Its `Origin` header.
    pub origin: Option<&'a str>,
    /// The app has all the connections it may have.
    pub over_quota: bool,
    /// The node has all the connections it may have.
    pub node_full: bool,
}

/// The checks of the handshake, in the order that decides which of several faults is told.
pub(super) fn admit(app: Option<Arc<App>>, handshake: &Handshake<'_>) -> Result<Arc<App>, Close> {
    let app = app.ok_or(error::UNKNOWN_APP)?;
    if !app.options.enabled {
        return Err(error::APP_DISABLED);
    }
    let protocol = handshake
        .query
        .split('&')
        .find_map(|pair| pair.strip_prefix("protocol="));
    if protocol.is_some_and(|version| !["5", "6", "7"].contains(&version)) {
        return Err(error::BAD_PROTOCOL);
    }
    if !origin_allowed(&app.options.allowed_origins, handshake.origin) {
        return Err(error::BAD_ORIGIN);
    }
    if handshake.over_quota {
        return Err(error::OVER_QUOTA);
    }
    if handshake.node_full {
        return Err(error::NODE_FULL);
    }
    Ok(app)
}

/// Only the host of the origin counts. `*` admits everything, also clients that name no origin; within an entry
/// it stands for any text.
fn origin_allowed(allowed: &[String], origin: Option<&str>) -> bool {
    let host_of = |text: &str| -> String {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let rest = rest.split('/').next().unwrap_or_default();
        let host = match rest.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => rest.split(':').next().unwrap_or_default(),
        };
        host.to_ascii_lowercase()
    };
    allowed.iter().any(|entry| entry == "*")
        || origin.is_some_and(|origin| {
            let host = host_of(origin);
            allowed
                .iter()
                .any(|entry| matches_pattern(&host_of(entry), &host))
        })
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    (0..=text.len()).any(|at| text.is_char_boundary(at) && matches_pattern(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_by_host_with_wildcards() {
        let list = |entries: &[&str]| entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
        for (allowed, origin, want) in [
            (list(&["*"]), None, true),
            (list(&["*"]), Some("https://any.where"), true),
            (list(&["example.com"]), None, false),
            (list(&["example.com"]), Some("https://example.com:8443"), true),
            (list(&["https://example.com"]), Some("http://example.com"), true),
            (list(&["example.com"]), Some("https://EXAMPLE.com"), true),
            (
                list(&["example.com"]),
                Some("https://example.com.evil.org"),
                false,
            ),
            (list(&["*.example.com"]), Some("https://a.b.example.com"), true),
            (list(&["*.example.com"]), Some("https://example.com"), false),
            (list(&["*.example.com"]), Some("https://evilexample.com"), false),
            (list(&["[::1]"]), Some("http://[::1]:3000"), true),
            (list(&[]), Some("https://example.com"), false),
        ] {
            assert_eq!(origin_allowed(&allowed, origin), want, "{allowed:?} {origin:?}");
        }
    }
}
