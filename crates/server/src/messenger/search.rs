//! `/search` and `/conversations/{id}/search`: messages, people and conversations.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chinwag_messenger::{ConversationId, SearchOrder, SearchWish};
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::{By, Searches};
use super::extract::{self, PathId, Query};
use super::view::{Found, Hit, Hits, List, ListItem, User};
use super::{MessengerApi, ok};
use crate::error::Problem;

/// Most people a search shows.
const PEOPLE_MAX: usize = 20;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Within {
    /// Words, "phrases", -exclusions and filters: from: before: after: has: in:
    #[param(required, max_length = 200)]
    q: Option<String>,
    /// `newest` (the default) or `relevance`.
    sort: Option<String>,
    /// Hits in a page; 20 at most.
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Everywhere {
    /// As in one conversation; for people and conversations the beginnings of words.
    #[param(required, max_length = 200)]
    q: Option<String>,
    /// `messages` (the default), `people` or `conversations`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Of messages: `newest` (the default) or `relevance`.
    sort: Option<String>,
    /// Hits in a page; 20 at most.
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
}

#[utoipa::path(
    get, path = "/conversations/{id}/search", tag = "search",
    params(("id" = i64, Path), Within),
    responses((status = 200, description = "Messages found in the conversation", body = Hits<Hit>)),
)]
pub(super) async fn within(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Searches>,
    PathId(id): PathId,
    Query(given): Query<Within>,
) -> Result<Response, Problem> {
    let wish = SearchWish {
        query: given.q.as_deref().unwrap_or_default(),
        order: order(given.sort.as_deref())?,
        cursor: given.cursor.as_deref(),
        limit: extract::limit(given.limit.as_deref())?,
    };
    let hits = api
        .messenger
        .search(&caller, Some(ConversationId(id)), wish)
        .await?;
    ok(&Hits::new(&hits, Hit::from))
}

#[utoipa::path(
    get, path = "/search", tag = "search",
    params(Everywhere),
    responses((status = 200, description = "What was found; `total` counts messages only", body = Hits<Found>)),
)]
pub(super) async fn everywhere(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Searches>,
    Query(given): Query<Everywhere>,
) -> Result<Response, Problem> {
    let query = given.q.as_deref().unwrap_or_default();
    match given.kind.as_deref().unwrap_or("messages") {
        "messages" => {
            let wish = SearchWish {
                query,
                order: order(given.sort.as_deref())?,
                cursor: given.cursor.as_deref(),
                limit: extract::limit(given.limit.as_deref())?,
            };
            let hits = api.messenger.search(&caller, None, wish).await?;
            ok(&Hits::new(&hits, |hit| Found::Message(Box::new(hit.into()))))
        }
        "people" => {
            let found = api.messenger.search_people(&caller, query, PEOPLE_MAX).await?;
            let items = found.iter().map(|account| Found::Person(User::from(account)));
            ok(&List::whole(items.collect()))
        }
        "conversations" => {
            let found = api.messenger.search_conversations(&caller, query).await?;
            let items = found
                .iter()
                .map(|item| Found::Conversation(ListItem::from(item).into()));
            ok(&List::whole(items.collect()))
        }
        _ => Err(Problem::malformed("type", "type_invalid")),
    }
}

fn order(given: Option<&str>) -> Result<SearchOrder, Problem> {
    match given {
        None | Some("newest") => Ok(SearchOrder::Newest),
        Some("relevance") => Ok(SearchOrder::Relevance),
        Some(_) => Err(Problem::malformed("sort", "sort_invalid")),
    }
}
