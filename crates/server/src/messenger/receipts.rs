//! `/receipts` and `/conversations/{id}/read`: how far the caller has read.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chinwag_messenger::store::ThreadAdvance;
use chinwag_messenger::{Advance, AdvanceError, ConversationId, MessageId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, Reads, Writes};
use super::extract::{self, Body, Object, PathId, Query, exact};
use super::view::{
    Items, List, ListItem, Moment, MovedTo, Outcome, ThreadWatermark, User, Watermarks, WatermarksOf,
};
use super::{MessengerApi, ok};
use crate::error::Problem;

/// Most conversations in one request.
pub(super) const ITEMS_MAX: usize = 100;

#[derive(Deserialize, ToSchema)]
#[schema(as = ReceiptsGiven)]
pub(super) struct Receipts {
    #[schema(value_type = Vec<Receipt>, max_items = 100)]
    items: Vec<Object<Receipt>>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ReceiptGiven)]
struct Receipt {
    conversation_id: i64,
    delivered_seq: Option<u64>,
    seen_seq: Option<u64>,
    /// The thread whose `seen_seq` this is; `delivered_seq` means nothing then.
    thread_root_id: Option<i64>,
}

impl Receipt {
    fn advance(&self) -> Option<Advance> {
        self.thread_root_id.is_none().then(|| Advance {
            conversation: ConversationId(self.conversation_id),
            delivered_seq: self.delivered_seq.map(exact),
            seen_seq: self.seen_seq.map(exact),
        })
    }

    fn thread_advance(&self) -> Option<ThreadAdvance> {
        self.thread_root_id.map(|root| ThreadAdvance {
            conversation: ConversationId(self.conversation_id),
            root: MessageId(root),
            seen_seq: self.seen_seq.map_or(0, exact),
        })
    }
}

/// The same from a socket.
pub(super) fn acknowledged(data: &[u8]) -> Option<(Vec<Advance>, Vec<ThreadAdvance>)> {
    let Receipts { items } = serde_json::from_slice(data).ok()?;
    if items.is_empty() || items.len() > ITEMS_MAX {
        return None;
    }
    let advances = items.iter().filter_map(|Object(item)| item.advance());
    let in_threads = items.iter().filter_map(|Object(item)| item.thread_advance());
    Some((advances.collect(), in_threads.collect()))
}

/// Charged as a read: a client in a lively conversation acknowledges several times a second.
#[utoipa::path(
    post, path = "/receipts", tag = "receipts",
    request_body = Receipts,
    responses((status = 200, description = "Where the caller stands now", body = Items<WatermarksOf>)),
)]
pub(super) async fn advance(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    Body(given): Body<Receipts>,
) -> Result<Response, Problem> {
    if given.items.len() > ITEMS_MAX {
        return Err(Problem::malformed("items", "too_many"));
    }
    let advances: Vec<_> = given
        .items
        .iter()
        .filter_map(|Object(item)| item.advance())
        .collect();
    let mut advanced = api.messenger.advance(&caller, &advances).await.into_iter();
    let mut items = Vec::with_capacity(given.items.len());
    for Object(item) in &given.items {
        let outcome = match item.thread_advance() {
            Some(wish) => {
                let mark = api.messenger.advance_thread(&caller, wish).await;
                mark.map(|mark| MovedTo::Thread(ThreadWatermark::from(&mark)))
            }
            None => match advanced.next() {
                Some(outcome) => outcome.map(|marks| MovedTo::Conversation(Watermarks::from(&marks))),
                None => return Err(Problem::internal()),
            },
        };
        let outcome = match outcome {
            Ok(moved) => Outcome::Done(moved),
            Err(AdvanceError::NotAMember) => Outcome::Refused {
                error: "not_a_member",
            },
            Err(AdvanceError::SeqOutOfRange) => Outcome::Refused {
                error: "seq_out_of_range",
            },
            // Doing it all again does no harm, so the client may as well.
            Err(AdvanceError::Store(error)) => return Err(error.into()),
        };
        items.push(WatermarksOf {
            conversation_id: item.conversation_id,
            outcome,
        });
    }
    ok(&Items { items })
}

#[utoipa::path(
    post, path = "/conversations/{id}/read", tag = "receipts",
    params(("id" = i64, Path)),
    responses((status = 200, description = "All is read", body = ListItem)),
)]
pub(super) async fn read_all(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let item = api.messenger.read_all(&caller, ConversationId(id)).await?;
    ok(&ListItem::from(&item))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ArrivalsQuery {
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    cursor: Option<String>,
}

/// How far a message has come with one of those it is for.
#[derive(Serialize, ToSchema)]
#[schema(as = MessageReceipt)]
pub(super) struct Arrival<'a> {
    user: User<'a>,
    delivered: bool,
    /// Null as long as it is not, and where that was not kept.
    delivered_at: Option<Moment>,
    /// Null where the recipient or the caller keeps that to itself.
    seen: Option<bool>,
    /// Null as long as it is not, and where that was not kept.
    seen_at: Option<Moment>,
}

#[utoipa::path(
    get, path = "/messages/{id}/receipts", tag = "receipts",
    params(("id" = i64, Path), ArrivalsQuery),
    responses((status = 200, description = "Its recipients by id, for its author", body = List<Arrival>)),
)]
pub(super) async fn of_message(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(given): Query<ArrivalsQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let page = api
        .messenger
        .arrivals(&caller, MessageId(id), given.cursor.as_deref(), limit)
        .await?;
    let items = page.items.iter().map(|arrival| Arrival {
        user: (&arrival.account).into(),
        delivered: arrival.delivered,
        delivered_at: arrival.delivered_at.map(Moment),
        seen: arrival.seen,
        seen_at: arrival.seen_at.map(Moment),
    });
    ok(&List {
        items: items.collect(),
        next_cursor: page.next_cursor,
    })
}
