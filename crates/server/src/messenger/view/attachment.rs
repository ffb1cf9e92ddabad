//! Attachments as they stand in messages, in answers and in events.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chinwag_messenger as domain;
use chinwag_messenger::{AttachmentKind, AttachmentState};
use serde::Serialize;
use utoipa::ToSchema;

use super::Moment;

/// A file that somebody brought.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Attachment<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    uploader_id: i64,
    kind: KindWord,
    name: &'a str,
    /// What it is by its content.
    mime: &'a str,
    /// Bytes.
    size: u64,
    /// Of what is stored, in hexadecimal.
    sha256: Option<String>,
    /// Pixels, upright.
    width: Option<u32>,
    height: Option<u32>,
    duration_ms: Option<u64>,
    /// Peaks of 64 slices of a voice note, 0 to 31.
    waveform: Option<&'a [u8]>,
    /// A ThumbHash in Base64, to be shown until there is more.
    placeholder: Option<String>,
    /// Small pictures of it, smallest first.
    thumbs: Vec<Thumb<'a>>,
    state: StateWord,
    created_at: Moment,
}

/// How an attachment is shown.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttachmentKind)]
pub(in crate::messenger) enum KindWord {
    Image,
    Video,
    Audio,
    Voice,
    File,
}

/// How far an attachment has come.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttachmentState)]
pub(in crate::messenger) enum StateWord {
    Uploading,
    Ready,
    Failed,
}

/// A small picture, at `/attachments/{id}/thumb/{size}`.
#[derive(Debug, Serialize, ToSchema)]
struct Thumb<'a> {
    /// The longer side it may have.
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
            kind: attachment.kind.into(),
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
                AttachmentState::Uploading => StateWord::Uploading,
                AttachmentState::Ready => StateWord::Ready,
                AttachmentState::Failed => StateWord::Failed,
            },
            created_at: Moment(attachment.created_at),
        }
    }
}

impl From<AttachmentKind> for KindWord {
    fn from(kind: AttachmentKind) -> Self {
        match kind {
            AttachmentKind::Image => Self::Image,
            AttachmentKind::Video => Self::Video,
            AttachmentKind::Audio => Self::Audio,
            AttachmentKind::Voice => Self::Voice,
            AttachmentKind::File => Self::File,
        }
    }
}

/// How far an upload has come.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Upload {
    /// The attachment will have the same.
    #[schema(value_type = uuid::Uuid)]
    id: String,
    /// Bytes in all.
    size: u64,
    /// Bytes that are there.
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
#[derive(Debug, Serialize, ToSchema)]
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
