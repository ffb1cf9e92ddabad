//! Who is calling: bearer tokens, the session cookie and what protects it from other sites.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use chinwag_messenger::{Caller, Token};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::MessengerApi;
use super::limits::Meter;
use crate::error::Problem;
use crate::listen::OverTls;

const SESSION_COOKIE: &str = "chinwag_session";
const CSRF_COOKIE: &str = "XSRF-TOKEN";
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// Where axios puts it by itself.
pub(crate) const XSRF_HEADER: &str = "x-xsrf-token";

/// As long as browsers keep cookies at all; the server ends logins that are not used long before.
pub(crate) const SESSION_SECONDS: u32 = 400 * 24 * 60 * 60;

/// The caller of an operation, charged to the budget `B`.
pub(crate) struct By<B> {
    pub(crate) caller: Caller,
    budget: PhantomData<B>,
}

/// What an operation costs the caller.
pub(crate) trait Budget: Send + Sync {
    /// Takes its price.
    fn charge(api: &MessengerApi, caller: &Caller, meter: &Meter) -> Result<(), Problem>;

    /// Whether a request that relies on the cookie has to prove that it comes from our own pages.
    fn needs_csrf(method: &Method) -> bool {
        !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

/// Changes nothing, or nothing but watermarks.
pub(crate) struct Reads;

impl Budget for Reads {
    fn charge(api: &MessengerApi, caller: &Caller, meter: &Meter) -> Result<(), Problem> {
        api.limiter.read(caller.user, meter)
    }
}

/// Changes something.
pub(crate) struct Writes;

impl Budget for Writes {
    fn charge(api: &MessengerApi, caller: &Caller, meter: &Meter) -> Result<(), Problem> {
        api.limiter.write(caller.user, meter)
    }
}

/// Looks for something.
pub(crate) struct Searches;

impl Budget for Searches {
    fn charge(api: &MessengerApi, caller: &Caller, meter: &Meter) -> Result<(), Problem> {
        api.limiter.search(caller.user, meter)
    }
}

/// The operation charges by itself, once it knows more.
pub(crate) struct OwnPrice;

impl Budget for OwnPrice {
    fn charge(_: &MessengerApi, _: &Caller, _: &Meter) -> Result<(), Problem> {
        Ok(())
    }
}

impl<B: Budget> FromRequestParts<Arc<MessengerApi>> for By<B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<MessengerApi>) -> Result<Self, Problem> {
        let (token, from_cookie) = match presented(&parts.headers) {
            Presented::Bearer(token) => (token, false),
            Presented::Cookie(token) => (token, true),
            Presented::Nothing => return Err(Problem::unauthenticated()),
        };
        let caller = api.messenger.authenticate(&Token::new(token)).await?;
        let caller = caller.ok_or_else(Problem::unauthenticated)?;
        if from_cookie && B::needs_csrf(&parts.method) && !proves_own_page(&parts.headers, token) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "csrf_invalid",
                "X-CSRF-Token must repeat the value of the XSRF-TOKEN cookie.",
            ));
        }
        let meter = parts.extensions.get::<Meter>().cloned().unwrap_or_default();
        B::charge(api, &caller, &meter)?;
        Ok(Self {
            caller,
            budget: PhantomData,
        })
    }
}

/// What a request shows to prove who it is.
pub(crate) enum Presented<'a> {
    Bearer(&'a str),
    Cookie(&'a str),
    Nothing,
}

/// A request with an `Authorization` header stands by it, whatever cookies the browser adds.
pub(crate) fn presented(headers: &HeaderMap) -> Presented<'_> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let bearer = value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        return bearer.map_or(Presented::Nothing, Presented::Bearer);
    }
    cookie(headers, SESSION_COOKIE).map_or(Presented::Nothing, Presented::Cookie)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The session that the browser holds, used or not.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION_COOKIE)
}

/// Whether the browser holds a session, used or not.
pub(crate) fn has_session(headers: &HeaderMap) -> bool {
    session(headers).is_some()
}

pub(crate) fn proves_own_page(headers: &HeaderMap, session: &str) -> bool {
    [CSRF_HEADER, XSRF_HEADER]
        .iter()
        .filter_map(|name| headers.get(*name))
        .any(|given| is_csrf_token(given.as_bytes(), session))
}

/// Whether this is the CSRF token of the session.
pub(crate) fn is_csrf_token(given: &[u8], session: &str) -> bool {
    given.ct_eq(csrf_token(session).as_bytes()).into()
}

