//! Pins: messages held up for everybody in a conversation.

use crate::store::{PinRecord, PinRefusal, Pinned, StoreError};
use crate::{AccessError, Audience, Caller, ConversationId, Event, Message, MessageId, Messenger, Timestamp};
use std::sync::Arc;

/// Why a message cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// None, or none the caller may know of.
    #[error("no such message")]
    NotFound,
    /// The caller was a member once.
    #[error("you are no longer a member")]
    NotAMember,
    /// Not for the caller to decide, or a note.
    #[error("you may not pin this")]
    NotAllowed,
    /// It is a tombstone.
    #[error("the message was deleted")]
    Deleted,
    /// There are as many as there may be.
    #[error("there are too many pinned messages")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PinRefusal> for PinError {
    fn from(refusal: PinRefusal) -> Self {
        match refusal {
            PinRefusal::NotFound => Self::NotFound,
            PinRefusal::NotAMember => Self::NotAMember,
            PinRefusal::NotAllowed => Self::NotAllowed,
            PinRefusal::Deleted => Self::Deleted,
            PinRefusal::TooMany => Self::TooMany,
        }
    }
}

impl Messenger {
    /// Pins a message or takes the pin away. Whether anything changed.
    pub async fn pin(
        &self,
        caller: &Caller,
        id: MessageId,
        pinned: bool,
    ) -> Result<(Message, bool), PinError> {
        let (by, at) = (caller.user, Timestamp::now());
        let record = PinRecord {
            by,
            message: id,
            pinned,
            pins_max: self.options.pins_max,
            at,
        };
        let feed = Arc::clone(&self.feed);
        let announce = move |outcome: &Result<Pinned, PinRefusal>| {
            let Ok(outcome) = outcome else { return };
            if !outcome.changed {
                return;
            }
            let message = &outcome.message;
            let event = Event::PinChanged {
                message: message.clone(),
                at,
                by,
            };
            let change = (message.conversation, message.rev, at);
            outcome.told.tell(&*feed, &event, change);
            if let Some(note) = &outcome.note {
                let mut all = [&outcome.told.audience[..], &outcome.told.blind[..]].concat();
                all.sort_unstable();
                let event = Event::MessageCreated {
                    message: note.clone(),
                    thread: None,
                };
                feed.deliver(&Audience::Users(all), &event);
            }
        };
        let outcome = self.store.pin(record, Box::new(announce)).await??;
        let mut message = outcome.message;
        self.personalise(by, std::slice::from_mut(&mut message)).await?;
        Ok((message, outcome.changed))
    }

    /// The pinned messages that the caller sees, last pinned first.
    pub async fn pins(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> Result<Vec<Message>, AccessError> {
        let pins = self.store.pins(caller.user, conversation).await?;
        let mut pins = pins.ok_or(AccessError::NotFound)?;
        self.personalise(caller.user, &mut pins).await?;
        Ok(pins)
    }
}
