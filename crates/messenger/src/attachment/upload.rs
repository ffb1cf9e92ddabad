//! Bringing files: in one go, or in parts that can be taken up again where they broke off.

use super::files::{Busy, Leftovers, blocking};
use super::{Attachment, AttachmentId, AttachmentState, Files, Incoming, file_name};
use crate::blob::BlobError;
use crate::media::{Bounds, Looked, Unfit, VoiceNote};
use crate::store::{FinishedUpload, NewAttachment, NewPart, QuotaExceeded, StoreError, StoredAttachment};
use crate::{AttachmentKind, Audience, Caller, Event, Messenger, Timestamp};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A file that is announced, to be sent in parts.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// What the file is called.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// It is a voice note.
    pub voice: Option<VoiceNote>,
}

/// A file that arrives in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The name it has, and that the attachment will have.
    pub id: AttachmentId,
    /// Its length in bytes.
    pub size: u64,
    /// How many of them are there.
    pub offset: u64,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is no such upload of the caller's, or it has ended.
    #[error("no such upload")]
    NotFound,
    /// Longer or larger than such a file may be.
    #[error("the file is too large")]
    FileTooLarge,
    /// Not what it has to be.
    #[error("files of this type are not taken here")]
    TypeNotAllowed,
    /// More pixels than allowed.
    #[error("the image is too large")]
    ImageTooLarge,
    /// No image can be made of it.
    #[error("the image is damaged")]
    ImageInvalid,
    /// Not 64 numbers from 0 to 31.
    #[error("the waveform is not valid")]
    WaveformInvalid,
    /// This is not where the upload goes on. It goes on at `offset`, when nobody else is sending.
    #[error("the upload does not go on there")]
    OffsetMismatch {
        /// How many bytes are there.
        offset: u64,
    },
    /// The caller has no room left.
    #[error("the quota is used up")]
    QuotaExceeded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<BlobError> for UploadError {
    fn from(error: BlobError) -> Self {
        Self::Store(error.into())
    }
}

impl From<Unfit> for UploadError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::TooLarge => Self::FileTooLarge,
            Unfit::WrongType => Self::TypeNotAllowed,
            Unfit::ImageTooLarge => Self::ImageTooLarge,
            Unfit::ImageInvalid => Self::ImageInvalid,
            Unfit::Failed(error) => error.into(),
        }
    }
}

impl UploadError {
    /// Whether the file will never be taken, however often it is tried.
    fn is_final(&self) -> bool {
        matches!(
            self,
            Self::FileTooLarge
                | Self::TypeNotAllowed
                | Self::ImageTooLarge
                | Self::ImageInvalid
                | Self::QuotaExceeded
        )
    }
}

impl Messenger {
    /// Begins to take a file that comes in one go. `expected` are its bytes, or more, if that is known.
    pub async fn begin_attachment(
        &self,
        caller: &Caller,
        expected: Option<u64>,
    ) -> Result<Incoming, UploadError> {
        let files = self.files()?;
        let limits = &self.options.attachments;
        let used = self.store.attachment_bytes(caller.user).await?;
        if used >= limits.quota_bytes {
            return Err(UploadError::QuotaExceeded);
        }
        // What comes is a file and some words about it.
        const WORDS_BYTES: u64 = 64 * 1024;
        if expected.is_some_and(|bytes| bytes > limits.file_bytes_max + WORDS_BYTES) {
            return Err(UploadError::FileTooLarge);
        }
        let id = AttachmentId(Uuid::new_v4());
        let path = files.scratch();
        let at = path.clone();
        let file = blocking(move || File::create_new(at)).await?;
        let mut incoming = Incoming::new(id, path.clone(), file, None, 0, limits.file_bytes_max);
        incoming.leftovers.add(path);
        Ok(incoming)
    }

    /// Looks at what has come, and keeps it.
    pub async fn finish_attachment(
        &self,
        caller: &Caller,
        mut incoming: Incoming,
        name: &str,
        voice: Option<VoiceNote>,
    ) -> Result<Attachment, UploadError> {
        check_waveform(voice.as_ref())?;
        incoming.pause().await?;
        let files = self.files()?;
        let (looked, cleaned, _leftovers) = self.look(files, &incoming.path, voice).await?;
        let _open = files.gate.read().await;
        let parts = keep(files, looked.thumbs, cleaned.as_deref().unwrap_or(&incoming.path)).await?;
        let new = NewAttachment {
            id: incoming.id,
            uploader: caller.user,
            kind: looked.kind,
            name: file_name(name),
            mime: looked.mime.to_owned(),
            size: parts[0].bytes,
            dimensions: looked.dimensions,
            duration_ms: looked.duration_ms,
            waveform: looked.waveform,
            placeholder: looked.placeholder,
            parts,
            state: AttachmentState::Ready,
            at: Timestamp::now(),
        };
        self.create(new).await
    }

