//! `/messages` and `/conversations/{id}/messages`: sending and reading.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use chinwag_messenger::{
    AttachmentId, ClientId, ConversationId, Draft, HistoryRange, MessageId, SendError, ThreadPlace,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::auth::{By, OwnPrice, Reads};
use super::extract::{self, Body, PathId, Query};
use super::limits::Meter;
use super::view::{History, Message};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

pub(super) const IDEMPOTENT_REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Only messages with a lower seq.
    #[param(value_type = Option<u64>)]
    before: Option<String>,
    /// Only messages with a higher seq.
    #[param(value_type = Option<u64>)]
    after: Option<String>,
    /// The page around this seq.
    #[param(value_type = Option<u64>)]
    around: Option<String>,
    #[param(value_type = Option<u64>)]
    pub(super) limit: Option<String>,
}

#[utoipa::path(
    get, path = "/conversations/{id}/messages", tag = "messages",
    params(("id" = i64, Path), HistoryQuery),
    responses((status = 200, description = "A page, ascending by seq", body = History)),
)]
pub(super) async fn list(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(given): Query<HistoryQuery>,
) -> Result<Response, Problem> {
    let range = range(&given)?;
    let limit = extract::limit(given.limit.as_deref())?;
    let history = api
        .messenger
        .history(&caller, ConversationId(id), range, limit)
        .await?;
    ok(&History::from(&history))
}

pub(super) fn range(given: &HistoryQuery) -> Result<HistoryRange, Problem> {
    let before = extract::number("before", given.before.as_deref())?;
    let after = extract::number("after", given.after.as_deref())?;
    let around = extract::number("around", given.around.as_deref())?;
    match (before, after, around) {
        (None, None, None) => Ok(HistoryRange::Newest),
        (Some(seq), None, None) => Ok(HistoryRange::Before(seq)),
        (None, Some(seq), None) => Ok(HistoryRange::After(seq)),
        (None, None, Some(seq)) => Ok(HistoryRange::Around(seq)),
        _ => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "range_invalid",
            "Give only one of before, after and around.",
        )),
    }
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Sending {
    /// The author's own key for this message, by which a repetition is known.
    #[schema(value_type = uuid::Uuid, required)]
    client_id: Option<String>,
    #[serde(default)]
    body: String,
    /// Files that the author brought before, in their order.
    #[serde(default)]
    #[schema(value_type = Vec<uuid::Uuid>)]
    attachments: Vec<String>,
    reply_to: Option<i64>,
    /// The message whose thread it belongs to.
    thread_root_id: Option<i64>,
    /// Whether a reply in a thread shows in the conversation, too.
    #[serde(default)]
    also_in_timeline: bool,
    /// Whether the author has seen everything up to this message.
    #[serde(default = "yes")]
    advance_seen: bool,
}

fn yes() -> bool {
    true
}

#[utoipa::path(
    post, path = "/conversations/{id}/messages", tag = "messages",
    params(("id" = i64, Path)),
    request_body = Sending,
    responses((status = 201, description = "Sent", body = Message), (status = 200, description = "Sent before; Idempotent-Replay is set", body = Message)),
)]
pub(super) async fn send(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<OwnPrice>,
    meter: Meter,
    PathId(id): PathId,
    Body(given): Body<Sending>,
) -> Result<Response, Problem> {
    api.limiter.send(caller.user, ConversationId(id), &meter)?;
    let draft = Draft {
        client_id: client_id(given.client_id.as_deref().unwrap_or_default())?,
        body: given.body,
        attachments: attachments(&given.attachments)?,
        reply_to: given.reply_to.map(MessageId),
        thread: given.thread_root_id.map(|root| ThreadPlace {
            root: MessageId(root),
            also_in_timeline: given.also_in_timeline,
        }),
        advance_seen: given.advance_seen,
    };
    let sent = api.messenger.send(&caller, ConversationId(id), draft).await?;
    let status = if sent.replay {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let mut response = answer(status, &Message::from(&sent.message))?;
    if sent.replay {
        response
            .headers_mut()
            .insert(IDEMPOTENT_REPLAY, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Only the usual spelling, since clients find their message again by comparing it.
/// What is no id at all is nobody's attachment.
fn attachments(ids: &[String]) -> Result<Vec<AttachmentId>, Problem> {
    let ids = ids.iter().map(|id| extract::uuid(id).map(AttachmentId));
    ids.collect::<Option<_>>()
        .ok_or_else(|| SendError::AttachmentNotYours.into())
}

fn client_id(text: &str) -> Result<ClientId, Problem> {
    match Uuid::try_parse(text) {
        Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(ClientId(id)),
        _ => Err(Problem::field(
            "client_id",
            "client_id_invalid",
            "The client_id has to be a UUID.",
        )),
    }
}

#[utoipa::path(
    get, path = "/messages/{id}", tag = "messages",
    params(("id" = i64, Path)),
    responses((status = 200, description = "A message", body = Message)),
)]
pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let message = api.messenger.message(&caller, MessageId(id)).await?;
    ok(&Message::from(&message))
}
