//! Refusals about other people: finding them, keeping them as contacts, writing to them.

use super::{Problem, refused};
use chinwag_messenger::{ContactError, OpenDirectError, SearchPeopleError};

impl From<ContactError> for Problem {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::UnknownUser => Self::not_found(),
            ContactError::AliasTooLong => Self::field("alias", "alias_too_long", "The alias is too long."),
            ContactError::Store(error) => error.into(),
        }
    }
}

impl From<SearchPeopleError> for Problem {
    fn from(error: SearchPeopleError) -> Self {
        match error {
            SearchPeopleError::EmptyQuery => Self::field("q", "empty_query", "There is nothing to look for."),
            SearchPeopleError::QueryTooLong => Self::field("q", "query_too_long", "The query is too long."),
            SearchPeopleError::Store(error) => error.into(),
        }
    }
}

impl From<OpenDirectError> for Problem {
    fn from(error: OpenDirectError) -> Self {
        match error {
            OpenDirectError::UnknownUser => Self::not_found(),
            OpenDirectError::NotAllowed => refused(
                "dm_not_allowed",
                "This person does not take messages from everybody.",
            ),
            OpenDirectError::Store(error) => error.into(),
        }
    }
}
