//! Cookie mode, for single-page applications: the two cookies, logging in and out, and the proof that a request comes
//! from a page that may use them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::error::Refusal;
use super::guard::{Guard, Head};
use super::input::{Input, Rules};
use crate::messenger::MessengerApi;
use crate::messenger::auth::{self, Origin, Presented};

/// How long a session lasts in which nobody is logged in.
const GUEST_SECONDS: u32 = 120 * 60;
/// How the session of a guest begins, which no token does.
const GUEST: &str = "guest-";
const WRONG: &str = "These credentials do not match our records.";
/// Longest text of a field.
const CHARS_MAX: usize = 255;

/// `GET /sanctum/csrf-cookie`.
pub(super) async fn csrf_cookie(
    State(api): State<Arc<MessengerApi>>,
    head: Head,
    origin: Origin,
) -> Result<Response, Refusal> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    match auth::session(&head.headers) {
        Some(session) if head.session_caller(&api).await?.is_some() => {
            auth::keep_session(headers, session, auth::SESSION_SECONDS, &origin);
        }
        Some(session) if is_guest(session) => auth::keep_session(headers, session, GUEST_SECONDS, &origin),
        _ => begin_guest(headers, &origin)?,
    }
    Ok(response)
}

fn is_guest(session: &str) -> bool {
    let random = session.strip_prefix(GUEST);
    random.is_some_and(|random| random.len() == 40 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn begin_guest(headers: &mut HeaderMap, origin: &Origin) -> Result<(), Refusal> {
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "There is no randomness for a session");
        Refusal::server_error()
    })?;
    let session = format!("{GUEST}{}", hex::encode(random));
    auth::keep_session(headers, &session, GUEST_SECONDS, origin);
    Ok(())
}

/// `POST /login`.
pub(super) async fn log_in(
    State(api): State<Arc<MessengerApi>>,
    head: Head,
    origin: Origin,
    input: Input,
) -> Result<Response, Refusal> {
    check_csrf(&head.headers, &input)?;
    api.limiter.address(origin.address, &head.meter)?;
    let mut rules = Rules::of(&input);
    let name = rules.required("email", CHARS_MAX);
    let password = rules.required("password", usize::MAX);
    rules.check()?;
    let device_name = input.text("device_name").unwrap_or("Browser");
    let before = head.session_caller(&api).await?;
    let logged_in = api
        .messenger
        .log_in(name, password, device_name, &origin.address_text())
        .await
        .map_err(|error| Refusal::of_log_in(error, WRONG))?;
    if let Some(before) = before {
        // Its cookie is overwritten now, so nobody could end it any more.
        api.end_login(&before).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    auth::begin_session(response.headers_mut(), &logged_in.token, &origin);
    Ok(response)
}

/// `POST /logout`.
pub(super) async fn log_out(
    State(api): State<Arc<MessengerApi>>,
    head: Head,
    origin: Origin,
    input: Input,
) -> Result<Response, Refusal> {
    check_csrf(&head.headers, &input)?;
    let caller = head.caller(&api, Guard::Web).await?;
    let caller = caller.ok_or_else(Refusal::unauthenticated)?;
    api.end_login(&caller).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if auth::has_session(&head.headers) {
        begin_guest(response.headers_mut(), &origin)?;
    }
    Ok(response)
}

/// A browser says of itself when a request comes from a page of the same origin; other pages must have read the cookie
/// that only first-party pages can read. Other sites can send no `Authorization`, so its bearers need no proof.
fn check_csrf(headers: &HeaderMap, input: &Input) -> Result<(), Refusal> {
    let same_origin = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site.as_bytes() == b"same-origin");
    if same_origin || matches!(auth::presented(headers), Presented::Bearer(_)) {
        return Ok(());
    }
    let proven = auth::session(headers).is_some_and(|session| {
        let in_body = input.text("_token");
        auth::proves_own_page(headers, session)
            || in_body.is_some_and(|token| auth::is_csrf_token(token.as_bytes(), session))
    });
    if proven {
        Ok(())
    } else {
        Err(Refusal::csrf_mismatch())
    }
}
