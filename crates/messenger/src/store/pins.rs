//! Messages held up for everybody in a conversation.

use super::{Announce, StoreError, Told};
use crate::{ConversationId, Message, MessageId, Timestamp, UserId};
use async_trait::async_trait;

/// A message to be pinned, or no longer.
#[derive(Debug, Clone)]
pub struct PinRecord {
    /// Who does it.
    pub by: UserId,
    /// Which message.
    pub message: MessageId,
    /// Pinned, or no longer.
    pub pinned: bool,
    /// Most pins of one conversation.
    pub pins_max: usize,
    /// When.
    pub at: Timestamp,
}

/// A message that was pinned, or no longer is.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// As it is now.
    pub message: Message,
    /// Whether anything changed.
    pub changed: bool,
    /// Who hears of it.
    pub told: Told,
    /// The note that it was pinned, under the next seq and rev, for all active members.
    pub note: Option<Message>,
}

/// Why a message was not pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinRefusal {
    /// None that the caller sees.
    NotFound,
    /// The caller was a member once.
    NotAMember,
    /// The caller's role does not allow it, or it is a note.
    NotAllowed,
    /// It is a tombstone.
    Deleted,
    /// There are as many as there may be.
    TooMany,
}

/// Pinned messages.
#[async_trait]
pub trait Pins {
    /// Pins a message, with a note about it, or takes the pin away; the same again changes nothing.
    async fn pin(
        &self,
        record: PinRecord,
        announce: Announce<Result<Pinned, PinRefusal>>,
    ) -> Result<Result<Pinned, PinRefusal>, StoreError>;
    /// The pinned messages that the reader sees, last pinned first; `None` when it never was a member.
    async fn pins(
        &self,
        reader: UserId,
        conversation: ConversationId,
    ) -> Result<Option<Vec<Message>>, StoreError>;
}
