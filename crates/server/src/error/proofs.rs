//! What proves who somebody is: second factors and passwords asked for again.

use axum::http::StatusCode;
use chinwag_messenger::{
    DeleteAccountError, EmailError, LogInError, MailTokenError, PasswordError, SecondFactorError,
    SecondStepError,
};

use super::{Problem, conflict};

impl Problem {
    /// The password in this field is not the caller's.
    pub(super) fn of_password(field: &'static str, error: PasswordError) -> Self {
        match error {
            PasswordError::Wrong => Self::field(field, "password_wrong", "This is not the present password."),
            PasswordError::TooManyAttempts { retry_after_s } => Self::rate_limited(retry_after_s),
            PasswordError::Store(error) => error.into(),
        }
    }
}

impl From<SecondStepError> for Problem {
    fn from(error: SecondStepError) -> Self {
        match error {
            SecondStepError::TicketInvalid => Self::new(
                StatusCode::UNAUTHORIZED,
                "ticket_invalid",
                "The ticket is unknown, used or late: log in with the password again.",
            ),
            SecondStepError::CodeInvalid => Self::new(
                StatusCode::UNAUTHORIZED,
                "second_factor_invalid",
                "The code is wrong, late or was used before.",
            ),
            SecondStepError::Suspended => LogInError::Suspended.into(),
            SecondStepError::TooManyAttempts { retry_after_s } => Self::rate_limited(retry_after_s),
            SecondStepError::Store(error) => error.into(),
        }
    }
}

impl From<SecondFactorError> for Problem {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::Password(error) => Self::of_password("password", error),
            SecondFactorError::Exists => {
                conflict("second_factor_exists", "There is a second factor already.")
            }
            SecondFactorError::Missing => {
                conflict("second_factor_missing", "There is no such second factor.")
            }
            SecondFactorError::CodeInvalid => Self::field(
                "code",
                "second_factor_invalid",
                "The code is wrong, late or was used before.",
            ),
            SecondFactorError::TooManyAttempts { retry_after_s } => Self::rate_limited(retry_after_s),
            SecondFactorError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteAccountError> for Problem {
    fn from(error: DeleteAccountError) -> Self {
        match error {
            DeleteAccountError::Password(error) => Self::of_password("password", error),
            DeleteAccountError::CodeRequired => Self::field(
                "code",
                "second_factor_required",
                "A code of the second factor is wanted, too.",
            ),
            DeleteAccountError::Code(error) => error.into(),
            DeleteAccountError::LastOwner => {
                conflict("last_owner", "The last owner of the server has to stay.")
            }
            DeleteAccountError::Store(error) => error.into(),
        }
    }
}

impl From<EmailError> for Problem {
    fn from(error: EmailError) -> Self {
        let detail = error.to_string();
        match error {
            EmailError::Unavailable => conflict("mail_unavailable", "This server sends no mail."),
            EmailError::Invalid => Self::field("email", "email_invalid", detail),
            EmailError::Password(error) => Self::of_password("password", error),
            EmailError::TooMany { retry_after_s } => Self::rate_limited(retry_after_s),
            EmailError::Store(error) => error.into(),
        }
    }
}

impl From<MailTokenError> for Problem {
    fn from(error: MailTokenError) -> Self {
        let detail = error.to_string();
        match error {
            MailTokenError::Invalid => Self::field("token", "token_invalid", detail),
            MailTokenError::EmailTaken => conflict("email_taken", "The address belongs to another account."),
            MailTokenError::Password(error) => error.into(),
            MailTokenError::Store(error) => error.into(),
        }
    }
}
