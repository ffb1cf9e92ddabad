//! Errors in the shapes and words of Laravel. They are JSON whatever the client accepts.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::store::StoreError;
use chinwag_messenger::{AuthenticateError, LogInError};
use serde::{Serialize, Serializer};

use crate::error::Problem;
use crate::messenger::limits::Meter;

/// An answer that says why not.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    /// Per field, in the order of the rules, what is wrong with it.
    errors: Vec<(&'static str, Vec<String>)>,
    retry_after_s: Option<u64>,
    allowed: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: Vec::new(),
            retry_after_s: None,
            allowed: None,
        }
    }

    pub(super) fn bad_request() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad request.")
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthenticated.")
    }

    fn unauthorized() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This action is unauthorized.")
    }

    /// Of a channel: without words.
    pub(super) fn forbidden_channel() -> Self {
        Self::new(StatusCode::FORBIDDEN, "")
    }

    pub(super) fn no_route(path: &str) -> Self {
        let path = path.trim_start_matches('/');
        Self::new(
            StatusCode::NOT_FOUND,
            format!("The route {path} could not be found."),
        )
    }

    pub(super) fn method_not_allowed(method: &Method, path: &str, allowed: &'static str) -> Self {
        let path = path.trim_start_matches('/');
        let text =
            format!("The {method} method is not supported for route {path}. Supported methods: {allowed}.");
        Self {
            allowed: Some(allowed),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, text)
        }
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "The POST data is too large.")
    }

    pub(super) fn csrf_mismatch() -> Self {
        let status = StatusCode::from_u16(419).expect("a number of three digits is a status");
        Self::new(status, "CSRF token mismatch.")
    }

    /// Something is wrong with these fields; of each at least one thing.
    pub(super) fn invalid(errors: Vec<(&'static str, Vec<String>)>) -> Self {
        let all: Vec<_> = errors.iter().flat_map(|(_, messages)| messages).collect();
        let first = all.first().map_or("", |message| message.as_str());
        let message = match all.len().saturating_sub(1) {
            0 => first.to_owned(),
            1 => format!("{first} (and 1 more error)"),
            more => format!("{first} (and {more} more errors)"),
        };
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
        }
    }

    /// One thing is wrong with one field.
    pub(super) fn invalid_field(field: &'static str, message: impl Into<String>) -> Self {
        Self::invalid(vec![(field, vec![message.into()])])
    }

    fn too_many_attempts(retry_after_s: u64) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "Too Many Attempts.")
        }
    }

    pub(super) fn server_error() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
    }

    pub(super) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
    }

    /// Why nobody was logged in; `wrong` is said of a wrong password.
    pub(super) fn of_log_in(error: LogInError, wrong: &str) -> Self {
        match error {
            LogInError::InvalidCredentials => Self::invalid_field("email", wrong),
            LogInError::TooManyAttempts { retry_after_s } => {
                let text = format!("Too many login attempts. Please try again in {retry_after_s} seconds.");
                Self {
                    status: StatusCode::TOO_MANY_REQUESTS,
                    retry_after_s: Some(retry_after_s),
                    ..Self::invalid_field("email", text)
                }
            }
            LogInError::Suspended => Self::invalid_field("email", "This account is suspended."),
            LogInError::SecondFactorRequired { .. } => Self::invalid_field(
                "email",
                "This account needs a second factor, which cannot be given here.",
            ),
            LogInError::Store(error) => error.into(),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        match problem.status().as_u16() {
            401 => Self::unauthenticated(),
            403 => Self::unauthorized(),
            413 => Self::too_large(),
            429 => Self::too_many_attempts(problem.retry_after_s().unwrap_or(1)),
            500 => Self::server_error(),
            503 | 507 => Self {
                retry_after_s: problem.retry_after_s(),
                ..Self::unavailable()
            },
            _ => Self::bad_request(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        // What the store says about itself is logged there.
        Problem::from(error).into()
    }
}

impl From<AuthenticateError> for Refusal {
    fn from(error: AuthenticateError) -> Self {
        Problem::from(error).into()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "in_order")]
    errors: &'a [(&'static str, Vec<String>)],
}

fn in_order<S: Serializer>(errors: &[(&'static str, Vec<String>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(errors.iter().map(|(field, messages)| (field, messages)))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&Body {
            message: &self.message,
            errors: &self.errors,
        })
        .expect("strings always become JSON");
        let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (self.status, content_type, body).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.allowed {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        response
    }
}

/// Writes the `X-RateLimit-*` headers as Laravel does; a layer around the router.
pub(super) async fn report(mut request: Request, next: Next) -> Response {
    let meter = Meter::default();
    request.extensions_mut().insert(meter.clone());
    let mut response = next.run(request).await;
    let refused = response.status() == StatusCode::TOO_MANY_REQUESTS;
    if let Some(quota) = meter.quota() {
        let headers = response.headers_mut();
        headers.insert("x-ratelimit-limit", HeaderValue::from(quota.limit));
        let remaining = if refused { 0 } else { quota.remaining };
        headers.insert("x-ratelimit-remaining", HeaderValue::from(remaining));
    }
    if refused && let Some(at) = again_at(response.headers()) {
        let headers = response.headers_mut();
        headers.insert("x-ratelimit-reset", HeaderValue::from(at));
    }
    response
}

/// When to ask again, in seconds since 1970.
fn again_at(headers: &HeaderMap) -> Option<u64> {
    let wait: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.as_secs() + wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_the_first_one_and_counts_the_others() {
        let check = |errors: Vec<(&'static str, Vec<String>)>, message: &str| {
            assert_eq!(Refusal::invalid(errors).message, message);
        };
        let say = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        check(vec![("a", say(&["One."]))], "One.");
        check(
            vec![("a", say(&["One."])), ("b", say(&["Two."]))],
            "One. (and 1 more error)",
        );
        check(
            vec![("a", say(&["One.", "Two."])), ("b", say(&["Three."]))],
            "One. (and 2 more errors)",
        );
    }

    #[test]
    fn a_failing_store_is_never_quoted() {
        for error in [
            StoreError::Broken("near secret".into()),
            StoreError::Unavailable("open secret".into()),
            StoreError::Full,
        ] {
            let refusal = Refusal::from(error);
            assert!(refusal.status.is_server_error(), "{refusal:?}");
            assert!(!refusal.message.contains("secret"), "{refusal:?}");
        }
    }
}
