//! `/admin/audit`: what administrators did.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::Admin;
use crate::error::Problem;
use crate::messenger::auth::Reads;
use crate::messenger::extract::{self, Query};
use crate::messenger::pages::PageQuery;
use crate::messenger::view::{AuditEntry, List};
use crate::messenger::{MessengerApi, ok};

#[utoipa::path(
    get, path = "/admin/audit", tag = "moderation",
    params(PageQuery),
    responses((status = 200, description = "What administrators did, newest first", body = List<AuditEntry>)),
)]
pub(in crate::messenger) async fn list(
    State(api): State<Arc<MessengerApi>>,
    _: Admin<Reads>,
    Query(given): Query<PageQuery>,
) -> Result<Response, Problem> {
    let limit = extract::limit(given.limit.as_deref())?;
    let page = api.messenger.audit(given.cursor.as_deref(), limit).await?;
    ok(&List {
        items: page.items.iter().map(AuditEntry::from).collect(),
        next_cursor: page.next_cursor,
    })
}
