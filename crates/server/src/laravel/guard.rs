//! Who is calling, by the rules of Sanctum's guard.

use axum::extract::FromRequestParts;
use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use chinwag_messenger::{Caller, Token};
use std::sync::Arc;

use super::error::Refusal;
use crate::messenger::MessengerApi;
use crate::messenger::auth::{self, Presented};
use crate::messenger::limits::Meter;

/// Which requests may come with the session cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// All, as on routes that Laravel calls `web`.
    Web,
    /// Those of first-party pages, as on routes behind `auth:sanctum`.
    Sanctum,
}

/// The head of a request, as far as it says who calls.
pub(super) struct Head {
    pub(super) headers: HeaderMap,
    pub(super) meter: Meter,
}

impl<S: Send + Sync> FromRequestParts<S> for Head {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            headers: parts.headers.clone(),
            meter: parts.extensions.get::<Meter>().cloned().unwrap_or_default(),
        })
    }
}

impl Head {
    /// The caller, charged for one read: the session of a page that may have one, else the bearer of a token.
    pub(super) async fn caller(
        &self,
        api: &Arc<MessengerApi>,
        guard: Guard,
    ) -> Result<Option<Caller>, Refusal> {
        let stateful = guard == Guard::Web || is_stateful(&self.headers, &api.options.stateful_domains);
        let mut caller = None;
        if stateful {
            caller = self.session_caller(api).await?;
        }
        if caller.is_none()
            && let Presented::Bearer(token) = auth::presented(&self.headers)
        {
            caller = api.messenger.authenticate(&Token::new(token)).await?;
        }
        if let Some(caller) = &caller {
            api.limiter.read(caller.user, &self.meter)?;
        }
        Ok(caller)
    }

    /// Who is logged in with the session cookie.
    pub(super) async fn session_caller(&self, api: &MessengerApi) -> Result<Option<Caller>, Refusal> {
        match auth::session(&self.headers) {
            Some(session) => Ok(api.messenger.authenticate(&Token::new(session)).await?),
            None => Ok(None),
        }
    }
}

/// Whether the request comes from a page of ours or of one of the domains. Programs that are no browsers do not say
/// where they come from; they use tokens.
fn is_stateful(headers: &HeaderMap, domains: &[String]) -> bool {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let Some(from) = text(REFERER).or_else(|| text(ORIGIN)) else {
        return false;
    };
    let Some((_, rest)) = from.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Brackets are the URL's, not the address's; without a port they are left out in lists.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    text(HOST).is_some_and(|own| own.eq_ignore_ascii_case(host))
        || domains
            .iter()
            .any(|domain| fits(domain, host) || bare.is_some_and(|bare| fits(domain, bare)))
}

/// Whether the host is the pattern, in which `*` stands for anything.
fn fits(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.to_ascii_lowercase(), host.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == host;
    };
    let Some(mut left) = host.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_ours_and_of_listed_domains_are_first_party() {
        let domains = [
            "localhost",
            "localhost:3000",
            "::1",
            "*.example.org",
            "app*.test:*",
        ];
        let domains: Vec<_> = domains.iter().map(|domain| (*domain).to_owned()).collect();
        let check = |name: HeaderName, value: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("chat.test:8080"));
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            assert_eq!(is_stateful(&headers, &domains), expected, "{value}");
        };
        check(REFERER, "http://localhost/", true);
        check(REFERER, "http://LOCALHOST:3000/a/b?c#d", true);
        check(ORIGIN, "https://localhost", true);
        check(ORIGIN, "http://localhost:3001", false);
        check(ORIGIN, "http://[::1]", true);
        check(ORIGIN, "http://chat.test:8080", true);
        check(ORIGIN, "http://chat.test", false);
        check(ORIGIN, "https://a.b.example.org", true);
        check(ORIGIN, "https://example.org", false);
        check(ORIGIN, "https://example.org.evil.test", false);
        check(ORIGIN, "https://app1.test:99", true);
        check(REFERER, "http://localhost@evil.test/", false);
        check(REFERER, "localhost", false);
        check(ORIGIN, "null", false);
        assert!(!is_stateful(&HeaderMap::new(), &domains));
        let mut both = HeaderMap::new();
        both.insert(REFERER, HeaderValue::from_static("https://evil.test/"));
        both.insert(ORIGIN, HeaderValue::from_static("http://localhost"));
        assert!(!is_stateful(&both, &domains), "the referer counts");
    }
}