    /// Announces a file that will come in parts. Its bytes count from now on.
    pub async fn create_upload(&self, caller: &Caller, upload: NewUpload) -> Result<Upload, UploadError> {
        let files = self.files()?;
        let limits = &self.options.attachments;
        check_waveform(upload.voice.as_ref())?;
        let too_large_voice = upload.voice.is_some() && upload.size > limits.voice_bytes_max;
        if upload.size > limits.file_bytes_max || too_large_voice {
            return Err(UploadError::FileTooLarge);
        }
        let id = AttachmentId(Uuid::new_v4());
        let path = files.place(id);
        blocking(move || File::create_new(path)).await?;
        let kind = if upload.voice.is_some() {
            AttachmentKind::Voice
        } else {
            AttachmentKind::File
        };
        let voice = upload.voice.unwrap_or_default();
        let new = NewAttachment {
            id,
            uploader: caller.user,
            kind,
            name: file_name(&upload.name),
            mime: "application/octet-stream".to_owned(),
            size: upload.size,
            dimensions: None,
            duration_ms: voice.duration_ms,
            waveform: voice.waveform,
            placeholder: None,
            parts: Vec::new(),
            state: AttachmentState::Uploading,
            at: Timestamp::now(),
        };
        let mut leftovers = Leftovers::default();
        leftovers.add(files.place(id));
        self.create(new).await?;
        // It is wanted from now on.
        std::mem::forget(leftovers);
        Ok(Upload {
            id,
            size: upload.size,
            offset: 0,
        })
    }

    /// How far an upload of the caller's has come.
    pub async fn upload(&self, caller: &Caller, id: AttachmentId) -> Result<Upload, UploadError> {
        let stored = self.own_upload(caller, id).await?;
        Ok(Upload {
            id,
            size: stored.attachment.size,
            offset: self.offset(id).await?,
        })
    }

    /// Takes up an upload at its end, which has to be `offset`, for `expected` bytes if that is known.
    pub async fn continue_upload(
        &self,
        caller: &Caller,
        id: AttachmentId,
        offset: u64,
        expected: Option<u64>,
    ) -> Result<Incoming, UploadError> {
        let stored = self.own_upload(caller, id).await?;
        let busy = self.occupy(id).await?;
        let there = self.offset(id).await?;
        if offset != there {
            return Err(UploadError::OffsetMismatch { offset: there });
        }
        let size = stored.attachment.size;
        if expected.is_some_and(|bytes| bytes > size.saturating_sub(offset)) {
            return Err(UploadError::FileTooLarge);
        }
        let path = self.files()?.place(id);
        let at = path.clone();
        let file = blocking(move || File::options().append(true).open(at)).await?;
        Ok(Incoming::new(id, path, file, Some(busy), offset, size))
    }

