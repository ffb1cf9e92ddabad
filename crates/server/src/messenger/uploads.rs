//! `/uploads`: bringing a large file in parts. What has arrived stays when a connection breaks, and the client goes on
//! at the offset that is told.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chinwag_messenger::{AttachmentId, NewUpload, UploadError};
use http_body_util::BodyExt;
use serde::Deserialize;
use utoipa::ToSchema;

use super::attachments::Voice;
use super::auth::{By, OwnPrice, Reads, Writes};
use super::content;
use super::extract::{self, Body, PathUuid};
use super::limits::Meter;
use super::view::{Attachment, Upload};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

#[derive(Deserialize, ToSchema)]
pub(super) struct Announcement {
    /// What the file is called.
    #[serde(default)]
    name: String,
    /// Its length in bytes.
    size: u64,
    /// `voice`, or nothing: other kinds are for the content to say.
    kind: Option<String>,
    /// How long a voice note is.
    duration_ms: Option<u64>,
    /// Peaks of 64 slices of a voice note, 0 to 31.
    waveform: Option<Vec<i64>>,
}

#[utoipa::path(
    post, path = "/uploads", tag = "media",
    request_body = Announcement,
    responses((status = 201, description = "Announced", body = Upload)),
)]
pub(super) async fn create(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<OwnPrice>,
    meter: Meter,
    Body(given): Body<Announcement>,
) -> Result<Response, Problem> {
    api.limiter.upload(caller.user, &meter)?;
    let voice = Voice {
        kind: given.kind,
        duration_ms: given.duration_ms,
        waveform: given.waveform,
    };
    let upload = NewUpload {
        name: given.name,
        size: extract::exact(given.size),
        voice: voice.note()?,
    };
    let upload = api.messenger.create_upload(&caller, upload).await?;
    answer(StatusCode::CREATED, &Upload::from(&upload))
}

#[utoipa::path(
    get, path = "/uploads/{id}", tag = "media",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, description = "How far it has come; Upload-Offset says it, too", body = Upload)),
)]
pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathUuid(id): PathUuid,
) -> Result<Response, Problem> {
    let upload = api.messenger.upload(&caller, AttachmentId(id)).await?;
    with_offset(ok(&Upload::from(&upload))?, upload.offset)
}

#[utoipa::path(
    put, path = "/uploads/{id}", tag = "media",
    params(
        ("id" = uuid::Uuid, Path),
        ("Upload-Offset" = u64, Header, description = "Where the body begins: the upload's end"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "Taken; Upload-Offset says where to go on", body = Upload)),
)]
pub(super) async fn append(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathUuid(id): PathUuid,
    request: Request,
) -> Result<Response, Problem> {
    let offset = offset(request.headers())?;
    let expected = content::length(request.headers());
    let begun = api
        .messenger
        .continue_upload(&caller, AttachmentId(id), offset, expected)
        .await;
    let mut incoming = match begun {
        Ok(incoming) => incoming,
        Err(error) => return refused(error),
    };
    let mut body = request.into_body();
    let mut whole = true;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            whole = false;
            break;
        };
        if let Some(bytes) = frame.data_ref() {
            incoming.write(bytes).await?;
        }
    }
    // What has arrived is kept, also when there is more to come that does not.
    let offset = incoming.pause().await?;
    drop(incoming);
    if !whole {
        return with_offset(
            Problem::bad_request("The body ended too soon.").into_response(),
            offset,
        );
    }
    let upload = api.messenger.upload(&caller, AttachmentId(id)).await?;
    with_offset(ok(&Upload::from(&upload))?, offset)
}

#[utoipa::path(
    post, path = "/uploads/{id}/complete", tag = "media",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, description = "Looked at and ready", body = Attachment)),
)]
pub(super) async fn complete(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Writes>,
    PathUuid(id): PathUuid,
) -> Result<Response, Problem> {
    match api.messenger.complete_upload(&caller, AttachmentId(id)).await {
        Ok(attachment) => ok(&Attachment::from(&attachment)),
        Err(error) => refused(error),
    }
}

fn offset(headers: &HeaderMap) -> Result<u64, Problem> {
    let given = headers.get(UPLOAD_OFFSET).and_then(|value| value.to_str().ok());
    let offset = extract::number("Upload-Offset", given)?;
    offset.ok_or_else(|| Problem::malformed("Upload-Offset", "required"))
}

/// Who is not where the upload goes on is told where that is.
fn refused(error: UploadError) -> Result<Response, Problem> {
    match error {
        UploadError::OffsetMismatch { offset } => with_offset(Problem::from(error).into_response(), offset),
        error => Err(error.into()),
    }
}

fn with_offset(mut response: Response, offset: u64) -> Result<Response, Problem> {
    response
        .headers_mut()
        .insert(UPLOAD_OFFSET, HeaderValue::from(offset));
    Ok(response)
}
