//! `/attachments`: bringing files in one go, and reading them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chinwag_messenger::{AttachmentId, AttachmentKind, ConversationId, UploadError, VoiceNote};
use http_body_util::Limited;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::auth::{By, OwnPrice, Reads};
use super::content;
use super::extract::{self, PathId, PathUuid, Query};
use super::limits::Meter;
use super::view::{Attachment, List, MediaItem};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

/// Bytes of a body beside the file in it.
const WORDS_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of one of the words.
const WORD_BYTES_MAX: usize = 4 * 1024;

/// A file, and what there is to say of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read part by part")]
struct Bringing {
    #[schema(value_type = String, format = Binary)]
    file: (),
    /// What kind of attachment it shall be when that is not for the content to say: `voice`.
    kind: Option<String>,
    /// How long a voice note is.
    duration_ms: Option<u64>,
    /// Of a voice note: a JSON array of 64 whole numbers from 0 to 31.
    waveform: Option<String>,
}

#[utoipa::path(
    post, path = "/attachments", tag = "media",
    request_body(content = Bringing, content_type = "multipart/form-data"),
    responses((status = 201, description = "Taken, looked at and ready", body = Attachment)),
)]
pub(super) async fn create(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<OwnPrice>,
    meter: Meter,
    request: Request,
) -> Result<Response, Problem> {
    if !is_multipart(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body has to be multipart/form-data.",
        ));
    }
    api.limiter.upload(caller.user, &meter)?;
    let expected = content::length(request.headers());
    let mut incoming = api.messenger.begin_attachment(&caller, expected).await?;
    let body_max = api.messenger.options().attachments.file_bytes_max + WORDS_BYTES_MAX;
    let body_max = usize::try_from(body_max).unwrap_or(usize::MAX);
    let mut request = request.map(|body| Body::new(Limited::new(body, body_max)));
    DefaultBodyLimit::disable().apply(&mut request);
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|_| Problem::bad_request("The body is not valid multipart/form-data."))?;
    let mut name = None;
    let mut voice = Voice::default();
    let mut others = 0;
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        if others > WORDS_BYTES_MAX as usize {
            return Err(Problem::too_large());
        }
        match part.name().unwrap_or_default() {
            "file" if name.is_some() => return Err(Problem::malformed("file", "repeated")),
            "file" => {
                name = Some(part.file_name().unwrap_or_default().to_owned());
                while let Some(bytes) = part.chunk().await.map_err(broken)? {
                    incoming.write(&bytes).await?;
                }
            }
            "kind" => voice.kind = Some(word(part).await?),
            "duration_ms" => {
                let text = word(part).await?;
                voice.duration_ms = extract::number("duration_ms", Some(&text))?;
            }
            "waveform" => {
                let text = word(part).await?;
                let numbers = serde_json::from_str(&text).map_err(|_| UploadError::WaveformInvalid)?;
                voice.waveform = Some(numbers);
            }
            // For later versions; but no endless talk.
            _ => others += word(part).await?.len(),
        }
    }
    let name = name.ok_or_else(|| Problem::malformed("file", "required"))?;
    let voice = voice.note()?;
    let attachment = api
        .messenger
        .finish_attachment(&caller, incoming, &name, voice)
        .await?;
    answer(StatusCode::CREATED, &Attachment::from(&attachment))
}

/// What is said of a voice note; without `kind`, nothing is.
#[derive(Debug, Default)]
pub(super) struct Voice {
    pub(super) kind: Option<String>,
    pub(super) duration_ms: Option<u64>,
    pub(super) waveform: Option<Vec<i64>>,
}

impl Voice {
    pub(super) fn note(self) -> Result<Option<VoiceNote>, Problem> {
        match self.kind.as_deref() {
            None | Some("" | "file") => Ok(None),
            Some("voice") => {
                let peaks = self.waveform.map(|peaks| {
                    let peaks = peaks.into_iter().map(u8::try_from);
                    peaks.collect::<Result<Vec<u8>, _>>()
                });
                Ok(Some(VoiceNote {
                    duration_ms: self.duration_ms.map(extract::exact),
                    waveform: peaks.transpose().map_err(|_| UploadError::WaveformInvalid)?,
                }))
            }
            Some(_) => Err(Problem::malformed("kind", "type_invalid")),
        }
    }
}

