//! Refusals about threads and following them.

use super::{Problem, cursor_invalid, limit_invalid, refused};
use chinwag_messenger::{FollowError, ThreadError, ThreadsError};

impl From<ThreadError> for Problem {
    fn from(error: ThreadError) -> Self {
        match error {
            ThreadError::NotFound => Self::not_found(),
            ThreadError::NoRoot => thread_root_invalid(),
            ThreadError::LimitInvalid => limit_invalid(),
            ThreadError::Store(error) => error.into(),
        }
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::NotFound => Self::not_found(),
            FollowError::NotAMember => refused("not_a_member", "You are no longer a member."),
            FollowError::NoRoot => thread_root_invalid(),
            FollowError::Store(error) => error.into(),
        }
    }
}

impl From<ThreadsError> for Problem {
    fn from(error: ThreadsError) -> Self {
        match error {
            ThreadsError::CursorInvalid => cursor_invalid(),
            ThreadsError::LimitInvalid => limit_invalid(),
            ThreadsError::Store(error) => error.into(),
        }
    }
}

pub(super) fn thread_root_invalid() -> Problem {
    Problem::field(
        "thread_root_id",
        "thread_root_invalid",
        "This message cannot have a thread here.",
    )
}
