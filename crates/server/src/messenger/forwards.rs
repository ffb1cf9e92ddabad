//! `/messages/forward`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chinwag_messenger::{ConversationId, MessageId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::{By, OwnPrice};
use super::extract::Body;
use super::limits::Meter;
use super::view::{List, Message};
use super::{MessengerApi, answer};
use crate::error::Problem;

/// Conversations whose rate is asked; more are refused for their number.
const TARGETS_MAX: usize = 10;

#[derive(Deserialize, ToSchema)]
pub(super) struct Forwarding {
    /// 1 to 20, in the order of the copies.
    message_ids: Vec<i64>,
    /// 1 to 10 conversations.
    to: Vec<i64>,
}

#[utoipa::path(
    post, path = "/messages/forward", tag = "messages",
    request_body = Forwarding,
    responses((status = 201, description = "The copies, for each conversation in the order of the messages", body = List<Message>)),
)]
pub(super) async fn forward(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<OwnPrice>,
    meter: Meter,
    Body(given): Body<Forwarding>,
) -> Result<Response, Problem> {
    for &id in given.to.iter().take(TARGETS_MAX) {
        api.limiter.send(caller.user, ConversationId(id), &meter)?;
    }
    let messages: Vec<_> = given.message_ids.into_iter().map(MessageId).collect();
    let to: Vec<_> = given.to.into_iter().map(ConversationId).collect();
    let copies = api.messenger.forward(&caller, &messages, &to).await?;
    let list = List::whole(copies.iter().map(Message::from).collect::<Vec<_>>());
    answer(StatusCode::CREATED, &list)
}
