//! Attachments as they stand in the row of their message, so that reading it asks for nothing else.

use super::{kind, kind_number};
use crate::sql::rows::corrupt;
use chinwag_messenger::blob::BlobId;
use chinwag_messenger::{Attachment, AttachmentId, AttachmentState, Thumb, Timestamp, UserId};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;

/// Attachments as they stand in the row of their message; nothing when there are none.
pub(in crate::sql) fn write_attachments(attachments: &[Attachment]) -> Option<String> {
    let kept: Vec<Kept<'_>> = attachments.iter().map(Kept::from).collect();
    (!kept.is_empty()).then(|| json!(kept).to_string())
}

pub(in crate::sql) fn read_attachments(text: Option<String>) -> Result<Vec<Attachment>, DbErr> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let kept: Vec<Kept<'_>> =
        serde_json::from_str(&text).map_err(|_| corrupt("attachments that cannot be read"))?;
    kept.into_iter().map(Kept::read).collect()
}

/// An attachment in the row of its message.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    id: Cow<'a, str>,
    uploader: i64,
    kind: i64,
    name: Cow<'a, str>,
    mime: Cow<'a, str>,
    bytes: u64,
    digest: Option<String>,
    dimensions: Option<(u32, u32)>,
    duration_ms: Option<u64>,
    waveform: Option<Cow<'a, [u8]>>,
    placeholder: Option<Cow<'a, [u8]>>,
    thumbs: Vec<KeptThumb<'a>>,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct KeptThumb<'a> {
    size: u32,
    width: u32,
    height: u32,
    mime: Cow<'a, str>,
    bytes: u64,
    digest: String,
}

impl<'a> From<&'a Attachment> for Kept<'a> {
    fn from(attachment: &'a Attachment) -> Self {
        let thumb = |thumb: &'a Thumb| KeptThumb {
            size: thumb.size,
            width: thumb.width,
            height: thumb.height,
            mime: Cow::Borrowed(&thumb.mime),
            bytes: thumb.bytes,
            digest: thumb.blob.to_string(),
        };
        Self {
            id: attachment.id.to_string().into(),
            uploader: attachment.uploader.0,
            kind: kind_number(attachment.kind),
            name: Cow::Borrowed(&attachment.name),
            mime: Cow::Borrowed(&attachment.mime),
            bytes: attachment.size,
            digest: attachment.blob.map(|blob| blob.to_string()),
            dimensions: attachment.dimensions,
            duration_ms: attachment.duration_ms,
            waveform: attachment.waveform.as_deref().map(Cow::Borrowed),
            placeholder: attachment.placeholder.as_deref().map(Cow::Borrowed),
            thumbs: attachment.thumbs.iter().map(thumb).collect(),
            at: attachment.created_at.0,
        }
    }
}

impl Kept<'_> {
    fn read(self) -> Result<Attachment, DbErr> {
        let faulty = || corrupt("an attachment that cannot be read");
        let blob = |digest: &str| BlobId::parse(digest).ok_or_else(faulty);
        let thumb = |thumb: KeptThumb<'_>| {
            Ok(Thumb {
                size: thumb.size,
                width: thumb.width,
                height: thumb.height,
                mime: thumb.mime.into_owned(),
                bytes: thumb.bytes,
                blob: blob(&thumb.digest)?,
            })
        };
        Ok(Attachment {
            id: AttachmentId(uuid::Uuid::try_parse(&self.id).map_err(|_| faulty())?),
            uploader: UserId(self.uploader),
            kind: kind(self.kind)?,
            name: self.name.into_owned(),
            mime: self.mime.into_owned(),
            size: self.bytes,
            blob: self.digest.as_deref().map(blob).transpose()?,
            dimensions: self.dimensions,
            duration_ms: self.duration_ms,
            waveform: self.waveform.map(Cow::into_owned),
            placeholder: self.placeholder.map(Cow::into_owned),
            thumbs: self.thumbs.into_iter().map(thumb).collect::<Result<_, DbErr>>()?,
            state: AttachmentState::Ready,
            created_at: Timestamp(self.at),
        })
    }
}
