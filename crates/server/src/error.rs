//! Where errors become HTTP: [`Problem`], and in the files of this folder how each refusal of the messenger turns
//! into one.
//!
//! Nothing else in the REST API picks a status or a code. What a store or a broker says about its own failure
//! goes to the log here, once, and never to the client.

mod accounts;
mod attachments;
mod conversations;
mod groups;
mod messages;
mod moderation;
mod people;
mod proofs;
mod threads;

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::store::StoreError;
use chinwag_messenger::{ConversationId, Token, UserId};
use serde::Serialize;
use tracing::{error, warn};
use utoipa::ToSchema;

/// Carries the id of a request on its answer, and on the request when the caller has chosen one.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Seconds a client waits before it asks again when something is away for the moment.
const UNAVAILABLE_RETRY_S: u64 = 2;

/// An answer that says why not, as `application/problem+json`.
///
/// `code` is stable and meant for programs; title and detail are English sentences for developers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after_s: Option<u64>,
    /// Boxed because it is rare.
    not_added: Option<Box<NotAdded>>,
    ticket: Option<Box<Ticket>>,
}

/// What completes a log-in together with a code.
#[derive(Debug, Clone)]
struct Ticket(Token);

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.0.reveal() == other.0.reveal()
    }
}

impl Eq for Ticket {}

/// Who could not be added, and to which new group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NotAdded {
    user_ids: Vec<i64>,
    invited_ids: Vec<i64>,
    conversation_id: Option<i64>,
}

/// What is wrong with one field of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field, with the way to it: `items[3].seen_seq`.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// What is wrong, stable.
    pub code: &'static str,
}

impl Problem {
    /// A problem without fields.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: None,
            not_added: None,
            ticket: None,
        }
    }

    /// One field is at fault, and its code is the code of the whole.
    pub fn field(field: &'static str, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            errors: vec![FieldError {
                field: Cow::Borrowed(field),
                code,
            }],
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
        }
    }

    /// The same for a field whose name, with the way to it, is only known at run time.
    pub fn field_at(field: String, code: &'static str, detail: String) -> Self {
        Self {
            errors: vec![FieldError {
                field: Cow::Owned(field),
                code,
            }],
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
        }
    }

    /// A field that is absent or of the wrong type: `validation_failed`, with the field's own code inside.
    pub fn malformed(field: impl Into<Cow<'static, str>>, code: &'static str) -> Self {
        Self {
            errors: vec![FieldError {
                field: field.into(),
                code,
            }],
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "validation_failed",
                "A field is missing or has the wrong type.",
            )
        }
    }

    /// Unreadable as a request.
    pub fn bad_request(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// Nobody is logged in.
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "This needs a valid token or session.",
        )
    }

    /// There is none, or the caller may not know of it.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "It does not exist, or it is not for you to see.",
        )
    }

    /// Known to the server, but not the caller's.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This is not yours.")
    }

    /// More than the server takes at once.
    pub fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "The body is over the size limit.",
        )
    }

    /// Not JSON where JSON is expected.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body has to be application/json.",
        )
    }

    /// Asked too often.
    pub fn rate_limited(retry_after_s: u64) -> Self {
        Self {
            retry_after_s: Some(retry_after_s.max(1)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "Too many requests; slow down.",
            )
        }
    }

    /// Away for the moment.
    pub fn unavailable() -> Self {
        Self {
            retry_after_s: Some(UNAVAILABLE_RETRY_S),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Try again in a moment.",
            )
        }
    }

    /// It has changed since the caller looked.
    pub fn stale_revision() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "stale_revision",
            "The message has changed meanwhile.",
        )
    }

    /// A fault of the server's own, which the log explains.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The server failed; this has been logged.",
        )
    }

    /// These people cannot be added by the caller, and these of them got an invite; the others were added, to the
    /// group that may be new.
    pub fn cannot_add(users: &[UserId], invited: &[UserId], group: Option<ConversationId>) -> Self {
        let ids = |users: &[UserId]| users.iter().map(|user| user.0).collect();
        Self {
            not_added: Some(Box::new(NotAdded {
                user_ids: ids(users),
                invited_ids: ids(invited),
                conversation_id: group.map(|group| group.0),
            })),
            ..refused("cannot_add_user", "Some people cannot be added; the others were.")
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Seconds to wait before asking again, where that helps.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What kind of problem, in one sentence.
    fn title(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "The request cannot be understood",
            401 => "Nobody is logged in",
            403 => "This is not allowed",
            404 => "There is no such thing",
            405 => "This cannot be done here",
            409 => "This conflicts with what is stored",
            410 => "This is over",
            412 => "It has changed",
            416 => "There is no such part",
            413 => "The request is too large",
            415 => "The body has the wrong type",
            422 => "Some fields are not valid",
            429 => "Too many requests",
            503 => "Not available at the moment",
            507 => "No room left",
            _ => "The server failed",
        }
    }

    fn write(&self, request_id: Option<&str>) -> Vec<u8> {
        serde_json::to_vec(&Document {
            r#type: format!("/errors/{}", self.code),
            title: self.title(),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            request_id,
            user_ids: self.not_added.as_ref().map(|not| not.user_ids.as_slice()),
            invited_user_ids: self.not_added.as_ref().map(|not| not.invited_ids.as_slice()),
            conversation_id: self.not_added.as_ref().and_then(|not| not.conversation_id),
            ticket: self.ticket.as_ref().map(|ticket| ticket.0.reveal()),
            errors: &self.errors,
        })
        .expect("strings and numbers always become JSON")
    }
}

