//! `/contacts` and `/blocks`: whom one knows, and of whom one does not want to hear.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::UserId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, Reads, Writes};
use super::extract::{Body, PathId, Query};
use super::pages::PageQuery;
use super::view::{Blocked, Contact, List};
use super::{MessengerApi, ok};
use crate::error::Problem;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// The beginning of a username, or of a word of a display name or alias.
    q: Option<String>,
}

/// Also the people of direct conversations.
#[utoipa::path(
    get, path = "/contacts", tag = "people",
    params(Search, PageQuery),
    responses((status = 200, description = "By the name they are known by", body = List<Contact>)),
)]
pub(super) async fn list(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Query(given): Query<Search>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Problem> {
    let query = given.q.unwrap_or_default();
    let contacts = api.messenger.contacts(&caller, &query).await?;
    let page: List<Contact<'_>> =
        page.of(&contacts, |contact| contact.account.id.0, api.messenger.options())?;
    ok(&page)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Keeping {
    /// What the caller calls them.
    alias: Option<String>,
}

#[utoipa::path(
    put, path = "/contacts/{user_id}", tag = "people",
    params(("user_id" = i64, Path)),
    request_body = Keeping,
    responses((status = 200, description = "Kept as contact", body = Contact)),
)]
pub(super) async fn keep(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(user): PathId,
    Body(given): Body<Keeping>,
) -> Result<Response, Problem> {
    let contact = api
        .messenger
        .set_contact(&caller, UserId(user), given.alias.as_deref())
        .await?;
    ok(&Contact::from(&contact))
}

#[utoipa::path(
    delete, path = "/contacts/{user_id}", tag = "people",
    params(("user_id" = i64, Path)),
    responses((status = 204, description = "No contact any more")),
)]
pub(super) async fn forget(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(user): PathId,
) -> Result<Response, Problem> {
    api.messenger.remove_contact(&caller, UserId(user)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    get, path = "/blocks", tag = "people",
    params(PageQuery),
    responses((status = 200, description = "The newest first", body = List<Blocked>)),
)]
pub(super) async fn blocks(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Problem> {
    let blocked = api.messenger.blocks(&caller).await?;
    let page: List<Blocked<'_>> =
        page.of(&blocked, |blocked| blocked.account.id.0, api.messenger.options())?;
    ok(&page)
}

#[utoipa::path(
    put, path = "/blocks/{user_id}", tag = "people",
    params(("user_id" = i64, Path)),
    responses((status = 204, description = "Blocked")),
)]
pub(super) async fn block(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(user): PathId,
) -> Result<Response, Problem> {
    api.messenger.set_block(&caller, UserId(user), true).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    delete, path = "/blocks/{user_id}", tag = "people",
    params(("user_id" = i64, Path)),
    responses((status = 204, description = "Not blocked any more")),
)]
pub(super) async fn unblock(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(user): PathId,
) -> Result<Response, Problem> {
    api.messenger.set_block(&caller, UserId(user), false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
