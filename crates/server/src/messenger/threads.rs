//! `/threads` and `/messages/{id}/thread`: replies that hang on one message.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chinwag_messenger::MessageId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, Reads, Writes};
use super::extract::{self, Body, PathId, Query};
use super::messages::{HistoryQuery, range};
use super::view::{Followed, List, Replies, Thread, ThreadWatermark};
use super::{MessengerApi, ok};
use crate::error::Problem;

#[utoipa::path(
    get, path = "/messages/{id}/thread", tag = "threads",
    params(("id" = i64, Path), HistoryQuery),
    responses((status = 200, description = "A page of the replies, ascending by seq", body = Replies)),
)]
pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(given): Query<HistoryQuery>,
) -> Result<Response, Problem> {
    let range = range(&given)?;
    let limit = extract::limit(given.limit.as_deref())?;
    let page = api.messenger.thread(&caller, MessageId(id), range, limit).await?;
    ok(&Replies::from(&page))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Following {
    following: bool,
}

#[utoipa::path(
    put, path = "/messages/{id}/thread/follow", tag = "threads",
    params(("id" = i64, Path)),
    request_body = Following,
    responses((status = 200, description = "Whether the caller follows it now", body = Followed)),
)]
pub(super) async fn follow(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
    Body(Following { following }): Body<Following>,
) -> Result<Response, Problem> {
    let mark = api.messenger.follow(&caller, MessageId(id), following).await?;
    ok(&Followed {
        conversation_id: mark.conversation.0,
        following,
        mark: ThreadWatermark::from(&mark),
    })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ThreadsQuery {
    /// Only those with something to read.
    #[param(value_type = Option<bool>)]
    unread: Option<String>,
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
}

#[utoipa::path(
    get, path = "/threads", tag = "threads",
    params(ThreadsQuery),
    responses((status = 200, description = "The threads the caller follows, last reply first", body = List<Thread>)),
)]
pub(super) async fn list(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Query(given): Query<ThreadsQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let unread = extract::flag("unread", given.unread.as_deref())?.unwrap_or(false);
    let page = api
        .messenger
        .threads(&caller, unread, given.cursor.as_deref(), limit)
        .await?;
    ok(&List {
        items: page.items.iter().map(Thread::from).collect(),
        next_cursor: page.next_cursor,
    })
}