/// A problem as it is written.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// `/errors/` and the code.
    r#type: String,
    title: &'a str,
    status: u16,
    /// Stable; for programs.
    code: &'a str,
    /// For developers.
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
    /// Who could not be added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_ids: Option<&'a [i64]>,
    /// Those of them who got an invite in a direct message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    invited_user_ids: Option<&'a [i64]>,
    /// The new group to which the others were added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conversation_id: Option<i64>,
    /// To be sent to `/auth/second-factor` with a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ticket: Option<&'a str>,
    /// Which fields are at fault.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.write(None)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // `identify` writes the body anew once it knows the request's id.
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every answer its `X-Request-Id` and puts it into problems; a layer around a whole router.
pub async fn identify(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.write(Some(&id)));
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID, value);
    }
    // Everything here is somebody's private view of the moment.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The caller's own id when it is short and plain, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match headers
        .get(X_REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(plain)
    {
        Some(id) => id.to_owned(),
        None => uuid::Uuid::now_v7().to_string(),
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => {
                warn!(reason, "The store is unavailable");
                Self::unavailable()
            }
            StoreError::Full => {
                error!("The store is full");
                Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "storage_full",
                    "The server has no room left.",
                )
            }
            StoreError::Broken(reason) => {
                error!(reason, "The store failed");
                Self::internal()
            }
        }
    }
}

pub(crate) fn limit_invalid() -> Problem {
    Problem::field("limit", "limit_invalid", "The limit is out of range.")
}

pub(crate) fn cursor_invalid() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "cursor_invalid",
        "The cursor is not one this server gave out.",
    )
}

fn conflict(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}

fn refused(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}

fn not_a_member() -> Problem {
    refused("not_a_member", "You are no longer a member.")
}

fn not_allowed() -> Problem {
    refused("not_allowed", "You may not do this here.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chinwag_messenger::{RegisterError, UsernameError};

    #[test]
    fn a_failing_store_is_named_by_status_and_never_quoted() {
        let check = |error: StoreError, status: u16, code: &str| {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
            let text = String::from_utf8(problem.write(Some("r"))).unwrap();
            assert!(!text.contains("/srv/secret"), "{text}");
        };
        check(
            StoreError::Unavailable("open /srv/secret".into()),
            503,
            "unavailable",
        );
        check(StoreError::Full, 507, "storage_full");
        check(StoreError::Broken("near /srv/secret".into()), 500, "internal");
        assert_eq!(
            Problem::unavailable().into_response().headers().get(RETRY_AFTER),
            Some(&HeaderValue::from(UNAVAILABLE_RETRY_S))
        );
    }

    #[test]
    fn a_problem_names_its_field_and_its_request() {
        let problem = Problem::from(RegisterError::Username(UsernameError::Reserved));
        let document: serde_json::Value = serde_json::from_slice(&problem.write(Some("abc"))).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "type": "/errors/username_reserved", "title": "Some fields are not valid", "status": 422,
                "code": "username_reserved", "detail": "this name is reserved", "request_id": "abc",
                "errors": [{"field": "username", "code": "username_reserved"}],
            })
        );
    }

    #[test]
    fn only_short_plain_request_ids_are_taken_over() {
        let check = |given: &str, kept: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_str(given).unwrap());
            assert_eq!(request_id(&headers) == given, kept, "{given:?}");
        };
        check("abc-1_2.3", true);
        check("", false);
        check("has space", false);
        check("\"}{", false);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
    }
}