    /// All parts are there: looks at the file, and keeps it. The caller's other devices hear of it.
    pub async fn complete_upload(
        &self,
        caller: &Caller,
        id: AttachmentId,
    ) -> Result<Attachment, UploadError> {
        let stored = self.store.attachment(id).await?;
        let own = stored.filter(|stored| stored.attachment.uploader == caller.user);
        let stored = own.ok_or(UploadError::NotFound)?;
        if stored.attachment.state == AttachmentState::Ready && stored.deleted_at.is_none() {
            // The answer did not arrive the first time.
            return Ok(stored.attachment);
        }
        let upload = self.own_upload(caller, id).await?.attachment;
        let _busy = self.occupy(id).await?;
        let there = self.offset(id).await?;
        if there != upload.size {
            return Err(UploadError::OffsetMismatch { offset: there });
        }
        let files = self.files()?;
        let path = files.place(id);
        let voice = (upload.kind == AttachmentKind::Voice).then(|| VoiceNote {
            duration_ms: upload.duration_ms,
            waveform: upload.waveform.clone(),
        });
        let looked = self.look(files, &path, voice).await;
        let (looked, cleaned, _leftovers) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                if error.is_final() {
                    self.finish(caller, id, None).await?;
                    drop(std::fs::remove_file(&path));
                }
                return Err(error);
            }
        };
        let _open = files.gate.read().await;
        let parts = keep(files, looked.thumbs, cleaned.as_deref().unwrap_or(&path)).await?;
        let finished = FinishedUpload {
            kind: looked.kind,
            mime: looked.mime.to_owned(),
            size: parts[0].bytes,
            dimensions: looked.dimensions,
            duration_ms: looked.duration_ms,
            waveform: looked.waveform,
            placeholder: looked.placeholder,
            parts,
        };
        let attachment = self.finish(caller, id, Some(finished)).await?;
        drop(std::fs::remove_file(&path));
        Ok(attachment)
    }

    async fn create(&self, new: NewAttachment) -> Result<Attachment, UploadError> {
        let quota = self.options.attachments.quota_bytes;
        match self.store.create_attachment(new, quota).await? {
            Ok(attachment) => Ok(attachment),
            Err(QuotaExceeded) => Err(UploadError::QuotaExceeded),
        }
    }

    async fn finish(
        &self,
        caller: &Caller,
        id: AttachmentId,
        finished: Option<FinishedUpload>,
    ) -> Result<Attachment, UploadError> {
        let (feed, at) = (Arc::clone(&self.feed), Timestamp::now());
        let announce = move |done: &Option<(Attachment, u64)>| {
            if let Some((attachment, user_rev)) = done {
                let event = Event::AttachmentUpdated {
                    attachment: attachment.clone(),
                    user_rev: *user_rev,
                    at,
                };
                feed.deliver(&Audience::Users(vec![attachment.uploader]), &event);
            }
        };
        let done = self
            .store
            .finish_upload(caller.user, id, finished, Box::new(announce))
            .await?;
        done.map(|(attachment, _)| attachment)
            .ok_or(UploadError::NotFound)
    }

    async fn own_upload(&self, caller: &Caller, id: AttachmentId) -> Result<StoredAttachment, UploadError> {
        let stored = self.store.attachment(id).await?;
        let open = stored.filter(|stored| {
            stored.attachment.uploader == caller.user
                && stored.attachment.state == AttachmentState::Uploading
                && stored.deleted_at.is_none()
        });
        open.ok_or(UploadError::NotFound)
    }

    async fn occupy(&self, id: AttachmentId) -> Result<Busy, UploadError> {
        match self.files()?.occupy(id) {
            Some(busy) => Ok(busy),
            None => Err(UploadError::OffsetMismatch {
                offset: self.offset(id).await?,
            }),
        }
    }

    async fn offset(&self, id: AttachmentId) -> Result<u64, UploadError> {
        let path = self.files()?.place(id);
        match blocking(move || std::fs::metadata(path)).await {
            Ok(metadata) => Ok(metadata.len()),
            Err(BlobError::Missing) => Err(UploadError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at a file of our own making, and keeps its bytes.
    pub(crate) async fn take_in(
        &self,
        content: Vec<u8>,
        voice: Option<VoiceNote>,
    ) -> Result<(Looked, Vec<NewPart>), UploadError> {
        let files = self.files()?;
        let path = files.scratch();
        let mut leftovers = Leftovers::default();
        leftovers.add(path.clone());
        let written = path.clone();
        blocking(move || std::fs::write(written, content)).await?;
        let (mut looked, cleaned, _leftovers) = self.look(files, &path, voice).await?;
        let thumbs = std::mem::take(&mut looked.thumbs);
        let parts = keep(files, thumbs, cleaned.as_deref().unwrap_or(&path)).await?;
        Ok((looked, parts))
    }

    /// What the file at `path` is, where it lies without what is not wanted, and what to remove in the end.
    async fn look(
        &self,
        files: &Files,
        path: &Path,
        voice: Option<VoiceNote>,
    ) -> Result<(Looked, Option<std::path::PathBuf>, Leftovers), UploadError> {
        let cleaned = files.scratch();
        let mut leftovers = Leftovers::default();
        leftovers.add(cleaned.clone());
        let looked = files.look(path, &cleaned, voice, self.bounds()).await?;
        let cleaned = looked.rewritten.then_some(cleaned);
        Ok((looked, cleaned, leftovers))
    }

    pub(crate) fn bounds(&self) -> Bounds {
        let limits = &self.options.attachments;
        Bounds {
            pixels_max: limits.image_pixels_max,
            voice_ms_max: limits.voice_s_max * 1_000,
            voice_bytes_max: limits.voice_bytes_max,
            time: Duration::from_secs(limits.look_s_max),
        }
    }
}

fn check_waveform(voice: Option<&VoiceNote>) -> Result<(), UploadError> {
    match voice {
        Some(voice) if !voice.is_sound() => Err(UploadError::WaveformInvalid),
        _ => Ok(()),
    }
}

/// Puts the file and its small pictures into their place; the file first.
async fn keep(
    files: &Files,
    thumbs: Vec<crate::media::Thumbnail>,
    path: &Path,
) -> Result<Vec<NewPart>, UploadError> {
    let (blob, bytes) = files.put(path).await?;
    let mut parts = vec![NewPart {
        size: 0,
        blob,
        mime: String::new(),
        bytes,
        dimensions: (0, 0),
    }];
    for thumb in thumbs {
        parts.push(files.put_thumb(thumb).await?);
    }
    Ok(parts)
}
