//! Refusals about files: uploads, what becomes of them, and pictures of people and groups.

use super::{Problem, conflict, cursor_invalid, limit_invalid};
use axum::http::StatusCode;
use chinwag_messenger::{AttachmentError, AvatarError, MediaError, UploadError};

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::NotFound => Self::not_found(),
            UploadError::FileTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "file_too_large",
                "The file is larger or longer than such a file may be, or than was announced.",
            ),
            UploadError::TypeNotAllowed => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "type_not_allowed",
                "The file is not of a type that is taken here.",
            ),
            UploadError::ImageTooLarge => {
                Self::field("file", "image_too_large", "The image has too many pixels.")
            }
            UploadError::ImageInvalid => Self::field("file", "image_invalid", "The image is damaged."),
            UploadError::WaveformInvalid => Self::field(
                "waveform",
                "waveform_invalid",
                "A waveform is 64 whole numbers from 0 to 31.",
            ),
            UploadError::OffsetMismatch { .. } => conflict(
                "offset_mismatch",
                "The upload goes on at the offset in the header Upload-Offset, once nobody else is sending.",
            ),
            UploadError::QuotaExceeded => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "quota_exceeded",
                "There is no room left for your files.",
            ),
            UploadError::Store(error) => error.into(),
        }
    }
}

impl From<AttachmentError> for Problem {
    fn from(error: AttachmentError) -> Self {
        match error {
            AttachmentError::NotFound => Self::not_found(),
            AttachmentError::Gone => Self::new(StatusCode::GONE, "attachment_deleted", "It was deleted."),
            AttachmentError::NotReady => conflict("attachment_not_ready", "Its bytes are not there."),
            AttachmentError::Store(error) => error.into(),
        }
    }
}

impl From<MediaError> for Problem {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::NotFound => Self::not_found(),
            MediaError::CursorInvalid => cursor_invalid(),
            MediaError::LimitInvalid => limit_invalid(),
            MediaError::Store(error) => error.into(),
        }
    }
}

impl From<AvatarError> for Problem {
    fn from(error: AvatarError) -> Self {
        let (code, detail) = match error {
            AvatarError::NotYours => ("attachment_not_yours", "The picture was not brought by you."),
            AvatarError::NotReady => ("attachment_not_ready", "The picture is not ready."),
            AvatarError::InUse => ("attachment_in_use", "The picture is in use already."),
            AvatarError::NoImage => ("avatar_invalid", "The picture has to be an image."),
        };
        Self::field("avatar_id", code, detail)
    }
}
