//! `/conversations`: opening, listing, and who is in them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chinwag_messenger::{ConversationId, GroupWish, UserId};
use serde::Deserialize;

use super::auth::{By, Reads, Writes};
use super::extract::{self, Body, Object, PathId, Query};
use super::settings::PolicyWish;
use super::view::{List, ListItem};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

#[derive(Deserialize)]
pub(super) struct PageQuery {
    pub(super) limit: Option<String>,
    pub(super) cursor: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    archived: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

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

#[derive(Deserialize)]
pub(super) struct Opening {
    kind: Kind,
    user_id: Option<i64>,
    title: Option<String>,
    member_ids: Option<Vec<i64>>,
    policies: Option<Object<PolicyWish>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Direct,
    Group,
}

pub(super) async fn open(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
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
            let item = api.messenger.create_group(&caller, wish).await?;
            answer(StatusCode::CREATED, &ListItem::from(&item))
        }
    }
}

pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let item = api.messenger.conversation(&caller, ConversationId(id)).await?;
    ok(&ListItem::from(&item))
}
