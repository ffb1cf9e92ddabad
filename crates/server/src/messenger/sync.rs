//! `/sync` and the changes of conversations: catching up.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chinwag_messenger::{AccessError, ConversationId, Timestamp};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, Reads};
use super::extract::{self, Body, Object, PathId, Query, exact};
use super::receipts::ITEMS_MAX;
use super::{MessengerApi, ok, view};
use crate::error::Problem;

/// Most changes of one conversation in an answer.
const CHANGES_MAX: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SyncQuery {
    /// What the answer before gave; none is everything.
    cursor: Option<String>,
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
}

#[utoipa::path(
    get, path = "/sync", tag = "sync",
    params(SyncQuery),
    responses((status = 200, description = "What was touched since", body = view::SyncPage)),
)]
pub(super) async fn page(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Query(given): Query<SyncQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let page = api
        .messenger
        .sync(&caller, given.cursor.as_deref(), limit)
        .await?;
    ok(&view::SyncPage::new(&page, Timestamp::now()))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesQuery {
    /// All changes up to this one are known.
    #[param(value_type = Option<u64>)]
    after_rev: Option<String>,
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
}

#[utoipa::path(
    get, path = "/conversations/{id}/changes", tag = "sync",
    params(("id" = i64, Path), ChangesQuery),
    responses((status = 200, description = "What changed in it", body = view::Changes)),
)]
pub(super) async fn changes(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(given): Query<ChangesQuery>,
) -> Result<Response, Problem> {
    let after_rev = extract::number("after_rev", given.after_rev.as_deref())?.unwrap_or(0);
    let limit = extract::limit_up_to(given.limit.as_deref(), CHANGES_MAX)?;
    let changes = api
        .messenger
        .changes(&caller, ConversationId(id), after_rev, limit)
        .await?;
    ok(&view::Changes::from(&changes))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct ManyChanges {
    #[schema(value_type = Vec<Since>, max_items = 100)]
    items: Vec<Object<Since>>,
}

#[derive(Deserialize, ToSchema)]
struct Since {
    conversation_id: i64,
    #[serde(default)]
    after_rev: u64,
}

#[utoipa::path(
    post, path = "/sync/changes", tag = "sync",
    request_body = ManyChanges,
    responses((status = 200, description = "What changed in each", body = view::Items<view::ChangesOf>)),
)]
pub(super) async fn changes_of_many(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Body(given): Body<ManyChanges>,
) -> Result<Response, Problem> {
    if given.items.len() > ITEMS_MAX {
        return Err(Problem::malformed("items", "too_many"));
    }
    let mut outcomes = Vec::with_capacity(given.items.len());
    for Object(item) in &given.items {
        let id = ConversationId(item.conversation_id);
        let outcome = match api
            .messenger
            .changes(&caller, id, exact(item.after_rev), CHANGES_MAX)
            .await
        {
            Ok(changes) => Some(changes),
            Err(AccessError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        outcomes.push((item.conversation_id, outcome));
    }
    let items = outcomes
        .iter()
        .map(|(conversation_id, changes)| view::ChangesOf {
            conversation_id: *conversation_id,
            outcome: match changes {
                Some(changes) => view::Outcome::Done(changes.into()),
                None => view::Outcome::Refused { error: "not_found" },
            },
        })
        .collect();
    ok(&view::Items { items })
}