fn is_multipart(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.is_some_and(|given| given.to_ascii_lowercase().starts_with("multipart/form-data"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
fn broken(error: axum::extract::multipart::MultipartError) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => UploadError::FileTooLarge.into(),
        _ => Problem::bad_request("The body is not whole, or not valid multipart/form-data."),
    }
}

/// The text of a part that is no file.
async fn word(mut part: axum::extract::multipart::Field<'_>) -> Result<String, Problem> {
    let mut text = Vec::new();
    while let Some(bytes) = part.chunk().await.map_err(broken)? {
        if text.len() + bytes.len() > WORD_BYTES_MAX {
            return Err(Problem::too_large());
        }
        text.extend_from_slice(&bytes);
    }
    String::from_utf8(text).map_err(|_| Problem::bad_request("The words of the body are not UTF-8."))
}

#[utoipa::path(
    get, path = "/attachments/{id}", tag = "media",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, description = "What there is to know of it", body = Attachment)),
)]
pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathUuid(id): PathUuid,
) -> Result<Response, Problem> {
    let attachment = api.messenger.attachment(&caller, AttachmentId(id)).await?;
    ok(&Attachment::from(&attachment))
}

#[utoipa::path(
    get, path = "/attachments/{id}/content", tag = "media",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "The file, under its own type", body = Vec<u8>, content_type = "*/*"),
        (status = 206, description = "The range of it that was asked for", body = Vec<u8>, content_type = "*/*"),
    ),
)]
pub(super) async fn content(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathUuid(id): PathUuid,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let content = api.messenger.content(&caller, AttachmentId(id), None).await?;
    content::serve(&api, &content, &headers).await
}

#[utoipa::path(
    get, path = "/attachments/{id}/thumb/{size}", tag = "media",
    params(("id" = uuid::Uuid, Path), ("size" = u32, Path, description = "One of the attachment's `thumbs`")),
    responses(
        (status = 200, description = "A small picture", body = Vec<u8>, content_type = "*/*"),
        (status = 206, description = "The range of it that was asked for", body = Vec<u8>, content_type = "*/*"),
    ),
)]
pub(super) async fn thumb(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Ok(Path((id, size))) = path else {
        return Err(Problem::not_found());
    };
    let id = extract::uuid(&id).ok_or_else(Problem::not_found)?;
    let size = extract::id(&size).and_then(|size| u32::try_from(size).ok());
    let size = size.ok_or_else(Problem::not_found)?;
    let content = api
        .messenger
        .content(&caller, AttachmentId(id), Some(size))
        .await?;
    content::serve(&api, &content, &headers).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MediaQuery {
    /// `media` (images and films), `image`, `video`, `audio`, `voice`, or `file` (with sounds); all without.
    kind: Option<String>,
    cursor: Option<String>,
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
}

#[utoipa::path(
    get, path = "/conversations/{id}/media", tag = "media",
    params(("id" = i64, Path), MediaQuery),
    responses((status = 200, description = "What came with messages, newest first", body = List<MediaItem>)),
)]
pub(super) async fn media(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathId(id): PathId,
    Query(given): Query<MediaQuery>,
) -> Result<Response, Problem> {
    use AttachmentKind::{Audio, File, Image, Video, Voice};
    let kinds: &[AttachmentKind] = match given.kind.as_deref() {
        None => &[Image, Video, Audio, Voice, File],
        Some("media") => &[Image, Video],
        Some("image") => &[Image],
        Some("video") => &[Video],
        Some("audio") => &[Audio],
        Some("voice") => &[Voice],
        Some("file") => &[File, Audio],
        Some(_) => {
            let detail = "The kind is media, image, video, audio, voice or file.";
            return Err(Problem::field("kind", "kind_invalid", detail));
        }
    };
    let limit = extract::limit(given.limit.as_deref())?;
    let cursor = given.cursor.as_deref();
    let page = api
        .messenger
        .media(&caller, ConversationId(id), kinds, cursor, limit)
        .await?;
    ok(&List {
        items: page.items.iter().map(MediaItem::from).collect(),
        next_cursor: page.next_cursor,
    })
}
