//! `/conversations`: opening, listing, and who is in them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chinwag_messenger::{ConversationId, CreatedGroup, GroupWish, UserId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, Home, Reads, Writes};
use super::extract::{self, Body, Object, PathId, Query};
use super::members::invite;
use super::settings::PolicyWish;
use super::view::{List, ListItem};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only what is in the archive, or only what is not.
    #[param(value_type = Option<bool>)]
    archived: Option<String>,
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
}

#[utoipa::path(
    get, path = "/conversations", tag = "conversations",
    params(ListQuery),
    responses((status = 200, description = "The caller's conversations: pinned ones, then by newest activity", body = List<ListItem>)),
)]
pub(super) async fn list(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Query(given): Query<ListQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let archived = extract::flag("archived", given.archived.as_deref())?;
    let page = api
        .messenger
        .conversations(&caller, archived, given.cursor.as_deref(), limit)
        .await?;
    ok(&List {
        items: page.items.iter().map(ListItem::from).collect(),
        next_cursor: page.next_cursor,
    })
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Opening {
    kind: Kind,
    user_id: Option<i64>,
    title: Option<String>,
    member_ids: Option<Vec<i64>>,
    #[schema(value_type = Option<PolicyWish>)]
    policies: Option<Object<PolicyWish>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OpeningKind)]
enum Kind {
    Direct,
    Group,
}

#[utoipa::path(
    post, path = "/conversations", tag = "conversations",
    request_body = Opening,
    responses((status = 201, description = "Created", body = ListItem), (status = 200, description = "There is one already", body = ListItem)),
)]
pub(super) async fn open(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    home: Home,
    Body(given): Body<Opening>,
) -> Result<Response, Problem> {
    match given.kind {
        Kind::Direct => {
            let peer = given
                .user_id
                .ok_or_else(|| Problem::malformed("user_id", "required"))?;
            let opened = api.messenger.open_direct(&caller, UserId(peer)).await?;
            let status = if opened.created {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            answer(status, &ListItem::from(&opened.item))
        }
        Kind::Group => {
            let policies = given.policies.map(|Object(wish)| wish.change()).transpose()?;
            let members = given.member_ids.unwrap_or_default();
            let wish = GroupWish {
                title: given.title.unwrap_or_default(),
                members: members.into_iter().map(UserId).collect(),
                policies: policies.unwrap_or_default(),
            };
            let CreatedGroup { item, refused } = api.messenger.create_group(&caller, wish).await?;
            if !refused.is_empty() {
                let id = item.conversation.id;
                let invited = invite(&api, &caller, id, &refused, &home).await?;
                return Err(Problem::cannot_add(&refused, &invited, Some(id)));
            }
            answer(StatusCode::CREATED, &ListItem::from(&item))
        }
    }
}

#[utoipa::path(
    get, path = "/conversations/{id}", tag = "conversations",
    params(("id" = i64, Path)),
    responses((status = 200, description = "A conversation", body = ListItem)),
)]
pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let item = api.messenger.conversation(&caller, ConversationId(id)).await?;
    ok(&ListItem::from(&item))
}
