//! Attachments as they stand in messages, in answers and in events.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chinwag_messenger as domain;
use chinwag_messenger::{AttachmentKind, AttachmentState};
use serde::Serialize;

use super::Moment;

#[derive(Debug, Serialize)]
pub(in crate::messenger) struct Attachment<'a> {
    id: String,
    uploader_id: i64,
    kind: &'static str,
    name: &'a str,
    mime: &'a str,
    size: u64,
    sha256: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    duration_ms: Option<u64>,
    waveform: Option<&'a [u8]>,
    placeholder: Option<String>,
    thumbs: Vec<Thumb<'a>>,
    state: &'static str,
    created_at: Moment,
}

#[derive(Debug, Serialize)]
struct Thumb<'a> {
    size: u32,
    width: u32,
    height: u32,
    mime: &'a str,
}

impl<'a> From<&'a domain::Attachment> for Attachment<'a> {
    fn from(attachment: &'a domain::Attachment) -> Self {
        let thumb = |thumb: &'a domain::Thumb| Thumb {
            size: thumb.size,
            width: thumb.width,
            height: thumb.height,
            mime: &thumb.mime,
        };
        Self {
            id: attachment.id.to_string(),
            uploader_id: attachment.uploader.0,
            kind: kind(attachment.kind),
            name: &attachment.name,
            mime: &attachment.mime,
            size: attachment.size,
            sha256: attachment.blob.map(|blob| blob.to_string()),
            width: attachment.dimensions.map(|(width, _)| width),
            height: attachment.dimensions.map(|(_, height)| height),
            duration_ms: attachment.duration_ms,
            waveform: attachment.waveform.as_deref(),
            placeholder: attachment
                .placeholder
                .as_ref()
                .map(|hash| BASE64_STANDARD.encode(hash)),
            thumbs: attachment.thumbs.iter().map(thumb).collect(),
            state: match attachment.state {
                AttachmentState::Uploading => "uploading",
                AttachmentState::Ready => "ready",
                AttachmentState::Failed => "failed",
            },
            created_at: Moment(attachment.created_at),
        }
    }
}

fn kind(kind: AttachmentKind) -> &'static str {
    match kind {
        AttachmentKind::Image => "image",
        AttachmentKind::Video => "video",
        AttachmentKind::Audio => "audio",
        AttachmentKind::Voice => "voice",
        AttachmentKind::File => "file",
    }
}

/// How far an upload has come.
#[derive(Debug, Serialize)]
pub(in crate::messenger) struct Upload {
    id: String,
    size: u64,
    offset: u64,
}

impl From<&domain::Upload> for Upload {
    fn from(upload: &domain::Upload) -> Self {
        Self {
            id: upload.id.to_string(),
            size: upload.size,
            offset: upload.offset,
        }
    }
}

/// An attachment in the gallery of a conversation.
#[derive(Debug, Serialize)]
pub(in crate::messenger) struct MediaItem<'a> {
    message_id: i64,
    seq: u64,
    author_id: i64,
    attachment: Attachment<'a>,
}

impl<'a> From<&'a domain::MediaItem> for MediaItem<'a> {
    fn from(item: &'a domain::MediaItem) -> Self {
        Self {
            message_id: item.message.0,
            seq: item.seq,
            author_id: item.author.0,
            attachment: (&item.attachment).into(),
        }
    }
}
