//! Where errors become HTTP: [`Problem`], and how each refusal of the messenger turns into one.
//!
//! Nothing else in the REST API picks a status or a code. What a store or a broker says about its own failure
//! goes to the log here, once, and never to the client.

mod proofs;

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::store::StoreError;
use chinwag_messenger::{
    AccessError, AddMembersError, AdminListError, ArrivalsError, AttachmentError, AuthenticateError,
    AvatarError, ChangeAccountError, ChangeMeError, ChangePasswordError, ContactError, ConversationId,
    CreateGroupError, DeleteConversationError, DeleteError, EditError, FollowError, ForwardError,
    HistoryError, InviteError, JoinError, ListError, ListMembersError, LogInError, MediaError, MemberError,
    MyStateError, OpenDirectError, PinError, ReactError, ReactionsError, ReadAllError, RegisterError,
    ReportError, SearchError, SearchPeopleError, SendError, ServerInviteError, SyncError, ThreadError,
    ThreadsError, Token, UpdateError, UploadError, UserId, UsernameError, VersionsError,
};
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

fn message_deleted() -> Problem {
    conflict("message_deleted", "The message was deleted.")
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
            RegisterError::InviteRequired => {
                refused("invite_required", "New accounts need an invite to this server.")
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

fn account_suspended() -> Problem {
    refused("account_suspended", "This account is suspended.")
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Suspended => account_suspended(),
            AuthenticateError::Store(error) => error.into(),
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
            LogInError::Suspended => account_suspended(),
            LogInError::TooManyAttempts { retry_after_s } => Self::rate_limited(retry_after_s),
            LogInError::SecondFactorRequired { ticket } => Self {
                ticket: Some(Box::new(Ticket(ticket))),
                ..Self::new(
                    StatusCode::UNAUTHORIZED,
                    "second_factor_required",
                    "The password is right; now send a code with the ticket to /auth/second-factor.",
                )
            },
            LogInError::Store(error) => error.into(),
        }
    }
}

