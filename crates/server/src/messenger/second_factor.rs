//! `/me/totp` and `/auth/second-factor`: codes besides the password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::accounts::welcome;
use super::auth::{By, Origin, Writes};
use super::extract::Body;
use super::limits::Meter;
use super::view::{LoggedIn, OfferedSecret, RecoveryCodes};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

#[derive(Deserialize, ToSchema)]
pub(super) struct PasswordProof {
    password: String,
}

#[utoipa::path(
    post, path = "/me/totp", tag = "me",
    request_body = PasswordProof,
    responses((status = 201, description = "A secret that waits to be confirmed", body = OfferedSecret)),
)]
pub(super) async fn offer(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    origin: Origin,
    Body(given): Body<PasswordProof>,
) -> Result<Response, Problem> {
    let (address, issuer) = (origin.address_text(), &api.options.name);
    let offered = api
        .messenger
        .offer_second_factor(&caller, &given.password, &address, issuer)
        .await?;
    answer(
        StatusCode::CREATED,
        &OfferedSecret {
            secret: offered.secret,
            uri: offered.uri,
        },
    )
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Code {
    code: String,
}

#[utoipa::path(
    post, path = "/me/totp/confirm", tag = "me",
    request_body = Code,
    responses((status = 200, description = "Logging in takes a code from now on", body = RecoveryCodes)),
)]
pub(super) async fn confirm(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    Body(given): Body<Code>,
) -> Result<Response, Problem> {
    let recovery_codes = api.messenger.confirm_second_factor(&caller, &given.code).await?;
    ok(&RecoveryCodes { recovery_codes })
}

#[derive(Deserialize, ToSchema)]
pub(super) struct BothProofs {
    password: String,
    /// Of the device, or a recovery code.
    code: String,
}

#[utoipa::path(
    post, path = "/me/totp/remove", tag = "me",
    request_body = BothProofs,
    responses((status = 204, description = "Logging in takes the password alone")),
)]
pub(super) async fn remove(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    origin: Origin,
    Body(given): Body<BothProofs>,
) -> Result<Response, Problem> {
    let address = origin.address_text();
    api.messenger
        .remove_second_factor(&caller, &given.password, &given.code, &address)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, ToSchema)]
pub(super) struct SecondStep {
    /// Of the answer `second_factor_required`.
    ticket: String,
    /// Of the device, or a recovery code.
    code: String,
    #[serde(default)]
    cookie: bool,
}

#[utoipa::path(
    post, path = "/auth/second-factor", tag = "auth",
    request_body = SecondStep,
    responses((status = 200, description = "Logged in", body = LoggedIn)),
    security(()),
)]
pub(super) async fn complete(
    State(api): State<Arc<MessengerApi>>,
    origin: Origin,
    meter: Meter,
    Body(given): Body<SecondStep>,
) -> Result<Response, Problem> {
    api.limiter.address(origin.address, &meter)?;
    let logged_in = api.messenger.second_step(&given.ticket, &given.code).await?;
    welcome(&api, StatusCode::OK, &logged_in, given.cookie, &origin).await
}
