//! `/messages/{id}`, and below it: editing, deleting, reacting.

use std::sync::Arc;

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{Caller, MessageId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, Reads, Writes};
use super::extract::{self, Body, PathId, Query};
use super::view::{List, Mention, Message, Moment, User};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

/// Most messages in one request.
const MESSAGES_MAX: usize = 100;

#[derive(Deserialize, ToSchema)]
pub(super) struct Editing {
    body: String,
}

#[utoipa::path(
    patch, path = "/messages/{id}", tag = "messages",
    params(("id" = i64, Path), ("If-Match" = Option<String>, Header, description = "The rev one has seen, quoted")),
    request_body = Editing,
    responses((status = 200, description = "As it is now", body = Message)),
)]
pub(super) async fn edit(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(given): Body<Editing>,
) -> Result<Response, Problem> {
    let rev = if_match(&headers)?;
    let message = api
        .messenger
        .edit(&caller, MessageId(id), &given.body, rev)
        .await?;
    ok(&Message::from(&message))
}

/// What a message said before.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageVersion {
    /// Counts from 1.
    version: u64,
    body: String,
    mentions: Vec<Mention>,
    #[schema(value_type = String, format = DateTime)]
    replaced_at: Moment,
}

#[utoipa::path(
    get, path = "/messages/{id}/versions", tag = "messages",
    params(("id" = i64, Path)),
    responses((status = 200, description = "What it said before, oldest first", body = List<MessageVersion>)),
)]
pub(super) async fn versions(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let versions = api.messenger.versions(&caller, MessageId(id)).await?;
    let items = versions.into_iter().map(|version| MessageVersion {
        version: version.number,
        mentions: version.mentions.iter().map(Mention::from).collect(),
        body: version.body,
        replaced_at: Moment(version.replaced_at),
    });
    ok(&List::whole(items.collect()))
}

/// The rev in `If-Match: "1044"`; `*` is any.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let rev = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    // What is no rev of ours matches nothing.
    match rev.map(|rev| extract::number("If-Match", Some(rev))) {
        Some(Ok(rev)) => Ok(rev),
        _ => Err(Problem::stale_revision()),
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// `everyone`, which is the default, or `me`.
    r#for: Option<String>,
}

#[utoipa::path(
    delete, path = "/messages/{id}", tag = "messages",
    params(("id" = i64, Path), DeleteQuery),
    responses((status = 204, description = "Deleted, for everyone or for the caller")),
)]
pub(super) async fn delete(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
    Query(given): Query<DeleteQuery>,
) -> Result<Response, Problem> {
    delete_for(&api, &caller, given.r#for.as_deref(), &[MessageId(id)]).await
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Deleting {
    /// At most 100.
    message_ids: Vec<i64>,
    /// `everyone`, which is the default, or `me`.
    r#for: Option<String>,
}

async fn delete_for(
    api: &MessengerApi,
    caller: &Caller,
    whom: Option<&str>,
    ids: &[MessageId],
) -> Result<Response, Problem> {
    match whom {
        None | Some("everyone") => api.messenger.delete(caller, ids).await?,
        Some("me") => api.messenger.hide(caller, ids).await?,
        Some(_) => return Err(Problem::malformed("for", "type_invalid")),
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    post, path = "/messages/delete", tag = "messages",
    request_body = Deleting,
    responses((status = 204, description = "All deleted; for everyone, those of one conversation under one rev")),
)]
pub(super) async fn delete_many(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    Body(given): Body<Deleting>,
) -> Result<Response, Problem> {
    if given.message_ids.len() > MESSAGES_MAX {
        return Err(Problem::malformed("message_ids", "too_many"));
    }
    let ids: Vec<_> = given.message_ids.into_iter().map(MessageId).collect();
    delete_for(&api, &caller, given.r#for.as_deref(), &ids).await
}

/// The `{id}` and the `{emoji}` of the path.
pub(super) struct PathEmoji(MessageId, String);

impl<S: Send + Sync> FromRequestParts<S> for PathEmoji {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Ok(Path((id, emoji))) = parts.extract::<Path<(String, String)>>().await else {
            return Err(Problem::not_found());
        };
        let id = extract::id(&id).ok_or_else(Problem::not_found)?;
        Ok(Self(MessageId(id), emoji))
    }
}

#[utoipa::path(
    put, path = "/messages/{id}/reactions/{emoji}", tag = "messages",
    params(("id" = i64, Path), ("emoji" = String, Path)),
    responses((status = 201, description = "Put under the message", body = Message), (status = 200, description = "It was there", body = Message)),
)]
pub(super) async fn react(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathEmoji(id, emoji): PathEmoji,
) -> Result<Response, Problem> {
    let (message, changed) = api.messenger.react(&caller, id, &emoji, true).await?;
    let status = if changed {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    answer(status, &Message::from(&message))
}

#[utoipa::path(
    delete, path = "/messages/{id}/reactions/{emoji}", tag = "messages",
    params(("id" = i64, Path), ("emoji" = String, Path)),
    responses((status = 204, description = "No longer there")),
)]
pub(super) async fn unreact(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathEmoji(id, emoji): PathEmoji,
) -> Result<Response, Problem> {
    api.messenger.react(&caller, id, &emoji, false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReactionsQuery {
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    cursor: Option<String>,
}

/// An emoji that somebody put under a message.
#[derive(Serialize, ToSchema)]
pub(super) struct ReactionBy<'a> {
    user: User<'a>,
    emoji: &'a str,
    created_at: Moment,
}

#[utoipa::path(
    get, path = "/messages/{id}/reactions", tag = "messages",
    params(("id" = i64, Path), ReactionsQuery),
    responses((status = 200, description = "Who reacted, in the order in which they did", body = List<ReactionBy>)),
)]
pub(super) async fn reactions(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(given): Query<ReactionsQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let page = api
        .messenger
        .reactions(&caller, MessageId(id), given.cursor.as_deref(), limit)
        .await?;
    let items = page.items.iter().map(|reaction| ReactionBy {
        user: (&reaction.account).into(),
        emoji: &reaction.emoji,
        created_at: Moment(reaction.at),
    });
    ok(&List {
        items: items.collect(),
        next_cursor: page.next_cursor,
    })
}
