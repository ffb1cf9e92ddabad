//! `/attachments`: bringing files in one go, and reading them.

use std::sync::Arc;

use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chinwag_messenger::{AttachmentId, AttachmentKind, ConversationId, UploadError, VoiceNote};
use serde::Deserialize;

use super::auth::{By, OwnPrice, Reads};
use super::content;
use super::extract::{self, PathId, PathUuid, Query};
use super::limits::Meter;
use super::view::{Attachment, List, MediaItem};
use super::{MessengerApi, answer, ok};
use crate::error::Problem;

/// Bytes of a body beside the file in it.
pub(super) const WORDS_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of one of the words.
const WORD_BYTES_MAX: usize = 4 * 1024;

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
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|_| Problem::bad_request("The body is not valid multipart/form-data."))?;
    let mut name = None;
    let mut voice = Voice::default();
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
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
            _ => {
                word(part).await?;
            }
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
#[derive(Debug, Default, Deserialize)]
pub(super) struct Voice {
    kind: Option<String>,
    duration_ms: Option<u64>,
    waveform: Option<Vec<i64>>,
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

pub(super) async fn show(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathUuid(id): PathUuid,
) -> Result<Response, Problem> {
    let attachment = api.messenger.attachment(&caller, AttachmentId(id)).await?;
    ok(&Attachment::from(&attachment))
}

pub(super) async fn content(
    State(api): State<Arc<MessengerApi>>,
    By { caller, .. }: By<Reads>,
    PathUuid(id): PathUuid,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let content = api.messenger.content(&caller, AttachmentId(id), None).await?;
    content::serve(&api, &content, &headers).await
}

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

#[derive(Deserialize)]
pub(super) struct MediaQuery {
    kind: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

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