/// Follows from the session's secret, so nothing is stored; and it does not give the secret away.
fn csrf_token(session: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(session.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(b"chinwag csrf token");
    hex::encode(mac.finalize().into_bytes())
}

/// Sets both cookies of a new session.
pub(crate) fn begin_session(headers: &mut HeaderMap, token: &Token, origin: &Origin) {
    keep_session(headers, token.reveal(), SESSION_SECONDS, origin);
}

/// Sets both cookies of a session for so many seconds.
pub(crate) fn keep_session(headers: &mut HeaderMap, session: &str, seconds: u32, origin: &Origin) {
    set_cookies(headers, session, &csrf_token(session), seconds, origin);
}

/// Takes both cookies away.
pub(crate) fn end_session(headers: &mut HeaderMap, origin: &Origin) {
    set_cookies(headers, "", "", 0, origin);
}

fn set_cookies(headers: &mut HeaderMap, session: &str, csrf: &str, seconds: u32, origin: &Origin) {
    let secure = if origin.https { "; Secure" } else { "" };
    let attributes = format!("; Path=/; Max-Age={seconds}; SameSite=Lax{secure}");
    let session = HeaderValue::from_str(&format!("{SESSION_COOKIE}={session}; HttpOnly{attributes}"));
    let csrf = HeaderValue::from_str(&format!("{CSRF_COOKIE}={csrf}{attributes}"));
    if let (Ok(mut session), Ok(csrf)) = (session, csrf) {
        session.set_sensitive(true);
        headers.append(SET_COOKIE, session);
        headers.append(SET_COOKIE, csrf);
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// The client's address, where the listener tells it.
    pub(crate) address: Option<IpAddr>,
    /// It came over https.
    pub(crate) https: bool,
}

impl Origin {
    /// As text, for counting failed log-ins.
    pub(crate) fn address_text(&self) -> String {
        self.address
            .map_or_else(|| "unknown".to_owned(), |address| address.to_string())
    }
}

impl FromRequestParts<Arc<MessengerApi>> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<MessengerApi>) -> Result<Self, Problem> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        let over_tls = parts.extensions.get::<OverTls>().is_some();
        let origin = origin(&parts.headers, peer, api.options.trust_proxy);
        Ok(Self {
            https: origin.https || over_tls,
            ..origin
        })
    }
}

/// Where the caller's pages come from, for links to them: scheme and host, with nothing behind.
pub(crate) struct Home(pub(crate) String);

impl FromRequestParts<Arc<MessengerApi>> for Home {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<MessengerApi>) -> Result<Self, Problem> {
        let origin = Origin::from_request_parts(parts, api).await?;
        let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = named.or_else(|| parts.uri.host()).unwrap_or("localhost");
        let scheme = if origin.https { "https" } else { "http" };
        Ok(Self(format!("{scheme}://{host}")))
    }
}

/// The last entry of `X-Forwarded-For` is the only one that our own proxy wrote.
fn origin(headers: &HeaderMap, peer: Option<IpAddr>, trust_proxy: bool) -> Origin {
    let last = |name: &str| {
        let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        Some(value.rsplit(',').next()?.trim())
    };
    if !trust_proxy {
        return Origin {
            address: peer,
            https: false,
        };
    }
    Origin {
        address: last("x-forwarded-for")
            .and_then(|text| text.parse().ok())
            .or(peer),
        https: last("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let check = |lines: &[(&'static str, &str)], expected: Option<&str>| {
            assert_eq!(cookie(&headers(lines), SESSION_COOKIE), expected, "{lines:?}");
        };
        check(&[("cookie", "chinwag_session=1|a")], Some("1|a"));
        check(&[("cookie", "a=b;  chinwag_session=1|a; c=d")], Some("1|a"));
        check(
            &[("cookie", "a=b"), ("cookie", "chinwag_session=x=y")],
            Some("x=y"),
        );
        check(&[("cookie", "xchinwag_session=1; chinwag_session")], None);
        check(&[], None);
    }

    #[test]
    fn an_authorization_header_beats_the_cookie() {
        let cookie = ("cookie", "chinwag_session=c");
        let bearer = headers(&[cookie, ("authorization", "bearer t")]);
        assert!(matches!(presented(&bearer), Presented::Bearer("t")));
        let basic = headers(&[cookie, ("authorization", "Basic dDp0")]);
        assert!(matches!(presented(&basic), Presented::Nothing));
        assert!(matches!(presented(&headers(&[cookie])), Presented::Cookie("c")));
    }

    #[test]
    fn a_csrf_token_belongs_to_one_session() {
        let of = |session: &str| headers(&[(CSRF_HEADER, &csrf_token(session))]);
        assert!(proves_own_page(&of("1|a"), "1|a"));
        assert!(!proves_own_page(&of("1|a"), "1|b"));
        assert!(!proves_own_page(&HeaderMap::new(), "1|a"));
    }

    #[test]
    fn a_proxy_is_believed_only_when_trusted() {
        let forwarded = headers(&[
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "6.6.6.6, 10.0.0.9"),
        ]);
        let peer = Some(IpAddr::from([127, 0, 0, 1]));
        let plain = origin(&forwarded, peer, false);
        assert_eq!((plain.address, plain.https), (peer, false));
        let trusted = origin(&forwarded, peer, true);
        assert_eq!(
            (trusted.address, trusted.https),
            (Some(IpAddr::from([10, 0, 0, 9])), true)
        );
    }
}
