//! `/config`, `/health` and `/auth`: the server, and getting in and out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chinwag_messenger as domain;
use chinwag_messenger::{Email, EmailError, LoggedIn, NewAccount, SETTINGS_BYTES_MAX};
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;

use super::auth::{self, By, Origin, Writes};
use super::extract::Body;
use super::limits::Meter;
use super::{MessengerApi, answer, ok, view};
use crate::error::Problem;

/// The server and what it allows.
#[derive(Serialize, ToSchema)]
pub(super) struct Config {
    name: String,
    version: &'static str,
    api_version: u8,
    /// Nobody has an account yet: the next one becomes the owner.
    setup_required: bool,
    registration: RegistrationWord,
    /// Whether the server sends mail: addresses can be proven, forgotten passwords set anew.
    mail: bool,
    /// What browsers subscribe to pushes with; null when there are none.
    push_key: Option<String>,
    limits: Limits,
}

/// Whether people may create accounts themselves.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RegistrationMode)]
enum RegistrationWord {
    Open,
    /// With an invite to the server.
    Invite,
    Closed,
}

/// Limits in force. Lengths count characters unless named otherwise.
#[derive(Serialize, ToSchema)]
struct Limits {
    body_chars: usize,
    body_bytes: usize,
    title_chars: usize,
    description_chars: usize,
    display_name_chars: usize,
    bio_chars: usize,
    settings_bytes: usize,
    devices: usize,
    /// Seconds after which a login ends that was not used.
    device_idle_s: u64,
    /// Realtime connections of one user.
    connections: usize,
    group_members: usize,
    group_admins: usize,
    mention_all_members: usize,
    pins: usize,
    groups_per_day: usize,
    conversations: usize,
    invites: usize,
    invite_life_s: u64,
    page_size: usize,
    page_size_max: usize,
    receipts_members: usize,
    password_chars_min: usize,
    /// Attachments of one message.
    attachments: usize,
    file_bytes: u64,
    /// Bytes that one user may have uploaded.
    upload_quota_bytes: u64,
    uploads_per_hour: u32,
    voice_ms: u64,
    voice_bytes: u64,
    image_pixels: u64,
    reports_per_day: usize,
    /// Different emojis under a message.
    reactions: usize,
    /// Versions kept of an edited message, where any are.
    versions: u64,
    /// What new conversations begin with: 0 never, null always.
    edit_window_s: Option<u64>,
    delete_window_s: Option<u64>,
    typing_members: usize,
    /// In larger conversations only those who have them open see others type.
    typing_relayed_members: usize,
    /// Signals that come sooner are dropped.
    typing_pause_s: u32,
    /// Who still types says so again.
    typing_repeat_s: u32,
    /// Who has not said so again does not type any more.
    typing_expiry_s: u32,
    presence_members: usize,
    presence_watchers: usize,
    /// How long somebody may be gone without being called offline.
    presence_grace_s: u64,
    presence_pause_s: u64,
    /// Without input somebody is away.
    away_after_s: u32,
    login_failures: u32,
    login_window_s: u64,
    /// How often one may ask; 0 is without limit.
    sends_per_conversation_5s: u32,
    sends_per_minute: u32,
    writes_per_minute: u32,
    reads_per_minute: u32,
    searches_per_minute: u32,
    /// Pending changes of a conversation beyond which clients start it afresh.
    changes: u64,
    cursor_life_s: u64,
    /// Messages that do not fit come cut, with `truncated`.
    event_bytes: usize,
    /// How long to wait for a missing event.
    gap_wait_ms: u32,
}

#[utoipa::path(
    get, path = "/config", tag = "server",
    responses((status = 200, description = "The server and its limits", body = Config)),
    security(()),
)]
pub(super) async fn config(State(api): State<Arc<MessengerApi>>) -> Result<Response, Problem> {
    let options = api.messenger.options();
    let (rates, hints) = (&api.options.rate_limits, &api.options.hints);
    ok(&Config {
        name: api.options.name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        api_version: 1,
        setup_required: api.messenger.setup_required().await?,
        registration: match options.registration {
            domain::Registration::Open => RegistrationWord::Open,
            domain::Registration::Invite => RegistrationWord::Invite,
            domain::Registration::Closed => RegistrationWord::Closed,
        },
        mail: api.messenger.mail_available(),
        push_key: api.options.push.as_ref().map(|push| push.public_key().to_owned()),
        limits: Limits {
            body_chars: options.body_chars_max,
            body_bytes: options.body_bytes_max,
            title_chars: options.title_chars_max,
            description_chars: options.description_chars_max,
            display_name_chars: options.display_name_chars_max,
            bio_chars: options.bio_chars_max,
            settings_bytes: SETTINGS_BYTES_MAX,
            devices: options.devices_max,
            device_idle_s: options.device_idle_s,
            connections: api.options.user_connections_max,
            group_members: options.group_members_max,
            group_admins: options.group_admins_max,
            mention_all_members: options.mention_all_members_max,
            pins: options.pins_max,
            groups_per_day: options.groups_per_day_max,
            conversations: options.conversations_max,
            invites: options.invites_max,
            invite_life_s: options.invite_life_s,
            page_size: options.page_size,
            page_size_max: options.page_size_max,
            receipts_members: options.receipts_members_max,
            password_chars_min: options.password_chars_min,
            attachments: options.attachments.per_message_max,
            file_bytes: options.attachments.file_bytes_max,
            upload_quota_bytes: options.attachments.quota_bytes,
            uploads_per_hour: rates.uploads_per_hour,
            voice_ms: options.attachments.voice_s_max * 1_000,
            voice_bytes: options.attachments.voice_bytes_max,
            image_pixels: options.attachments.image_pixels_max,
            reports_per_day: options.reports_per_day_max,
            reactions: options.reactions_distinct_max,
            versions: options.versions_max,
            edit_window_s: options.policies.edit_window_s,
            delete_window_s: options.policies.delete_window_s,
            typing_members: options.typing_members_max,
            typing_relayed_members: options.typing_relayed_members_max,
            typing_pause_s: rates.typing_pause_s,
            typing_repeat_s: hints.typing_repeat_s,
            typing_expiry_s: hints.typing_expiry_s,
            presence_members: options.presence_members_max,
            presence_watchers: options.presence_watchers_max,
            presence_grace_s: api.presence.options().grace.as_secs(),
            presence_pause_s: api.presence.options().pause.as_secs(),
            away_after_s: hints.away_after_s,
            login_failures: options.login_failures_max,
            login_window_s: options.login_window_s,
            sends_per_conversation_5s: rates.sends_per_conversation_5s,
            sends_per_minute: rates.sends_per_minute,
            writes_per_minute: rates.writes_per_minute,
            reads_per_minute: rates.reads_per_minute,
            searches_per_minute: rates.searches_per_minute,
            changes: options.changes_max,
            cursor_life_s: options.cursor_life_s,
            event_bytes: api.options.event_bytes_max,
            gap_wait_ms: hints.gap_wait_ms,
        },
    })
}

