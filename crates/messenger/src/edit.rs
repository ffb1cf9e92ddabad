//! Edits: other words for a message. The old ones are gone, unless the conversation keeps them.

use crate::mention::is_named;
use crate::store::{EditRecord, EditRefusal, Edited, StoreError, Version, VersionsRefusal};
use crate::{Caller, Event, Message, MessageId, Messenger, Timestamp, UserId, text};
use std::sync::Arc;

/// Why a message cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// None, or none the caller may know of.
    #[error("no such message")]
    NotFound,
    /// The caller was a member once.
    #[error("you are no longer a member")]
    NotAMember,
    /// Somebody else's.
    #[error("only its author edits a message")]
    NotAuthor,
    /// A note, or forwarded.
    #[error("this message cannot be edited")]
    NotEditable,
    /// It is a tombstone.
    #[error("the message was deleted")]
    Deleted,
    /// The conversation allows no edits.
    #[error("messages are not edited here")]
    Disabled,
    /// Too late.
    #[error("it is too late to edit this message")]
    WindowClosed,
    /// It has changed since the rev that the caller gave.
    #[error("the message has changed meanwhile")]
    Stale,
    /// Nothing would be left of it.
    #[error("the message would be empty")]
    Empty,
    /// Over the limit.
    #[error("the message is too long")]
    BodyTooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EditRefusal> for EditError {
    fn from(refusal: EditRefusal) -> Self {
        match refusal {
            EditRefusal::NotFound => Self::NotFound,
            EditRefusal::NotAMember => Self::NotAMember,
            EditRefusal::Empty => Self::Empty,
            EditRefusal::NotAuthor => Self::NotAuthor,
            EditRefusal::NotEditable => Self::NotEditable,
            EditRefusal::Deleted => Self::Deleted,
            EditRefusal::Disabled => Self::Disabled,
            EditRefusal::WindowClosed => Self::WindowClosed,
            EditRefusal::Stale => Self::Stale,
        }
    }
}

/// Why old words are not shown.
#[derive(Debug, thiserror::Error)]
pub enum VersionsError {
    /// None, or none the caller may know of.
    #[error("no such message")]
    NotFound,
    /// The caller was a member once.
    #[error("you are no longer a member")]
    NotAMember,
    /// They are for the author and administrators only.
    #[error("what this message said before is not shown to you")]
    NotAllowed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<VersionsRefusal> for VersionsError {
    fn from(refusal: VersionsRefusal) -> Self {
        match refusal {
            VersionsRefusal::NotFound => Self::NotFound,
            VersionsRefusal::NotAMember => Self::NotAMember,
            VersionsRefusal::NotAllowed => Self::NotAllowed,
        }
    }
}

impl Messenger {
    /// What a message said before its edits, oldest first; nothing where the conversation keeps no history.
    pub async fn versions(&self, caller: &Caller, id: MessageId) -> Result<Vec<Version>, VersionsError> {
        Ok(self.store.versions(caller.user, id).await??)
    }

    /// Replaces the words of one of the caller's messages; with `if_rev` only while nothing else has changed it.
    pub async fn edit(
        &self,
        caller: &Caller,
        id: MessageId,
        words: &str,
        if_rev: Option<u64>,
    ) -> Result<Message, EditError> {
        let options = &self.options;
        if words.len() / 3 > options.body_bytes_max {
            return Err(EditError::BodyTooLong);
        }
        let mut body = text::body(words);
        if text::is_blank(&body) {
            // Files may do without words.
            body.clear();
        }
        if body.len() > options.body_bytes_max || body.chars().count() > options.body_chars_max {
            return Err(EditError::BodyTooLong);
        }
        let at = Timestamp::now();
        let mentions = match body.contains('@') {
            true => {
                let known = self.store.message(caller.user, id).await?;
                let known = known.ok_or(EditError::NotFound)?;
                self.mentions(caller.user, known.conversation, &body).await?
            }
            false => Vec::new(),
        };
        let record = EditRecord {
            editor: caller.user,
            message: id,
            body,
            mentions,
            if_rev,
            at,
            versions_max: options.versions_max,
        };
        let feed = Arc::clone(&self.feed);
        let announce = move |edited: &Result<Edited, EditRefusal>| {
            let Ok(edited) = edited else { return };
            if edited.changed {
                let event = Event::MessageUpdated {
                    message: edited.message.clone(),
                    named: newly_named(edited),
                    at,
                };
                let message = &edited.message;
                edited
                    .told
                    .tell(&*feed, &event, (message.conversation, message.rev, at));
            }
        };
        let mut message = self.store.edit(record, Box::new(announce)).await??.message;
        self.personalise(caller.user, std::slice::from_mut(&mut message))
            .await?;
        Ok(message)
    }
}

/// Those of whoever sees the message whom it names now, and did not before.
fn newly_named(edited: &Edited) -> Vec<UserId> {
    let (now, before) = (&edited.message.mentions, &edited.named_before);
    if now.is_empty() {
        return Vec::new();
    }
    let seeing = edited.told.audience.iter().copied();
    seeing
        .filter(|user| is_named(now, *user) && !is_named(before, *user))
        .collect()
}
