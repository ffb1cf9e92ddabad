//! What the messenger asks of a store about attachments.

use super::{Announce, StoreError};
use crate::blob::BlobId;
use crate::{
    Attachment, AttachmentId, AttachmentKind, AttachmentState, ConversationId, MediaItem, MessageId,
    Timestamp, UserId,
};
use async_trait::async_trait;

/// An attachment to be stored.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    /// Its name.
    pub id: AttachmentId,
    /// Who brings it.
    pub uploader: UserId,
    /// How it is shown.
    pub kind: AttachmentKind,
    /// What the file is called.
    pub name: String,
    /// What it is.
    pub mime: String,
    /// Its length in bytes, as announced or as it is.
    pub size: u64,
    /// Width and height.
    pub dimensions: Option<(u32, u32)>,
    /// How long it plays.
    pub duration_ms: Option<u64>,
    /// Peaks of a voice note.
    pub waveform: Option<Vec<u8>>,
    /// A ThumbHash.
    pub placeholder: Option<Vec<u8>>,
    /// Its content and its small pictures; empty while it is uploading.
    pub parts: Vec<NewPart>,
    /// How far it has come.
    pub state: AttachmentState,
    /// When.
    pub at: Timestamp,
}

/// A blob that an attachment refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// Which small picture; 0 is the content itself.
    pub size: u32,
    /// The bytes.
    pub blob: BlobId,
    /// What a small picture is.
    pub mime: String,
    /// How many bytes.
    pub bytes: u64,
    /// Width and height of a small picture.
    pub dimensions: (u32, u32),
}

/// What an upload turned out to be.
#[derive(Debug, Clone)]
pub struct FinishedUpload {
    /// How it is shown.
    pub kind: AttachmentKind,
    /// What it is.
    pub mime: String,
    /// Its length in bytes.
    pub size: u64,
    /// Width and height.
    pub dimensions: Option<(u32, u32)>,
    /// How long it plays.
    pub duration_ms: Option<u64>,
    /// Peaks of a voice note.
    pub waveform: Option<Vec<u8>>,
    /// A ThumbHash.
    pub placeholder: Option<Vec<u8>>,
    /// Its content and its small pictures.
    pub parts: Vec<NewPart>,
}

/// An attachment, and through what it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttachment {
    /// It.
    pub attachment: Attachment,
    /// The message it came with.
    pub message: Option<MessageId>,
    /// Whose picture it is.
    pub avatar_of_user: Option<UserId>,
    /// The picture of which conversation it is.
    pub avatar_of_conversation: Option<ConversationId>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// A place in the gallery of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaPlace {
    /// The message's seq.
    pub seq: u64,
    /// Which of its attachments.
    pub place: u32,
}

/// The uploader has no room left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaExceeded;

/// Attachments.
#[async_trait]
pub trait Attachments {
    /// Stores an attachment, unless what the uploader has brought would then be more than `quota_bytes`.
    async fn create_attachment(
        &self,
        new: NewAttachment,
        quota_bytes: u64,
    ) -> Result<Result<Attachment, QuotaExceeded>, StoreError>;
    /// Ends an upload of the user's: it is ready, or, with `None`, it failed, and its bytes count no more. Announced
    /// with the raised `user_rev`. `None` when there is no such upload, or it has ended.
    async fn finish_upload(
        &self,
        user: UserId,
        id: AttachmentId,
        finished: Option<FinishedUpload>,
        announce: Announce<Option<(Attachment, u64)>>,
    ) -> Result<Option<(Attachment, u64)>, StoreError>;
    /// The attachment, deleted ones included.
    async fn attachment(&self, id: AttachmentId) -> Result<Option<StoredAttachment>, StoreError>;
    /// Bytes the user has brought: those that are there, and those announced.
    async fn attachment_bytes(&self, user: UserId) -> Result<u64, StoreError>;
    /// Attachments of these kinds of the messages that the reader may see, newest first, after the given place.
    /// Who left sees what there was then; `None` when it never was a member.
    async fn media(
        &self,
        reader: UserId,
        conversation: ConversationId,
        kinds: &[AttachmentKind],
        after: Option<MediaPlace>,
        limit: usize,
    ) -> Result<Option<Vec<(MediaItem, MediaPlace)>>, StoreError>;
    /// Removes attachments begun before this time that nothing refers to, and releases their blobs.
    async fn expire_attachments(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<AttachmentId>, StoreError>;
    /// Blobs that lost a reference, to be removed if it was the last.
    async fn released_blobs(&self, limit: usize) -> Result<Vec<BlobId>, StoreError>;
    /// They have been seen to.
    async fn forget_released(&self, ids: &[BlobId]) -> Result<(), StoreError>;
    /// Those of the blobs that nothing refers to.
    async fn unreferenced(&self, ids: &[BlobId]) -> Result<Vec<BlobId>, StoreError>;
}
