//! Attachments: files that people send, and who may read them. A file is reachable only through a message or a
//! picture of somebody that the reader may see, or by who uploaded it.

mod files;
mod incoming;
mod sweep;
mod upload;

pub use incoming::Incoming;
pub use upload::{NewUpload, Upload, UploadError};

pub(crate) use files::Files;

use crate::blob::{BlobError, BlobId, BlobStream, Blobs};
use crate::store::{MediaPlace, StoreError, StoredAttachment};
use crate::{Caller, ConversationId, MessageId, Messenger, Page, StoreResult, Timestamp, UserId, text};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Name of an attachment; a random UUID, which cannot be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttachmentId(pub uuid::Uuid);

impl std::fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How an attachment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttachmentKind {
    /// A picture, moving or not.
    Image,
    /// A film.
    Video,
    /// A sound.
    Audio,
    /// A sound that was spoken to be sent.
    Voice,
    /// Anything else: only downloaded.
    File,
}

/// How far an attachment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentState {
    /// Its bytes are still arriving.
    Uploading,
    /// It may be sent.
    Ready,
    /// It arrived, and was not what it had to be.
    Failed,
}

/// An attachment as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub id: AttachmentId,
    /// Who brought it.
    pub uploader: UserId,
    /// How it is shown.
    pub kind: AttachmentKind,
    /// What the file is called.
    pub name: String,
    /// What it is by its content.
    pub mime: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its content, once it is there.
    pub blob: Option<BlobId>,
    /// Width and height in pixels, upright.
    pub dimensions: Option<(u32, u32)>,
    /// How long it plays.
    pub duration_ms: Option<u64>,
    /// Peaks of 64 slices of a voice note, 0 to 31.
    pub waveform: Option<Vec<u8>>,
    /// A ThumbHash, to be shown until there is more.
    pub placeholder: Option<Vec<u8>>,
    /// Small pictures of it, smallest first.
    pub thumbs: Vec<Thumb>,
    /// How far it has come.
    pub state: AttachmentState,
    /// When it was begun.
    pub created_at: Timestamp,
}

/// A small picture of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumb {
    /// Which one: the longest side it may have.
    pub size: u32,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// What it is.
    pub mime: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its content.
    pub blob: BlobId,
}

/// What is to be sent to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The bytes.
    pub blob: BlobId,
    /// How many there are.
    pub size: u64,
    /// What they are.
    pub mime: String,
    /// What the file is called.
    pub name: String,
    /// Whether it may be shown where it is, and not only be downloaded.
    pub inline: bool,
}

/// An attachment in the gallery of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaItem {
    /// It.
    pub attachment: Attachment,
    /// The message it came with.
    pub message: MessageId,
    /// That message's place.
    pub seq: u64,
    /// Who sent it.
    pub author: UserId,
}

/// Bounds of attachments, with the defaults of a fresh server.
#[derive(Debug, Clone)]
pub struct AttachmentLimits {
    /// Most attachments of one message.
    pub per_message_max: usize,
    /// Largest file, in bytes.
    pub file_bytes_max: u64,
    /// Bytes that one user may have uploaded.
    pub quota_bytes: u64,
    /// Longest voice note, in seconds.
    pub voice_s_max: u64,
    /// Largest voice note, in bytes.
    pub voice_bytes_max: u64,
    /// Most pixels of an image.
    pub image_pixels_max: u64,
    /// Seconds that looking at one file may take.
    pub look_s_max: u64,
    /// Seconds after which a file that nothing refers to is removed.
    pub unused_s: u64,
}

impl Default for AttachmentLimits {
    fn default() -> Self {
        Self {
            per_message_max: 10,
            file_bytes_max: 100 * 1024 * 1024,
            quota_bytes: 5 * 1024 * 1024 * 1024,
            voice_s_max: 15 * 60,
            voice_bytes_max: 25 * 1024 * 1024,
            image_pixels_max: 50_000_000,
            look_s_max: 30,
            unused_s: 24 * 60 * 60,
        }
    }
}

/// Why an attachment is not handed out.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// There is none, or the caller may not know about it.
    #[error("no such attachment")]
    NotFound,
    /// It was deleted.
    #[error("the attachment was deleted")]
    Gone,
    /// Its bytes are still arriving, or were not what they had to be.
    #[error("the attachment is not ready")]
    NotReady,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an attachment cannot be the picture of somebody or of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AvatarError {
    /// The caller did not bring it, or there is none.
    #[error("the picture is not the caller's")]
    NotYours,
    /// It has not arrived, or was not what it had to be.
    #[error("the picture is not ready")]
    NotReady,
    /// It came with a message, or is a picture already.
    #[error("the picture is in use")]
    InUse,
    /// It is something else.
    #[error("the picture is no image")]
    NoImage,
}

/// Why the gallery is refused.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// There is no such conversation, or the caller may not know about it.
    #[error("no such conversation")]
    NotFound,
    /// Not one of ours.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// Outside 1 to the maximum.
    #[error("the limit is out of range")]
    LimitInvalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<BlobError> for StoreError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full => Self::Full,
            BlobError::Missing | BlobError::Failed(_) => Self::Broken(error.to_string()),
        }
    }
}

impl AttachmentKind {
    /// Whether browsers show it where it is. The types of what does are listed where files are looked at.
    fn is_shown(self) -> bool {
        self != Self::File
    }
}

