//! `/reports`: showing administrators what somebody said.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chinwag_messenger::MessageId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::{By, Writes};
use super::extract::Body;
use super::view::OwnReport;
use super::{MessengerApi, answer};
use crate::error::Problem;

#[derive(Deserialize, ToSchema)]
pub(super) struct NewReport {
    message_id: i64,
    #[serde(default)]
    reason: String,
}

#[utoipa::path(
    post, path = "/reports", tag = "reports",
    request_body = NewReport,
    responses((status = 201, description = "Reported, with a copy of the message and the five before it", body = OwnReport), (status = 200, description = "Reported before", body = OwnReport)),
)]
pub(super) async fn report(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    Body(given): Body<NewReport>,
) -> Result<Response, Problem> {
    let message = MessageId(given.message_id);
    let reported = api.messenger.report(&caller, message, &given.reason).await?;
    let status = if reported.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    answer(status, &OwnReport::from(&reported.report))
}