/// The process lives.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
}

#[utoipa::path(
    get, path = "/health", tag = "server",
    responses((status = 200, description = "The process lives", body = Health)),
    security(()),
)]
pub(super) async fn health() -> Result<Response, Problem> {
    ok(&Health { status: "ok" })
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Registration {
    username: String,
    display_name: Option<String>,
    password: String,
    /// The token of an invite to the server, where one is needed.
    invite: Option<String>,
    /// Proven by a mail that is sent there; only where the server sends mail.
    email: Option<String>,
    device_name: Option<String>,
    #[serde(default)]
    cookie: bool,
}

#[utoipa::path(
    post, path = "/auth/register", tag = "auth",
    request_body = Registration,
    responses((status = 201, description = "A new account, logged in", body = view::LoggedIn)),
    security(()),
)]
pub(super) async fn register(
    State(api): State<Arc<MessengerApi>>,
    origin: Origin,
    meter: Meter,
    Body(given): Body<Registration>,
) -> Result<Response, Problem> {
    api.limiter.address(origin.address, &meter)?;
    let email = match given.email.as_deref() {
        Some(_) if !api.messenger.mail_available() => return Err(EmailError::Unavailable.into()),
        Some(email) => Some(Email::parse(email).ok_or(EmailError::Invalid)?),
        None => None,
    };
    let new = NewAccount {
        username: given.username,
        display_name: given.display_name,
        password: given.password,
        invite: given.invite,
        device_name: given.device_name.unwrap_or_default(),
    };
    let logged_in = api.messenger.register(new).await?;
    // The account is there whatever becomes of the address, which can be given again.
    if email.is_some()
        && let Err(error) = api.messenger.want_email(logged_in.account.id, email).await
    {
        warn!(%error, "The address of a new account could not be noted");
    }
    welcome(&api, StatusCode::CREATED, &logged_in, given.cookie, &origin).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Credentials {
    username: String,
    password: String,
    device_name: Option<String>,
    #[serde(default)]
    cookie: bool,
}

#[utoipa::path(
    post, path = "/auth/login", tag = "auth",
    request_body = Credentials,
    responses((status = 200, description = "Logged in", body = view::LoggedIn)),
    security(()),
)]
pub(super) async fn log_in(
    State(api): State<Arc<MessengerApi>>,
    origin: Origin,
    meter: Meter,
    Body(given): Body<Credentials>,
) -> Result<Response, Problem> {
    api.limiter.address(origin.address, &meter)?;
    let device_name = given.device_name.unwrap_or_default();
    let address = origin.address_text();
    let logged_in = api
        .messenger
        .log_in(&given.username, &given.password, &device_name, &address)
        .await?;
    welcome(&api, StatusCode::OK, &logged_in, given.cookie, &origin).await
}

/// Hands the secret over: in the body, or in a cookie that scripts cannot read.
pub(super) async fn welcome(
    api: &MessengerApi,
    status: StatusCode,
    logged_in: &LoggedIn,
    cookie: bool,
    origin: &Origin,
) -> Result<Response, Problem> {
    let me = api.messenger.me(logged_in.account.id).await?;
    let me = me.ok_or_else(Problem::unauthenticated)?;
    let token = (!cookie).then(|| logged_in.token.reveal());
    let mut response = answer(
        status,
        &view::LoggedIn {
            user: (&me).into(),
            token,
        },
    )?;
    if cookie {
        auth::begin_session(response.headers_mut(), &logged_in.token, origin);
    }
    Ok(response)
}

#[utoipa::path(
    post, path = "/auth/logout", tag = "auth",
    responses((status = 204, description = "The login has ended")),
)]
pub(super) async fn log_out(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    api.end_login(&caller).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if auth::has_session(&headers) {
        auth::end_session(response.headers_mut(), &origin);
    }
    Ok(response)
}
