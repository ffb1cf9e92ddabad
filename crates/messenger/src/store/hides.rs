//! Messages that one user does not want to see any more.

use super::{Announce, StoreError, Unread};
use crate::{ConversationId, MemberState, MessageId, Timestamp, UserId};
use async_trait::async_trait;

/// Messages to be hidden from one user.
#[derive(Debug, Clone)]
pub struct HideRecord {
    /// From whom.
    pub user: UserId,
    /// Which, each once.
    pub messages: Vec<MessageId>,
    /// When.
    pub at: Timestamp,
}

/// What was hidden in one conversation.
#[derive(Debug, Clone)]
pub struct HiddenIn {
    /// The user's part in it.
    pub my: MemberState,
    /// Whether the conversation is out of the list.
    pub out_of_list: bool,
    /// Which messages, and their places.
    pub items: Vec<(MessageId, u64)>,
    /// What is still to be read.
    pub unread: Unread,
    /// The raised `user_rev`.
    pub user_rev: u64,
}

/// One of the messages is none that the user sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSeen;

/// A message that a user has hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HiddenPlace {
    /// Where.
    pub conversation: ConversationId,
    /// Its place.
    pub seq: u64,
}

/// Messages hidden from one user. Nobody else learns of it.
#[async_trait]
pub trait Hides {
    /// Hides the messages, all or none, and raises `user_rev` by one for each conversation in which something was
    /// not hidden yet. Who left may still hide what it sees.
    async fn hide(
        &self,
        record: HideRecord,
        announce: Announce<Result<Vec<HiddenIn>, NotSeen>>,
    ) -> Result<Result<Vec<HiddenIn>, NotSeen>, StoreError>;
}
