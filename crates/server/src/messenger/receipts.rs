//! `/receipts` and `/conversations/{id}/read`: how far the caller has read.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chinwag_messenger::store::ThreadAdvance;
use chinwag_messenger::{Advance, AdvanceError, Caller, ConversationId, MessageId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::{By, Reads, Writes};
use super::extract::{Body, Object, PathId, exact};
use super::view::{Items, ListItem, MovedTo, Outcome, ThreadWatermark, Watermarks, WatermarksOf};
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
        .filter(|Object(item)| item.thread_root_id.is_none())
        .map(|Object(item)| Advance {
            conversation: ConversationId(item.conversation_id),
            delivered_seq: item.delivered_seq.map(exact),
            seen_seq: item.seen_seq.map(exact),
        })
        .collect();
    let mut advanced = api.messenger.advance(&caller, &advances).await.into_iter();
    let mut items = Vec::with_capacity(given.items.len());
    for Object(item) in &given.items {
        let outcome = match item.thread_root_id {
            Some(root) => advance_thread(&api, &caller, item, MessageId(root)).await,
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

async fn advance_thread(
    api: &MessengerApi,
    caller: &Caller,
    item: &Receipt,
    root: MessageId,
) -> Result<MovedTo, AdvanceError> {
    let wish = ThreadAdvance {
        conversation: ConversationId(item.conversation_id),
        root,
        seen_seq: item.seen_seq.map_or(0, exact),
    };
    let mark = api.messenger.advance_thread(caller, wish).await?;
    Ok(MovedTo::Thread(ThreadWatermark::from(&mark)))
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