impl From<AdminListError> for Problem {
    fn from(error: AdminListError) -> Self {
        match error {
            AdminListError::CursorInvalid => cursor_invalid(),
            AdminListError::LimitInvalid => limit_invalid(),
            AdminListError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeAccountError> for Problem {
    fn from(error: ChangeAccountError) -> Self {
        match error {
            ChangeAccountError::NotFound => Self::not_found(),
            ChangeAccountError::NotAllowed => refused("not_allowed", "You may not do this to that account."),
            ChangeAccountError::Store(error) => error.into(),
        }
    }
}

impl From<ServerInviteError> for Problem {
    fn from(error: ServerInviteError) -> Self {
        let detail = error.to_string();
        match error {
            ServerInviteError::LifeInvalid => Self::field("expires_in_s", "expires_in_invalid", detail),
            ServerInviteError::MaxUsesInvalid => Self::field("max_uses", "max_uses_invalid", detail),
            ServerInviteError::Store(error) => error.into(),
        }
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::NotFound => Self::not_found(),
            ReportError::ReasonTooLong => Self::field("reason", "reason_too_long", "The reason is too long."),
            ReportError::TooManyToday { retry_after_s } => Self::rate_limited(retry_after_s),
            ReportError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeMeError> for Problem {
    fn from(error: ChangeMeError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeMeError::Username(error) => RegisterError::Username(error).into(),
            ChangeMeError::UsernameTaken => RegisterError::UsernameTaken.into(),
            ChangeMeError::DisplayNameInvalid => RegisterError::DisplayNameInvalid.into(),
            ChangeMeError::BioTooLong => Self::field("bio", "bio_too_long", detail),
            ChangeMeError::LocaleInvalid => Self::field("locale", "locale_invalid", detail),
            ChangeMeError::TimezoneInvalid => Self::field("timezone", "timezone_invalid", detail),
            ChangeMeError::Avatar(error) => error.into(),
            ChangeMeError::SettingsTooLarge => Self::field("settings", "settings_too_large", detail),
            ChangeMeError::SettingsChanged => conflict("settings_changed", "Other devices change them, too."),
            ChangeMeError::Store(error) => error.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Present(error) => Self::of_password("current_password", error),
            ChangePasswordError::New(error) => error.into(),
            ChangePasswordError::Store(error) => error.into(),
        }
    }
}

impl From<ContactError> for Problem {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::UnknownUser => Self::not_found(),
            ContactError::AliasTooLong => Self::field("alias", "alias_too_long", "The alias is too long."),
            ContactError::Store(error) => error.into(),
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

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::EmptyQuery => Self::field("q", "empty_query", "There is nothing to look for."),
            SearchError::QueryTooLong => Self::field("q", "query_too_long", "The query is too long."),
            SearchError::FilterInvalid => Self::field(
                "q",
                "filter_invalid",
                "A filter is unknown or its value is not valid.",
            ),
            SearchError::CursorInvalid => cursor_invalid(),
            SearchError::LimitInvalid => limit_invalid(),
            SearchError::NotFound => Self::not_found(),
            SearchError::Store(error) => error.into(),
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
            OpenDirectError::NotAllowed => refused(
                "dm_not_allowed",
                "This person does not take messages from everybody.",
            ),
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
            CreateGroupError::TooManyToday { retry_after_s } => Self::rate_limited(retry_after_s),
            CreateGroupError::TooManyConversations => too_many_conversations(),
            CreateGroupError::Store(error) => error.into(),
        }
    }
}

fn too_many_conversations() -> Problem {
    conflict("too_many_conversations", "You are in too many conversations.")
}

fn not_a_member() -> Problem {
    refused("not_a_member", "You are no longer a member.")
}

fn not_allowed() -> Problem {
    refused("not_allowed", "You may not do this here.")
}

fn group_full() -> Problem {
    conflict("group_full", "The group has as many members as it may have.")
}

fn gone(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::GONE, code, detail)
}

impl From<UpdateError> for Problem {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::NotFound => Self::not_found(),
            UpdateError::NotAMember => not_a_member(),
            UpdateError::NotAllowed => not_allowed(),
            UpdateError::TitleRequired => Self::field("title", "title_required", "A group has a title."),
            UpdateError::TitleTooLong => Self::field("title", "title_too_long", "The title is too long."),
            UpdateError::DescriptionTooLong => Self::field(
                "description",
                "description_too_long",
                "The description is too long.",
            ),
            UpdateError::Avatar(error) => error.into(),
            UpdateError::PurgeExistingRequired => Self::field(
                "purge_existing",
                "purge_existing_required",
                "Say whether the versions kept so far are purged.",
            ),
            UpdateError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteConversationError> for Problem {
    fn from(error: DeleteConversationError) -> Self {
        match error {
            DeleteConversationError::NotFound => Self::not_found(),
            DeleteConversationError::NotAllowed => not_allowed(),
            DeleteConversationError::Store(error) => error.into(),
        }
    }
}

impl From<ListMembersError> for Problem {
    fn from(error: ListMembersError) -> Self {
        match error {
            ListMembersError::NotFound => Self::not_found(),
            ListMembersError::CursorInvalid => cursor_invalid(),
            ListMembersError::LimitInvalid => limit_invalid(),
            ListMembersError::QueryTooLong => Self::field("q", "query_too_long", "The query is too long."),
            ListMembersError::Store(error) => error.into(),
        }
    }
}

impl From<AddMembersError> for Problem {
    fn from(error: AddMembersError) -> Self {
        match error {
            AddMembersError::NotFound => Self::not_found(),
            AddMembersError::NotAMember => not_a_member(),
            AddMembersError::NotAllowed => not_allowed(),
            AddMembersError::GroupFull => group_full(),
            AddMembersError::Store(error) => error.into(),
        }
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::NotFound => Self::not_found(),
            MemberError::NotAMember => not_a_member(),
            MemberError::NotAllowed => not_allowed(),
            MemberError::LastOwner => {
                conflict("last_owner", "The owner has to give the group to another first.")
            }
            MemberError::TooManyAdmins => conflict(
                "too_many_admins",
                "The group has as many administrators as it may have.",
            ),
            MemberError::Store(error) => error.into(),
        }
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::NotFound => Self::not_found(),
            InviteError::NotAMember => not_a_member(),
            InviteError::NotAllowed => not_allowed(),
            InviteError::LifeInvalid => Self::field(
                "expires_in_s",
                "expires_in_invalid",
                "The life of an invite is out of range.",
            ),
            InviteError::MaxUsesInvalid => Self::field(
                "max_uses",
                "max_uses_invalid",
                "The number of uses is out of range.",
            ),
            InviteError::TooMany => conflict("too_many_invites", "Revoke some of the invites first."),
            InviteError::CursorInvalid => cursor_invalid(),
            InviteError::LimitInvalid => limit_invalid(),
            InviteError::Store(error) => error.into(),
        }
    }
}

