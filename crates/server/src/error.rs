//! Where errors become HTTP: [`Problem`], and how each refusal of the messenger turns into one.
//!
//! Nothing else in the REST API picks a status or a code. What a store or a broker says about its own failure
//! goes to the log here, once, and never to the client.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::store::StoreError;
use chinwag_messenger::{
    AccessError, AttachmentError, CreateGroupError, HistoryError, ListError, LogInError, MediaError,
    OpenDirectError, RegisterError, SearchPeopleError, SendError, SyncError, UploadError, UsernameError,
};
use serde::Serialize;
use tracing::{error, warn};

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
}

/// What is wrong with one field of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field, with the way to it: `items[3].seen_seq`.
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

    /// A fault of the server's own, which the log explains.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The server failed; this has been logged.",
        )
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
            410 => "This is no longer there",
            416 => "There is no such part",
            409 => "This conflicts with what is stored",
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
        #[derive(Serialize)]
        struct Document<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            code: &'a str,
            detail: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [FieldError],
        }
        serde_json::to_vec(&Document {
            r#type: format!("/errors/{}", self.code),
            title: self.title(),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            request_id,
            errors: &self.errors,
        })
        .expect("strings and numbers always become JSON")
    }
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

fn limit_invalid() -> Problem {
    Problem::field("limit", "limit_invalid", "The limit is out of range.")
}

fn cursor_invalid() -> Problem {
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

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        let detail = error.to_string();
        match error {
            RegisterError::Closed => {
                refused("registration_closed", "This server does not take new accounts.")
            }
            RegisterError::Username(UsernameError::Invalid) => {
                Self::field("username", "username_invalid", detail)
            }
            RegisterError::Username(UsernameError::Reserved) => {
                Self::field("username", "username_reserved", detail)
            }
            RegisterError::UsernameTaken => conflict("username_taken", "Somebody has this username."),
            RegisterError::DisplayNameInvalid => Self::field("display_name", "display_name_invalid", detail),
            RegisterError::PasswordTooShort => Self::field("password", "password_too_short", detail),
            RegisterError::PasswordTooLong => Self::field("password", "password_too_long", detail),
            RegisterError::PasswordCommon => Self::field("password", "password_common", detail),
            RegisterError::Store(error) => error.into(),
        }
    }
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::InvalidCredentials => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_credentials",
                "The username or the password is wrong.",
            ),
            LogInError::Suspended => refused("account_suspended", "This account is suspended."),
            LogInError::TooManyAttempts { retry_after_s } => Self::rate_limited(retry_after_s),
            LogInError::Store(error) => error.into(),
        }
    }
}

impl From<SearchPeopleError> for Problem {
    fn from(error: SearchPeopleError) -> Self {
        match error {
            SearchPeopleError::EmptyQuery => Self::field("q", "empty_query", "There is nothing to look for."),
            SearchPeopleError::QueryTooLong => Self::field("q", "query_too_long", "The query is too long."),
            SearchPeopleError::Store(error) => error.into(),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => Self::not_found(),
            AccessError::Store(error) => error.into(),
        }
    }
}

impl From<OpenDirectError> for Problem {
    fn from(error: OpenDirectError) -> Self {
        match error {
            OpenDirectError::UnknownUser => Self::not_found(),
            OpenDirectError::Store(error) => error.into(),
        }
    }
}

impl From<CreateGroupError> for Problem {
    fn from(error: CreateGroupError) -> Self {
        match error {
            CreateGroupError::TitleRequired => Self::field("title", "title_required", "A group has a title."),
            CreateGroupError::TitleTooLong => {
                Self::field("title", "title_too_long", "The title is too long.")
            }
            CreateGroupError::TooManyMembers => Self::field(
                "member_ids",
                "too_many_members",
                "These are more members than a group may have.",
            ),
            CreateGroupError::UnknownUser => Self::not_found(),
            CreateGroupError::Store(error) => error.into(),
        }
    }
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::CursorInvalid => cursor_invalid(),
            ListError::LimitInvalid => limit_invalid(),
            ListError::Store(error) => error.into(),
        }
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotFound => Self::not_found(),
            SendError::NotAMember => refused("not_a_member", "You are no longer a member."),
            SendError::PostingRestricted => {
                refused("posting_restricted", "Only administrators may post here.")
            }
            SendError::Empty => Self::field(
                "body",
                "empty_message",
                "There is nothing to see in this message.",
            ),
            SendError::BodyTooLong => Self::field("body", "body_too_long", "The message is too long."),
            SendError::ReplyTargetInvalid => Self::field(
                "reply_to",
                "reply_target_invalid",
                "This message cannot be answered here.",
            ),
            SendError::ClientIdConflict => {
                conflict("client_id_conflict", "The client_id belongs to another message.")
            }
            SendError::Store(error) => error.into(),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::LimitInvalid => limit_invalid(),
            HistoryError::NotFound => Self::not_found(),
            HistoryError::Store(error) => error.into(),
        }
    }
}

impl From<SyncError> for Problem {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::CursorInvalid => cursor_invalid(),
            SyncError::LimitInvalid => limit_invalid(),
            SyncError::Store(error) => error.into(),
        }
    }
}

impl From<AttachmentError> for Problem {
    fn from(error: AttachmentError) -> Self {
        match error {
            AttachmentError::NotFound => Self::not_found(),
            AttachmentError::Gone => Self::new(StatusCode::GONE, "attachment_deleted", "It was deleted."),
            AttachmentError::NotReady => conflict("attachment_not_ready", "Its bytes are not there."),
            AttachmentError::Store(error) => error.into(),
        }
    }
}

impl From<MediaError> for Problem {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::NotFound => Self::not_found(),
            MediaError::CursorInvalid => cursor_invalid(),
            MediaError::LimitInvalid => limit_invalid(),
            MediaError::Store(error) => error.into(),
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::NotFound => Self::not_found(),
            UploadError::FileTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "file_too_large",
                "The file is larger or longer than such a file may be, or than was announced.",
            ),
            UploadError::TypeNotAllowed => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "type_not_allowed",
                "The file is not of a type that is taken here.",
            ),
            UploadError::ImageTooLarge => {
                Self::field("file", "image_too_large", "The image has too many pixels.")
            }
            UploadError::ImageInvalid => Self::field("file", "image_invalid", "The image is damaged."),
            UploadError::WaveformInvalid => Self::field(
                "waveform",
                "waveform_invalid",
                "A waveform is 64 whole numbers from 0 to 31.",
            ),
            UploadError::OffsetMismatch { .. } => conflict(
                "offset_mismatch",
                "The upload goes on at the offset in the header Upload-Offset, once nobody else is sending.",
            ),
            UploadError::QuotaExceeded => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "quota_exceeded",
                "There is no room left for your files.",
            ),
            UploadError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
