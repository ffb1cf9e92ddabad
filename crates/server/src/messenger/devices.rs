//! `/me/devices`: where one is logged in, and ending that elsewhere.

use std::sync::Arc;

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::auth::{self, By, Origin, Reads, Writes};
use super::view::{Device, List, Renewed};
use super::{MessengerApi, ok};
use crate::error::Problem;

#[utoipa::path(
    get, path = "/me/devices", tag = "me",
    responses((status = 200, description = "The caller's logins, last used first", body = List<Device>)),
)]
pub(super) async fn list(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
) -> Result<Response, Problem> {
    let devices = api.messenger.devices(&caller).await?;
    ok(&List::whole(devices.iter().map(Device::from).collect()))
}

/// The `{id}` of a device. One that can be no UUID is not found.
pub(super) struct DeviceId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for DeviceId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Ok(Path(text)) = parts.extract::<Path<String>>().await else {
            return Err(Problem::not_found());
        };
        Uuid::try_parse(&text).map(Self).map_err(|_| Problem::not_found())
    }
}

#[utoipa::path(
    delete, path = "/me/devices/{id}", tag = "me",
    params(("id" = Uuid, Path)),
    responses((status = 204, description = "The login has ended, and its sockets are closed")),
)]
pub(super) async fn end(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    DeviceId(device): DeviceId,
) -> Result<Response, Problem> {
    if !api.messenger.end_device(&caller, device).await? {
        return Err(Problem::not_found());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    delete, path = "/me/devices", tag = "me",
    responses((status = 204, description = "All logins but this one have ended")),
)]
pub(super) async fn end_others(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
) -> Result<Response, Problem> {
    api.messenger.end_other_devices(&caller).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Who relies on the cookie gets a new cookie, everybody else a new token.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "auth",
    responses((status = 200, description = "A new secret for the same login; the old one is void", body = Renewed)),
)]
pub(super) async fn renew(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    origin: Origin,
    headers: axum::http::HeaderMap,
) -> Result<Response, Problem> {
    let token = api.messenger.renew(&caller).await?;
    let token = token.ok_or_else(Problem::unauthenticated)?;
    let cookie = matches!(auth::presented(&headers), auth::Presented::Cookie(_));
    let mut response = ok(&Renewed {
        token: (!cookie).then(|| token.reveal().to_owned()),
    })?;
    if cookie {
        auth::begin_session(response.headers_mut(), &token, &origin);
    }
    Ok(response)
}