impl From<JoinError> for Problem {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::NotFound => Self::not_found(),
            JoinError::Expired => gone("invite_expired", "The invite has expired."),
            JoinError::UsedUp => gone("invite_used_up", "The invite has been used up."),
            JoinError::Revoked => gone("invite_revoked", "The invite was revoked."),
            JoinError::Banned => refused("banned", "You are banned from this group."),
            JoinError::GroupFull => group_full(),
            JoinError::TooManyConversations => too_many_conversations(),
            JoinError::Store(error) => error.into(),
        }
    }
}

impl From<MyStateError> for Problem {
    fn from(error: MyStateError) -> Self {
        match error {
            MyStateError::NotFound => Self::not_found(),
            MyStateError::DraftTooLong => {
                Self::field("draft.body", "body_too_long", "The draft is too long.")
            }
            MyStateError::TooManyAttachments => Self::field(
                "draft.attachments",
                "too_many_attachments",
                "The draft has too many attachments.",
            ),
            MyStateError::DraftConflict => {
                conflict("draft_conflict", "Another device has stored a newer draft.")
            }
            MyStateError::Store(error) => error.into(),
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
            SendError::DmNotAllowed => refused("dm_not_allowed", "This person is no more."),
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
            SendError::TooManyAttachments => Self::field(
                "attachments",
                "too_many_attachments",
                "The message has too many attachments.",
            ),
            SendError::AttachmentNotReady => Self::field(
                "attachments",
                "attachment_not_ready",
                "One of the attachments is not ready.",
            ),
            SendError::AttachmentNotYours => Self::field(
                "attachments",
                "attachment_not_yours",
                "One of the attachments was not brought by you.",
            ),
            SendError::AttachmentInUse => Self::field(
                "attachments",
                "attachment_in_use",
                "One of the attachments is in use already.",
            ),
            SendError::ThreadRootInvalid => thread_root_invalid(),
            SendError::ClientIdConflict => {
                conflict("client_id_conflict", "The client_id belongs to another message.")
            }
            SendError::Store(error) => error.into(),
        }
    }
}

impl From<ThreadError> for Problem {
    fn from(error: ThreadError) -> Self {
        match error {
            ThreadError::NotFound => Self::not_found(),
            ThreadError::NoRoot => thread_root_invalid(),
            ThreadError::LimitInvalid => limit_invalid(),
            ThreadError::Store(error) => error.into(),
        }
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::NotFound => Self::not_found(),
            FollowError::NotAMember => refused("not_a_member", "You are no longer a member."),
            FollowError::NoRoot => thread_root_invalid(),
            FollowError::Store(error) => error.into(),
        }
    }
}

impl From<ThreadsError> for Problem {
    fn from(error: ThreadsError) -> Self {
        match error {
            ThreadsError::CursorInvalid => cursor_invalid(),
            ThreadsError::LimitInvalid => limit_invalid(),
            ThreadsError::Store(error) => error.into(),
        }
    }
}

fn thread_root_invalid() -> Problem {
    Problem::field(
        "thread_root_id",
        "thread_root_invalid",
        "This message cannot have a thread here.",
    )
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotFound => Self::not_found(),
            EditError::NotAMember => not_a_member(),
            EditError::NotAuthor => refused("not_author", "Only its author edits a message."),
            EditError::NotEditable => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_editable",
                "This message cannot be edited.",
            ),
            EditError::Deleted => message_deleted(),
            EditError::Disabled => refused("editing_disabled", "Messages are not edited here."),
            EditError::WindowClosed => refused("edit_window_closed", "It is too late to edit this message."),
            EditError::Stale => Self::stale_revision(),
            EditError::Empty => Self::field("body", "empty_message", "Nothing would be left of the message."),
            EditError::BodyTooLong => Self::field("body", "body_too_long", "The message is too long."),
            EditError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound => Self::not_found(),
            DeleteError::NotAMember => not_a_member(),
            DeleteError::NotAllowed => refused("not_allowed", "This message is not yours to delete."),
            DeleteError::WindowClosed => {
                refused("delete_window_closed", "It is too late to delete this message.")
            }
            DeleteError::Store(error) => error.into(),
        }
    }
}

