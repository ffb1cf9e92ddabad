//! `/admin/reports`: what people have reported, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chinwag_messenger::{Account, Report as Reported, UserId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use crate::error::Problem;
use crate::messenger::auth::{Reads, Writes};
use crate::messenger::extract::{self, Body, PathId, Query};
use crate::messenger::view::{List, Report, ReportWord};
use crate::messenger::{MessengerApi, ok};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::messenger) struct ReportQuery {
    /// `open`, `resolved` or `dismissed`.
    status: Option<String>,
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
}

#[utoipa::path(
    get, path = "/admin/reports", tag = "moderation",
    params(ReportQuery),
    responses((status = 200, description = "Reports, newest first", body = List<Report>)),
)]
pub(in crate::messenger) async fn list(
    State(api): State<Arc<MessengerApi>>,
    _: Admin<Reads>,
    Query(given): Query<ReportQuery>,
) -> Result<Response, Problem> {
    let status = given.status.as_deref().map(|word| {
        ReportWord::parse(word)
            .map(ReportWord::meant)
            .ok_or_else(|| Problem::malformed("status", "type_invalid"))
    });
    let limit = extract::limit(given.limit.as_deref())?;
    let page = api
        .messenger
        .reports(status.transpose()?, given.cursor.as_deref(), limit)
        .await?;
    let people = people(&api, &page.items).await?;
    ok(&List {
        items: page
            .items
            .iter()
            .map(|report| Report::new(report, &people))
            .collect(),
        next_cursor: page.next_cursor,
    })
}

#[derive(Deserialize, ToSchema)]
pub(in crate::messenger) struct ReportChange {
    status: ReportWord,
}

#[utoipa::path(
    patch, path = "/admin/reports/{id}", tag = "moderation",
    params(("id" = i64, Path)),
    request_body = ReportChange,
    responses((status = 200, description = "As it is now", body = Report)),
)]
pub(in crate::messenger) async fn handle(
    State(api): State<Arc<MessengerApi>>,
    admin: Admin<Writes>,
    PathId(id): PathId,
    Body(given): Body<ReportChange>,
) -> Result<Response, Problem> {
    let report = api
        .messenger
        .handle_report(&admin, id, given.status.meant())
        .await?;
    let report = report.ok_or_else(Problem::not_found)?;
    let people = people(&api, std::slice::from_ref(&report)).await?;
    ok(&Report::new(&report, &people))
}

/// Everybody who is in the reports.
async fn people(api: &MessengerApi, reports: &[Reported]) -> Result<Vec<Account>, Problem> {
    let mut ids: BTreeSet<UserId> = BTreeSet::new();
    for report in reports {
        ids.extend([report.reporter, report.reported]);
        ids.extend(report.copy.iter().map(|message| message.author));
    }
    let ids: Vec<UserId> = ids.into_iter().collect();
    Ok(api.messenger.accounts_by_id(&ids).await?)
}
