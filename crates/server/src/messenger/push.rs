//! `/me/push`: where the caller's device takes notifications.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chinwag_messenger::PushSubscription;
use serde::Deserialize;
use utoipa::ToSchema;

use super::MessengerApi;
use super::auth::{By, Writes};
use super::extract::Body;
use crate::error::Problem;
use crate::push::{EndpointError, endpoint, fits};

/// As the browser gives it.
#[derive(Deserialize, ToSchema)]
pub(super) struct Subscription {
    endpoint: String,
    keys: SubscriptionKeys,
}

/// In base64 for URLs.
#[derive(Deserialize, ToSchema)]
struct SubscriptionKeys {
    p256dh: String,
    auth: String,
}

#[utoipa::path(
    put, path = "/me/push", tag = "me",
    request_body = Subscription,
    responses((status = 204, description = "The caller's device takes notifications there")),
)]
pub(super) async fn subscribe(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    Body(given): Body<Subscription>,
) -> Result<Response, Problem> {
    let Some(push) = &api.options.push else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "push_unavailable",
            "This server sends no pushes.",
        ));
    };
    endpoint(&given.endpoint, push.private_addresses()).map_err(|error| match error {
        EndpointError::Invalid => Problem::field(
            "endpoint",
            "endpoint_invalid",
            "This is no address of a push service.",
        ),
        EndpointError::NotAllowed => Problem::field(
            "endpoint",
            "endpoint_not_allowed",
            "Pushes do not go to addresses that are not public.",
        ),
    })?;
    let bytes = |text: &str| BASE64.decode(text.trim_end_matches('=')).unwrap_or_default();
    let (p256dh, auth) = (bytes(&given.keys.p256dh), bytes(&given.keys.auth));
    if !fits(&p256dh, &auth) {
        return Err(Problem::field(
            "keys",
            "keys_invalid",
            "These are no keys of a browser.",
        ));
    }
    let subscription = PushSubscription {
        endpoint: given.endpoint,
        p256dh,
        auth,
    };
    api.messenger.subscribe_push(&caller, subscription).await?;
    push.joined(caller.user);
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    delete, path = "/me/push", tag = "me",
    responses((status = 204, description = "The caller's device takes no notifications")),
)]
pub(super) async fn unsubscribe(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
) -> Result<Response, Problem> {
    api.messenger.unsubscribe_push(&caller).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
