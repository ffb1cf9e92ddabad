//! `/conversations/{id}/members` and what goes with them: bans, leaving, giving the group to another.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{Caller, ConversationId, Role, UserId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, Home, Reads, Writes};
use super::extract::{self, Body, PathId, PathIds, Query};
use super::pages::PageQuery;
use super::view::{Added, Ban, List, ListedMember};
use super::{MessengerApi, ok};
use crate::error::Problem;

/// People added by one request.
const ADDED_MAX: usize = 1_024;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MemberQuery {
    /// How a username, or a word of a display name, begins.
    q: Option<String>,
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    cursor: Option<String>,
}

#[utoipa::path(
    get, path = "/conversations/{id}/members", tag = "members",
    params(("id" = i64, Path), MemberQuery),
    responses((status = 200, description = "Members by id", body = List<ListedMember>)),
)]
pub(super) async fn list(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(given): Query<MemberQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let (query, cursor) = (given.q.as_deref(), given.cursor.as_deref());
    let page = api
        .messenger
        .members(&caller, ConversationId(id), query, cursor, limit)
        .await?;
    ok(&List {
        items: page.items.iter().map(ListedMember::from).collect(),
        next_cursor: page.next_cursor,
    })
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Adding {
    user_ids: Vec<i64>,
}

#[utoipa::path(
    post, path = "/conversations/{id}/members", tag = "members",
    params(("id" = i64, Path)),
    request_body = Adding,
    responses((status = 200, description = "Who came, and who was there already", body = Added)),
)]
pub(super) async fn add(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
    home: Home,
    Body(given): Body<Adding>,
) -> Result<Response, Problem> {
    if !(1..=ADDED_MAX).contains(&given.user_ids.len()) {
        return Err(Problem::malformed("user_ids", "count_invalid"));
    }
    let users: Vec<UserId> = given.user_ids.into_iter().map(UserId).collect();
    let added = api
        .messenger
        .add_members(&caller, ConversationId(id), &users)
        .await?;
    if !added.refused.is_empty() {
        let invited = invite(&api, &caller, ConversationId(id), &added.invitable, &home).await?;
        return Err(Problem::cannot_add(&added.refused, &invited, None));
    }
    ok(&Added::from(&added))
}

/// Sends invites to those who do not let the caller add them, as far as they take messages and the caller may send
/// some. Returns who got one.
pub(super) async fn invite(
    api: &MessengerApi,
    caller: &Caller,
    group: ConversationId,
    users: &[UserId],
    home: &Home,
) -> Result<Vec<UserId>, Problem> {
    let mut invited = Vec::new();
    for &user in users {
        if api.limiter.invitation(caller.user).is_err() {
            break;
        }
        let link = |token: &str| format!("{}/join/{token}", home.0);
        if api.messenger.invite_by_message(caller, group, user, link).await? {
            invited.push(user);
        }
    }
    Ok(invited)
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RoleWish {
    Owner,
    Admin,
    Member,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct RoleUpdate {
    role: RoleWish,
}

#[utoipa::path(
    patch, path = "/conversations/{id}/members/{user_id}", tag = "members",
    params(("id" = i64, Path), ("user_id" = i64, Path)),
    request_body = RoleUpdate,
    responses((status = 204, description = "Done")),
)]
pub(super) async fn set_role(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathIds(id, user): PathIds,
    Body(given): Body<RoleUpdate>,
) -> Result<Response, Problem> {
    let role = match given.role {
        RoleWish::Owner => Role::Owner,
        RoleWish::Admin => Role::Admin,
        RoleWish::Member => Role::Member,
    };
    api.messenger
        .set_role(&caller, ConversationId(id), UserId(user), role)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RemovalQuery {
    /// Keep the member from coming back.
    #[param(value_type = Option<bool>)]
    ban: Option<String>,
}

#[utoipa::path(
    delete, path = "/conversations/{id}/members/{user_id}", tag = "members",
    params(("id" = i64, Path), ("user_id" = i64, Path), RemovalQuery),
    responses((status = 204, description = "Done")),
)]
pub(super) async fn remove(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathIds(id, user): PathIds,
    Query(given): Query<RemovalQuery>,
) -> Result<Response, Problem> {
    let ban = extract::flag("ban", given.ban.as_deref())?.unwrap_or(false);
    api.messenger
        .remove_member(&caller, ConversationId(id), UserId(user), ban)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    post, path = "/conversations/{id}/leave", tag = "members",
    params(("id" = i64, Path)),
    responses((status = 204, description = "Done")),
)]
pub(super) async fn leave(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    api.messenger.leave(&caller, ConversationId(id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Transfer {
    user_id: i64,
}

#[utoipa::path(
    post, path = "/conversations/{id}/transfer", tag = "members",
    params(("id" = i64, Path)),
    request_body = Transfer,
    responses((status = 204, description = "Done")),
)]
pub(super) async fn transfer(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
    Body(given): Body<Transfer>,
) -> Result<Response, Problem> {
    let to = UserId(given.user_id);
    api.messenger.transfer(&caller, ConversationId(id), to).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    get, path = "/conversations/{id}/bans", tag = "members",
    params(("id" = i64, Path), PageQuery),
    responses((status = 200, description = "Who is kept out", body = List<Ban>)),
)]
pub(super) async fn bans(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(page): Query<PageQuery>,
) -> Result<Response, Problem> {
    let bans = api.messenger.bans(&caller, ConversationId(id)).await?;
    let page: List<Ban<'_>> = page.of(&bans, |ban| ban.account.id.0, api.messenger.options())?;
    ok(&page)
}

#[utoipa::path(
    delete, path = "/conversations/{id}/bans/{user_id}", tag = "members",
    params(("id" = i64, Path), ("user_id" = i64, Path)),
    responses((status = 204, description = "Done")),
)]
pub(super) async fn lift_ban(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathIds(id, user): PathIds,
) -> Result<Response, Problem> {
    api.messenger
        .lift_ban(&caller, ConversationId(id), UserId(user))
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
