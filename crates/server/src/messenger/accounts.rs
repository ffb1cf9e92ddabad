//! `/config`, `/health`, `/auth` and `/me`: the server, and one's own account on it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{LoggedIn, NewAccount};
use serde::{Deserialize, Serialize};

use super::auth::{self, By, Origin, Reads, Writes};
use super::extract::Body;
use super::limits::Meter;
use super::{MessengerApi, answer, ok, view};
use crate::error::Problem;

pub(super) async fn config(State(api): State<Arc<MessengerApi>>) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Config<'a> {
        name: &'a str,
        version: &'a str,
        api_version: u8,
        setup_required: bool,
        registration: &'static str,
        limits: Limits,
    }
    #[derive(Serialize)]
    struct Limits {
        body_chars: usize,
        body_bytes: usize,
        title_chars: usize,
        display_name_chars: usize,
        group_members: usize,
        page_size: usize,
        page_size_max: usize,
        receipts_members: usize,
        password_chars_min: usize,
        attachments: usize,
        file_bytes: u64,
        upload_quota_bytes: u64,
        uploads_per_hour: u32,
        voice_ms: u64,
        voice_bytes: u64,
        image_pixels: u64,
    }
    let options = api.messenger.options();
    ok(&Config {
        name: &api.options.name,
        version: env!("CARGO_PKG_VERSION"),
        api_version: 1,
        setup_required: api.messenger.setup_required().await?,
        registration: if options.registration_open {
            "open"
        } else {
            "closed"
        },
        limits: Limits {
            body_chars: options.body_chars_max,
            body_bytes: options.body_bytes_max,
            title_chars: options.title_chars_max,
            display_name_chars: options.display_name_chars_max,
            group_members: options.group_members_max,
            page_size: options.page_size,
            page_size_max: options.page_size_max,
            receipts_members: options.receipts_members_max,
            password_chars_min: options.password_chars_min,
            attachments: options.attachments.per_message_max,
            file_bytes: options.attachments.file_bytes_max,
            upload_quota_bytes: options.attachments.quota_bytes,
            uploads_per_hour: api.options.rate_limits.uploads_per_hour,
            voice_ms: options.attachments.voice_s_max * 1_000,
            voice_bytes: options.attachments.voice_bytes_max,
            image_pixels: options.attachments.image_pixels_max,
        },
    })
}

pub(super) async fn health() -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Health {
        status: &'static str,
    }
    ok(&Health { status: "ok" })
}

#[derive(Deserialize)]
pub(super) struct Registration {
    username: String,
    display_name: Option<String>,
    password: String,
    device_name: Option<String>,
    #[serde(default)]
    cookie: bool,
}

pub(super) async fn register(
    State(api): State<Arc<MessengerApi>>,
    origin: Origin,
    meter: Meter,
    Body(given): Body<Registration>,
) -> Result<Response, Problem> {
    api.limiter.address(origin.address, &meter)?;
    let new = NewAccount {
        username: given.username,
        display_name: given.display_name,
        password: given.password,
        device_name: given.device_name.unwrap_or_default(),
    };
    let logged_in = api.messenger.register(new).await?;
    welcome(StatusCode::CREATED, &logged_in, given.cookie, &origin)
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: String,
    device_name: Option<String>,
    #[serde(default)]
    cookie: bool,
}

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
    welcome(StatusCode::OK, &logged_in, given.cookie, &origin)
}

/// Hands the secret over: in the body, or in a cookie that scripts cannot read.
fn welcome(
    status: StatusCode,
    logged_in: &LoggedIn,
    cookie: bool,
    origin: &Origin,
) -> Result<Response, Problem> {
    let token = (!cookie).then(|| logged_in.token.reveal());
    let mut response = answer(
        status,
        &view::LoggedIn {
            user: (&logged_in.account).into(),
            token,
        },
    )?;
    if cookie {
        auth::begin_session(response.headers_mut(), &logged_in.token, origin);
    }
    Ok(response)
}

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

pub(super) async fn me(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
) -> Result<Response, Problem> {
    let account = api
        .messenger
        .account(caller.user)
        .await?
        .ok_or_else(Problem::unauthenticated)?;
    ok(&view::Me::from(&account))
}
