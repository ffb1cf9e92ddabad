//! `/conversations/{id}/invites` and `/invites`: links that let people join a group.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{ConversationId, InviteId, InviteWish};
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::{By, Reads, Writes};
use super::extract::{self, Body, PathId, PathText, Query, given};
use super::pages::PageQuery;
use super::view::{Invite, InvitePreview, List, ListItem};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

#[derive(Deserialize, ToSchema)]
pub(super) struct NewInvite {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    expires_in_s: Option<Option<u64>>,
    max_uses: Option<u64>,
}

#[utoipa::path(
    post, path = "/conversations/{id}/invites", tag = "invites",
    params(("id" = i64, Path)),
    request_body = NewInvite,
    responses((status = 201, description = "Created; the token is told this once", body = Invite)),
)]
pub(super) async fn create(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
    Body(given): Body<NewInvite>,
) -> Result<Response, Problem> {
    let wish = InviteWish {
        life_s: given.expires_in_s,
        max_uses: given.max_uses,
    };
    let created = api
        .messenger
        .create_invite(&caller, ConversationId(id), wish)
        .await?;
    let view = Invite::with(Some(&created.token), &created.invite);
    answer(StatusCode::CREATED, &view)
}

#[utoipa::path(
    get, path = "/conversations/{id}/invites", tag = "invites",
    params(("id" = i64, Path), PageQuery),
    responses((status = 200, description = "Newest first", body = List<Invite>)),
)]
pub(super) async fn list(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(given): Query<PageQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let page = api
        .messenger
        .invites(&caller, ConversationId(id), given.cursor.as_deref(), limit)
        .await?;
    ok(&List {
        items: page
            .items
            .iter()
            .map(|invite| Invite::with(None, invite))
            .collect(),
        next_cursor: page.next_cursor,
    })
}

#[utoipa::path(
    delete, path = "/invites/{token}", tag = "invites",
    params(("token" = String, Path, description = "The id of the invite")),
    responses((status = 204, description = "Done")),
)]
pub(super) async fn revoke(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let id = uuid::Uuid::try_parse(&id).map_err(|_| Problem::not_found())?;
    api.messenger.revoke_invite(&caller, InviteId(id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    get, path = "/invites/{token}", tag = "invites",
    params(("token" = String, Path)),
    responses((status = 200, description = "What is behind it", body = InvitePreview)),
)]
pub(super) async fn preview(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathText(token): PathText,
) -> Result<Response, Problem> {
    let preview = api.messenger.preview_invite(&caller, &token).await?;
    ok(&InvitePreview::new(&preview.conversation, preview.member))
}

#[utoipa::path(
    post, path = "/invites/{token}/join", tag = "invites",
    params(("token" = String, Path)),
    responses((status = 201, description = "Joined", body = ListItem), (status = 200, description = "A member already", body = ListItem)),
)]
pub(super) async fn join(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathText(token): PathText,
) -> Result<Response, Problem> {
    let joined = api.messenger.join(&caller, &token).await?;
    let status = if joined.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    answer(status, &ListItem::from(&joined.item))
}
