//! `/auth/email` and `/auth/password`: what comes back from mails.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::MessengerApi;
use super::auth::Origin;
use super::extract::Body;
use super::limits::Meter;
use crate::error::Problem;

#[derive(Deserialize, ToSchema)]
pub(super) struct MailToken {
    token: String,
}

#[utoipa::path(
    post, path = "/auth/email/verify", tag = "auth",
    request_body = MailToken,
    responses((status = 204, description = "The address is the account's own")),
    security(()),
)]
pub(super) async fn verify(
    State(api): State<Arc<MessengerApi>>,
    origin: Origin,
    meter: Meter,
    Body(given): Body<MailToken>,
) -> Result<Response, Problem> {
    api.limiter.address(origin.address, &meter)?;
    api.messenger.verify_email(&given.token).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Forgotten {
    email: String,
}

#[utoipa::path(
    post, path = "/auth/password/forgot", tag = "auth",
    request_body = Forgotten,
    responses((status = 204, description = "If an account has proven this address, a mail is on its way")),
    security(()),
)]
pub(super) async fn forgot(
    State(api): State<Arc<MessengerApi>>,
    origin: Origin,
    meter: Meter,
    Body(given): Body<Forgotten>,
) -> Result<Response, Problem> {
    api.limiter.address(origin.address, &meter)?;
    api.messenger.forgot_password(&given.email)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, ToSchema)]
pub(super) struct PasswordReset {
    token: String,
    password: String,
}

#[utoipa::path(
    post, path = "/auth/password/reset", tag = "auth",
    request_body = PasswordReset,
    responses((status = 204, description = "The password is set; all logins of the account have ended")),
    security(()),
)]
pub(super) async fn reset(
    State(api): State<Arc<MessengerApi>>,
    origin: Origin,
    meter: Meter,
    Body(given): Body<PasswordReset>,
) -> Result<Response, Problem> {
    api.limiter.address(origin.address, &meter)?;
    api.messenger
        .reset_password(&given.token, &given.password)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