impl Messenger {
    /// The same messenger with a place for files. What is on its way there lies in the folder `spool`, which is
    /// created when there is none.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn with_files(mut self, blobs: Arc<dyn Blobs>, spool: &Path) -> std::io::Result<Self> {
        self.files = Some(Files::new(blobs, spool)?);
        Ok(self)
    }

    pub(crate) fn files(&self) -> StoreResult<&Files> {
        let missing = || StoreError::Unavailable("there is no place for files".into());
        self.files.as_ref().ok_or_else(missing)
    }

    /// Says that something may have lost its last reference.
    pub(crate) fn release_files(&self) {
        if let Some(files) = &self.files {
            files.release();
        }
    }

    /// What there is to know of an attachment.
    pub async fn attachment(&self, caller: &Caller, id: AttachmentId) -> Result<Attachment, AttachmentError> {
        let stored = self.store.attachment(id).await?;
        let stored = stored.ok_or(AttachmentError::NotFound)?;
        if !self.may_see(caller, &stored).await? {
            return Err(AttachmentError::NotFound);
        }
        if stored.deleted_at.is_some() {
            return Err(AttachmentError::Gone);
        }
        Ok(stored.attachment)
    }

    /// What to send of an attachment: all of it, or a small picture of one of the sizes.
    pub async fn content(
        &self,
        caller: &Caller,
        id: AttachmentId,
        thumb: Option<u32>,
    ) -> Result<Content, AttachmentError> {
        let attachment = self.attachment(caller, id).await?;
        let (AttachmentState::Ready, Some(blob)) = (attachment.state, attachment.blob) else {
            return Err(AttachmentError::NotReady);
        };
        let Some(size) = thumb else {
            return Ok(Content {
                blob,
                size: attachment.size,
                inline: attachment.kind.is_shown(),
                mime: attachment.mime,
                name: attachment.name,
            });
        };
        let thumb = attachment.thumbs.into_iter().find(|thumb| thumb.size == size);
        let thumb = thumb.ok_or(AttachmentError::NotFound)?;
        Ok(Content {
            blob: thumb.blob,
            size: thumb.bytes,
            mime: thumb.mime,
            name: attachment.name,
            inline: true,
        })
    }

    /// The bytes of what [`Messenger::content`] named.
    pub async fn read(&self, content: &Content, range: Range<u64>) -> StoreResult<BlobStream> {
        Ok(self.files()?.blobs.get(content.blob, range).await?)
    }

    /// What came with the messages of a conversation that the caller may see, newest first.
    pub async fn media(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        kinds: &[AttachmentKind],
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<MediaItem>, MediaError> {
        let limit = self.page_limit(limit).ok_or(MediaError::LimitInvalid)?;
        let after = match cursor {
            Some(text) => Some(read_place(text).ok_or(MediaError::CursorInvalid)?),
            None => None,
        };
        let found = self
            .store
            .media(caller.user, conversation, kinds, after, limit + 1)
            .await?;
        let mut items = found.ok_or(MediaError::NotFound)?;
        let has_more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| has_more).map(|(_, place)| *place);
        Ok(Page {
            items: items.into_iter().map(|(item, _)| item).collect(),
            next_cursor: last.map(|place| format!("{}.{}", place.seq, place.place)),
        })
    }

    /// Through what the caller may see decides whether it may see this.
    async fn may_see(&self, caller: &Caller, stored: &StoredAttachment) -> StoreResult<bool> {
        if stored.attachment.uploader == caller.user || stored.avatar_of_user.is_some() {
            return Ok(true);
        }
        if let Some(conversation) = stored.avatar_of_conversation {
            return Ok(self.membership(caller.user, conversation).await?.is_some());
        }
        match stored.message {
            Some(message) => Ok(self.store.message(caller.user, message).await?.is_some()),
            None => Ok(false),
        }
    }
}

fn read_place(text: &str) -> Option<MediaPlace> {
    let (seq, place) = text.split_once('.')?;
    Some(MediaPlace {
        seq: seq.parse().ok().filter(|&seq: &u64| seq < 1 << 53)?,
        place: place.parse().ok()?,
    })
}

/// Characters of a file's name, at most.
const NAME_CHARS_MAX: usize = 128;

/// The name of a file without folders, or anything that means something to a shell or a browser.
pub(crate) fn file_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let cleaned = text::name(last);
    let kept = cleaned.replace(['<', '>', ':', '"', '|', '?', '*'], "_");
    // Neither hidden nor ending in what Windows drops.
    let kept = kept.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    let count = kept.chars().count();
    if count == 0 {
        return "file".to_owned();
    }
    if count <= NAME_CHARS_MAX {
        return kept.to_owned();
    }
    // What the file is stands at the end.
    let ending = kept.rsplit_once('.').map(|(_, ending)| ending);
    let ending = ending
        .filter(|ending| ending.chars().count() <= 10)
        .map(|ending| format!(".{ending}"));
    let ending = ending.unwrap_or_default();
    let start: String = kept
        .chars()
        .take(NAME_CHARS_MAX - ending.chars().count())
        .collect();
    format!("{start}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_only_names() {
        let check = |given: &str, expected: &str| assert_eq!(file_name(given), expected, "{given:?}");
        check("holiday.jpg", "holiday.jpg");
        check("../../etc/passwd", "passwd");
        check("C:\\Users\\sam\\photo.png", "photo.png");
        check("a\u{202E}gpj.exe", "agpj.exe");
        check("a\r\nb\0.txt", "ab.txt");
        check(".htaccess", "htaccess");
        check("who?.txt", "who_.txt");
        check("Ёлка 会议.pdf", "Ёлка 会议.pdf");
        check("", "file");
        check("..", "file");
        check("/", "file");
        let long = file_name(&format!("{}.jpeg", "x".repeat(500)));
        assert_eq!(
            (long.chars().count(), long.ends_with("x.jpeg")),
            (NAME_CHARS_MAX, true)
        );
        assert_eq!(file_name(&"ы".repeat(500)).chars().count(), NAME_CHARS_MAX);
    }
}
