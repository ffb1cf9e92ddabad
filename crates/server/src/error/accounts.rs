//! Refusals about accounts: registering, logging in, and what one changes of one's own.

use super::{Problem, Ticket, conflict, refused};
use axum::http::StatusCode;
use chinwag_messenger::{
    AuthenticateError, ChangeMeError, ChangePasswordError, LogInError, RegisterError, UsernameError,
};

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        let detail = error.to_string();
        match error {
            RegisterError::Closed => {
                refused("registration_closed", "This server does not take new accounts.")
            }
            RegisterError::InviteRequired => {
                refused("invite_required", "New accounts need an invite to this server.")
            }
            RegisterError::Username(UsernameError::Invalid) => {
                Self::field("username", "username_invalid", detail)
            }
            RegisterError::Username(UsernameError::Reserved) => {
                Self::field("username", "username_reserved", detail)
            }
            RegisterError::UsernameTaken => conflict("username_taken", "Somebody has this username."),
            RegisterError::DisplayNameInvalid => Self::field("display_name", "display_name_invalid", detail),
            RegisterError::PasswordTooShort => Self::field("password", "password_too_short", detail),
            RegisterError::PasswordTooLong => Self::field("password", "password_too_long", detail),
            RegisterError::PasswordCommon => Self::field("password", "password_common", detail),
            RegisterError::Store(error) => error.into(),
        }
    }
}

fn account_suspended() -> Problem {
    refused("account_suspended", "This account is suspended.")
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Suspended => account_suspended(),
            AuthenticateError::Store(error) => error.into(),
        }
    }
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::InvalidCredentials => Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_credentials",
                "The username or the password is wrong.",
            ),
            LogInError::Suspended => account_suspended(),
            LogInError::TooManyAttempts { retry_after_s } => Self::rate_limited(retry_after_s),
            LogInError::SecondFactorRequired { ticket } => Self {
                ticket: Some(Box::new(Ticket(ticket))),
                ..Self::new(
                    StatusCode::UNAUTHORIZED,
                    "second_factor_required",
                    "The password is right; now send a code with the ticket to /auth/second-factor.",
                )
            },
            LogInError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeMeError> for Problem {
    fn from(error: ChangeMeError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeMeError::Username(error) => RegisterError::Username(error).into(),
            ChangeMeError::UsernameTaken => RegisterError::UsernameTaken.into(),
            ChangeMeError::DisplayNameInvalid => RegisterError::DisplayNameInvalid.into(),
            ChangeMeError::BioTooLong => Self::field("bio", "bio_too_long", detail),
            ChangeMeError::LocaleInvalid => Self::field("locale", "locale_invalid", detail),
            ChangeMeError::TimezoneInvalid => Self::field("timezone", "timezone_invalid", detail),
            ChangeMeError::Avatar(error) => error.into(),
            ChangeMeError::SettingsTooLarge => Self::field("settings", "settings_too_large", detail),
            ChangeMeError::SettingsChanged => conflict("settings_changed", "Other devices change them, too."),
            ChangeMeError::Store(error) => error.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Present(error) => Self::of_password("current_password", error),
            ChangePasswordError::New(error) => error.into(),
            ChangePasswordError::Store(error) => error.into(),
        }
    }
}
