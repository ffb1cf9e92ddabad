//! Refusals about messages: sending, reading, changing, deleting, forwarding and finding them.

use super::threads::thread_root_invalid;
use super::{Problem, conflict, cursor_invalid, limit_invalid, not_a_member, refused};
use axum::http::StatusCode;
use chinwag_messenger::{
    ArrivalsError, DeleteError, EditError, ForwardError, HistoryError, PinError, ReactError, ReactionsError,
    SearchError, SendError, VersionsError,
};

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotFound => Self::not_found(),
            SendError::NotAMember => refused("not_a_member", "You are no longer a member."),
            SendError::PostingRestricted => {
                refused("posting_restricted", "Only administrators may post here.")
            }
            SendError::DmNotAllowed => refused("dm_not_allowed", "This person is no more."),
            SendError::Empty => Self::field(
                "body",
                "empty_message",
                "There is nothing to see in this message.",
            ),
            SendError::BodyTooLong => Self::field("body", "body_too_long", "The message is too long."),
            SendError::ReplyTargetInvalid => Self::field(
                "reply_to",
                "reply_target_invalid",
                "This message cannot be answered here.",
            ),
            SendError::TooManyAttachments => Self::field(
                "attachments",
                "too_many_attachments",
                "The message has too many attachments.",
            ),
            SendError::AttachmentNotReady => Self::field(
                "attachments",
                "attachment_not_ready",
                "One of the attachments is not ready.",
            ),
            SendError::AttachmentNotYours => Self::field(
                "attachments",
                "attachment_not_yours",
                "One of the attachments was not brought by you.",
            ),
            SendError::AttachmentInUse => Self::field(
                "attachments",
                "attachment_in_use",
                "One of the attachments is in use already.",
            ),
            SendError::ThreadRootInvalid => thread_root_invalid(),
            SendError::ClientIdConflict => {
                conflict("client_id_conflict", "The client_id belongs to another message.")
            }
            SendError::Store(error) => error.into(),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::LimitInvalid => limit_invalid(),
            HistoryError::NotFound => Self::not_found(),
            HistoryError::Store(error) => error.into(),
        }
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::EmptyQuery => Self::field("q", "empty_query", "There is nothing to look for."),
            SearchError::QueryTooLong => Self::field("q", "query_too_long", "The query is too long."),
            SearchError::FilterInvalid => Self::field(
                "q",
                "filter_invalid",
                "A filter is unknown or its value is not valid.",
            ),
            SearchError::CursorInvalid => cursor_invalid(),
            SearchError::LimitInvalid => limit_invalid(),
            SearchError::NotFound => Self::not_found(),
            SearchError::Store(error) => error.into(),
        }
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotFound => Self::not_found(),
            EditError::NotAMember => not_a_member(),
            EditError::NotAuthor => refused("not_author", "Only its author edits a message."),
            EditError::NotEditable => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_editable",
                "This message cannot be edited.",
            ),
            EditError::Deleted => message_deleted(),
            EditError::Disabled => refused("editing_disabled", "Messages are not edited here."),
            EditError::WindowClosed => refused("edit_window_closed", "It is too late to edit this message."),
            EditError::Stale => Self::stale_revision(),
            EditError::Empty => Self::field("body", "empty_message", "Nothing would be left of the message."),
            EditError::BodyTooLong => Self::field("body", "body_too_long", "The message is too long."),
            EditError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound => Self::not_found(),
            DeleteError::NotAMember => not_a_member(),
            DeleteError::NotAllowed => refused("not_allowed", "This message is not yours to delete."),
            DeleteError::WindowClosed => {
                refused("delete_window_closed", "It is too late to delete this message.")
            }
            DeleteError::Store(error) => error.into(),
        }
    }
}

impl From<VersionsError> for Problem {
    fn from(error: VersionsError) -> Self {
        match error {
            VersionsError::NotFound => Self::not_found(),
            VersionsError::NotAMember => not_a_member(),
            VersionsError::NotAllowed => refused(
                "not_allowed",
                "What it said before is for its author and administrators.",
            ),
            VersionsError::Store(error) => error.into(),
        }
    }
}

impl From<ForwardError> for Problem {
    fn from(error: ForwardError) -> Self {
        let detail = error.to_string();
        match error {
            ForwardError::MessagesInvalid => Self::field("message_ids", "message_ids_invalid", detail),
            ForwardError::TargetsInvalid => Self::field("to", "to_invalid", detail),
            ForwardError::NotFound => Self::not_found(),
            ForwardError::NotAMember => not_a_member(),
            ForwardError::PostingRestricted => {
                refused("posting_restricted", "Only administrators may post here.")
            }
            ForwardError::NotForwardable => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_forwardable",
                "This message cannot be forwarded.",
            ),
            ForwardError::Deleted => message_deleted(),
            ForwardError::Store(error) => error.into(),
        }
    }
}

fn message_deleted() -> Problem {
    conflict("message_deleted", "The message was deleted.")
}

impl From<PinError> for Problem {
    fn from(error: PinError) -> Self {
        match error {
            PinError::NotFound => Self::not_found(),
            PinError::NotAMember => not_a_member(),
            PinError::NotAllowed => refused("not_allowed", "This is not for you to pin."),
            PinError::Deleted => message_deleted(),
            PinError::TooMany => conflict(
                "too_many_pins",
                "There are as many pinned messages as there may be.",
            ),
            PinError::Store(error) => error.into(),
        }
    }
}

impl From<ReactionsError> for Problem {
    fn from(error: ReactionsError) -> Self {
        match error {
            ReactionsError::NotFound => Self::not_found(),
            ReactionsError::CursorInvalid => cursor_invalid(),
            ReactionsError::LimitInvalid => limit_invalid(),
            ReactionsError::Store(error) => error.into(),
        }
    }
}

impl From<ReactError> for Problem {
    fn from(error: ReactError) -> Self {
        match error {
            ReactError::NotFound => Self::not_found(),
            ReactError::NotAMember => not_a_member(),
            ReactError::EmojiInvalid => Self::field("emoji", "emoji_invalid", "This is not a single emoji."),
            ReactError::NotAllowed => refused("not_allowed", "This message takes no reactions."),
            ReactError::PostingRestricted => {
                refused("posting_restricted", "Only administrators may post here.")
            }
            ReactError::Deleted => message_deleted(),
            ReactError::TooMany => conflict("too_many_reactions", "There are too many different reactions."),
            ReactError::Store(error) => error.into(),
        }
    }
}

impl From<ArrivalsError> for Problem {
    fn from(error: ArrivalsError) -> Self {
        match error {
            ArrivalsError::NotFound => Self::not_found(),
            ArrivalsError::NotAuthor => {
                refused("not_author", "Only its author may know who has seen a message.")
            }
            ArrivalsError::NotAMember => not_a_member(),
            ArrivalsError::CursorInvalid => cursor_invalid(),
            ArrivalsError::LimitInvalid => limit_invalid(),
            ArrivalsError::Store(error) => error.into(),
        }
    }
}
