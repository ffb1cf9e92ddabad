//! `/admin/server-invites`: letting people register where not everybody may.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Admin;
use crate::error::Problem;
use crate::messenger::auth::{Reads, Writes};
use crate::messenger::extract::{self, Body, PathText, Query, given};
use crate::messenger::pages::PageQuery;
use crate::messenger::view::{List, ServerInvite};
use crate::messenger::{MessengerApi, answer, ok};

#[derive(Deserialize, ToSchema)]
pub(in crate::messenger) struct NewServerInvite {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    expires_in_s: Option<Option<u64>>,
    max_uses: Option<u64>,
}

#[utoipa::path(
    post, path = "/admin/server-invites", tag = "moderation",
    request_body = NewServerInvite,
    responses((status = 201, description = "Created; the token is told this once", body = ServerInvite)),
)]
pub(in crate::messenger) async fn create(
    State(api): State<Arc<MessengerApi>>,
    admin: Admin<Writes>,
    Body(given): Body<NewServerInvite>,
) -> Result<Response, Problem> {
    let created = api
        .messenger
        .create_server_invite(&admin, given.expires_in_s, given.max_uses)
        .await?;
    let view = ServerInvite::with(Some(&created.token), &created.invite);
    answer(StatusCode::CREATED, &view)
}

#[utoipa::path(
    get, path = "/admin/server-invites", tag = "moderation",
    params(PageQuery),
    responses((status = 200, description = "Newest first", body = List<ServerInvite>)),
)]
pub(in crate::messenger) async fn list(
    State(api): State<Arc<MessengerApi>>,
    _: Admin<Reads>,
    Query(given): Query<PageQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let page = api
        .messenger
        .server_invites(given.cursor.as_deref(), limit)
        .await?;
    ok(&List {
        items: page
            .items
            .iter()
            .map(|invite| ServerInvite::with(None, invite))
            .collect(),
        next_cursor: page.next_cursor,
    })
}

#[utoipa::path(
    delete, path = "/admin/server-invites/{id}", tag = "moderation",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "It lets nobody in any more")),
)]
pub(in crate::messenger) async fn revoke(
    State(api): State<Arc<MessengerApi>>,
    admin: Admin<Writes>,
    PathText(id): PathText,
) -> Result<Response, Problem> {
    let id = uuid::Uuid::try_parse(&id).map_err(|_| Problem::not_found())?;
    match api.messenger.revoke_server_invite(&admin, id).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::not_found()),
    }
}
