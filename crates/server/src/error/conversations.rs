//! Refusals about conversations as a caller has them: the list, what changed, one's own settings and receipts.

use super::{Problem, conflict, cursor_invalid, limit_invalid, not_a_member, not_allowed};
use axum::http::StatusCode;
use chinwag_messenger::{
    AccessError, DeleteConversationError, ListError, MyStateError, ReadAllError, SyncError,
};

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::CursorInvalid => cursor_invalid(),
            ListError::LimitInvalid => limit_invalid(),
            ListError::Store(error) => error.into(),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => Self::not_found(),
            AccessError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteConversationError> for Problem {
    fn from(error: DeleteConversationError) -> Self {
        match error {
            DeleteConversationError::NotFound => Self::not_found(),
            DeleteConversationError::NotAllowed => not_allowed(),
            DeleteConversationError::Store(error) => error.into(),
        }
    }
}

impl From<MyStateError> for Problem {
    fn from(error: MyStateError) -> Self {
        match error {
            MyStateError::NotFound => Self::not_found(),
            MyStateError::DraftTooLong => {
                Self::field("draft.body", "body_too_long", "The draft is too long.")
            }
            MyStateError::TooManyAttachments => Self::field(
                "draft.attachments",
                "too_many_attachments",
                "The draft has too many attachments.",
            ),
            MyStateError::DraftConflict => {
                conflict("draft_conflict", "Another device has stored a newer draft.")
            }
            MyStateError::Store(error) => error.into(),
        }
    }
}

impl From<ReadAllError> for Problem {
    fn from(error: ReadAllError) -> Self {
        match error {
            ReadAllError::NotFound => Self::not_found(),
            ReadAllError::NotAMember => not_a_member(),
            ReadAllError::Store(error) => error.into(),
        }
    }
}

impl From<SyncError> for Problem {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::CursorInvalid => cursor_invalid(),
            SyncError::CursorExpired => Self::new(
                StatusCode::GONE,
                "cursor_expired",
                "The cursor is too old. Start again without one.",
            ),
            SyncError::LimitInvalid => limit_invalid(),
            SyncError::Store(error) => error.into(),
        }
    }
}