impl From<VersionsError> for Problem {
    fn from(error: VersionsError) -> Self {
        match error {
            VersionsError::NotFound => Self::not_found(),
            VersionsError::NotAMember => not_a_member(),
            VersionsError::NotAllowed => refused(
                "not_allowed",
                "What it said before is for its author and administrators.",
            ),
            VersionsError::Store(error) => error.into(),
        }
    }
}

impl From<ForwardError> for Problem {
    fn from(error: ForwardError) -> Self {
        let detail = error.to_string();
        match error {
            ForwardError::MessagesInvalid => Self::field("message_ids", "message_ids_invalid", detail),
            ForwardError::TargetsInvalid => Self::field("to", "to_invalid", detail),
            ForwardError::NotFound => Self::not_found(),
            ForwardError::NotAMember => not_a_member(),
            ForwardError::PostingRestricted => {
                refused("posting_restricted", "Only administrators may post here.")
            }
            ForwardError::NotForwardable => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_forwardable",
                "This message cannot be forwarded.",
            ),
            ForwardError::Deleted => message_deleted(),
            ForwardError::Store(error) => error.into(),
        }
    }
}

impl From<PinError> for Problem {
    fn from(error: PinError) -> Self {
        match error {
            PinError::NotFound => Self::not_found(),
            PinError::NotAMember => not_a_member(),
            PinError::NotAllowed => refused("not_allowed", "This is not for you to pin."),
            PinError::Deleted => message_deleted(),
            PinError::TooMany => conflict(
                "too_many_pins",
                "There are as many pinned messages as there may be.",
            ),
            PinError::Store(error) => error.into(),
        }
    }
}

impl From<ReactionsError> for Problem {
    fn from(error: ReactionsError) -> Self {
        match error {
            ReactionsError::NotFound => Self::not_found(),
            ReactionsError::CursorInvalid => cursor_invalid(),
            ReactionsError::LimitInvalid => limit_invalid(),
            ReactionsError::Store(error) => error.into(),
        }
    }
}

impl From<ArrivalsError> for Problem {
    fn from(error: ArrivalsError) -> Self {
        match error {
            ArrivalsError::NotFound => Self::not_found(),
            ArrivalsError::NotAuthor => {
                refused("not_author", "Only its author may know who has seen a message.")
            }
            ArrivalsError::NotAMember => not_a_member(),
            ArrivalsError::CursorInvalid => cursor_invalid(),
            ArrivalsError::LimitInvalid => limit_invalid(),
            ArrivalsError::Store(error) => error.into(),
        }
    }
}

impl From<ReadAllError> for Problem {
    fn from(error: ReadAllError) -> Self {
        match error {
            ReadAllError::NotFound => Self::not_found(),
            ReadAllError::NotAMember => not_a_member(),
            ReadAllError::Store(error) => error.into(),
        }
    }
}

impl From<ReactError> for Problem {
    fn from(error: ReactError) -> Self {
        match error {
            ReactError::NotFound => Self::not_found(),
            ReactError::NotAMember => not_a_member(),
            ReactError::EmojiInvalid => Self::field("emoji", "emoji_invalid", "This is not a single emoji."),
            ReactError::NotAllowed => refused("not_allowed", "This message takes no reactions."),
            ReactError::PostingRestricted => {
                refused("posting_restricted", "Only administrators may post here.")
            }
            ReactError::Deleted => message_deleted(),
            ReactError::TooMany => conflict("too_many_reactions", "There are too many different reactions."),
            ReactError::Store(error) => error.into(),
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
            SyncError::CursorExpired => Self::new(
                StatusCode::GONE,
                "cursor_expired",
                "The cursor is too old. Start again without one.",
            ),
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

impl From<AvatarError> for Problem {
    fn from(error: AvatarError) -> Self {
        let (code, detail) = match error {
            AvatarError::NotYours => ("attachment_not_yours", "The picture was not brought by you."),
            AvatarError::NotReady => ("attachment_not_ready", "The picture is not ready."),
            AvatarError::InUse => ("attachment_in_use", "The picture is in use already."),
            AvatarError::NoImage => ("avatar_invalid", "The picture has to be an image."),
        };
        Self::field("avatar_id", code, detail)
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
