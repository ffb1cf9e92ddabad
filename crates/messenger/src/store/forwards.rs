//! Saying again elsewhere what was said in one place.

use super::{Announce, Appended, StoreError};
use crate::{AttachmentId, ClientId, ConversationId, MessageId, Timestamp, UserId};
use async_trait::async_trait;

/// Messages to be copied into conversations.
#[derive(Debug, Clone)]
pub struct ForwardRecord {
    /// Who forwards.
    pub by: UserId,
    /// Which, in the order of the copies, each once.
    pub messages: Vec<MessageId>,
    /// Where to, each once.
    pub to: Vec<ConversationId>,
    /// Keys for the copies: as many as there are messages for each conversation.
    pub client_ids: Vec<ClientId>,
    /// Makes ids for the copies of files.
    pub attachment_id: fn() -> AttachmentId,
    /// When.
    pub at: Timestamp,
}

/// Why nothing was forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardRefusal {
    /// One of the messages is none that the caller sees, or one of the conversations is none of its.
    NotFound,
    /// The caller is no longer in one of the conversations, or where one of the messages is.
    NotAMember,
    /// In one of them only administrators may post.
    PostingRestricted,
    /// One of the messages is a note.
    NotForwardable,
    /// One of them is a tombstone.
    Deleted,
}

/// Forwarding.
#[async_trait]
pub trait Forwards {
    /// Copies the messages, all or none, into each conversation in the given order: their words under the name of
    /// who said them first, naming nobody, and their files, whose bytes they share. Nobody's watermarks move.
    async fn forward(
        &self,
        record: ForwardRecord,
        announce: Announce<Result<Vec<Appended>, ForwardRefusal>>,
    ) -> Result<Result<Vec<Appended>, ForwardRefusal>, StoreError>;
}
