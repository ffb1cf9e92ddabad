//! Pinned messages: `/messages/{id}/pin` and `/conversations/{id}/pins`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{ConversationId, MessageId};

use super::auth::{By, Reads, Writes};
use super::extract::PathId;
use super::view::{List, Message};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

#[utoipa::path(
    put, path = "/messages/{id}/pin", tag = "messages",
    params(("id" = i64, Path)),
    responses((status = 201, description = "Pinned", body = Message), (status = 200, description = "It was pinned", body = Message)),
)]
pub(super) async fn pin(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let (message, changed) = api.messenger.pin(&caller, MessageId(id), true).await?;
    let status = if changed {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    answer(status, &Message::from(&message))
}

#[utoipa::path(
    delete, path = "/messages/{id}/pin", tag = "messages",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Not pinned any more")),
)]
pub(super) async fn unpin(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    api.messenger.pin(&caller, MessageId(id), false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    get, path = "/conversations/{id}/pins", tag = "messages",
    params(("id" = i64, Path)),
    responses((status = 200, description = "Pinned messages, last pinned first", body = List<Message>)),
)]
pub(super) async fn list(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let pins = api.messenger.pins(&caller, ConversationId(id)).await?;
    ok(&List::whole(pins.iter().map(Message::from).collect::<Vec<_>>()))
}
