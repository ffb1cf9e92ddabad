//! Refusals about reports and to those who administer the server.

use super::{Problem, cursor_invalid, limit_invalid, refused};
use chinwag_messenger::{AdminListError, ChangeAccountError, ReportError, ServerInviteError};

impl From<AdminListError> for Problem {
    fn from(error: AdminListError) -> Self {
        match error {
            AdminListError::CursorInvalid => cursor_invalid(),
            AdminListError::LimitInvalid => limit_invalid(),
            AdminListError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeAccountError> for Problem {
    fn from(error: ChangeAccountError) -> Self {
        match error {
            ChangeAccountError::NotFound => Self::not_found(),
            ChangeAccountError::NotAllowed => refused("not_allowed", "You may not do this to that account."),
            ChangeAccountError::Store(error) => error.into(),
        }
    }
}

impl From<ServerInviteError> for Problem {
    fn from(error: ServerInviteError) -> Self {
        let detail = error.to_string();
        match error {
            ServerInviteError::LifeInvalid => Self::field("expires_in_s", "expires_in_invalid", detail),
            ServerInviteError::MaxUsesInvalid => Self::field("max_uses", "max_uses_invalid", detail),
            ServerInviteError::Store(error) => error.into(),
        }
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::NotFound => Self::not_found(),
            ReportError::ReasonTooLong => Self::field("reason", "reason_too_long", "The reason is too long."),
            ReportError::TooManyToday { retry_after_s } => Self::rate_limited(retry_after_s),
            ReportError::Store(error) => error.into(),
        }
    }
}
