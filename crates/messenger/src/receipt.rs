//! Receipts: watermarks that say how far messages have reached a member and how far it has read.

use crate::store::StoreError;
use crate::{AccessError, Caller, ConversationId, ListItem, Messenger};

/// A wish to move the caller's watermarks forward.
#[derive(Debug, Clone, Copy)]
pub struct Advance {
    /// Where.
    pub conversation: ConversationId,
    /// Everything up to here has arrived.
    pub delivered_seq: Option<u64>,
    /// Everything up to here was shown.
    pub seen_seq: Option<u64>,
}

/// Where the caller stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// Where.
    pub conversation: ConversationId,
    /// How far messages have arrived.
    pub delivered_seq: u64,
    /// How far they were shown.
    pub seen_seq: u64,
    /// Messages to read, 999 at most.
    pub unread_count: u32,
    /// Of them, those that mention the caller.
    pub unread_mentions: u32,
}

/// Why a watermark cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// Not a member, or no such conversation.
    #[error("you are not a member")]
    NotAMember,
    /// Beyond the last message.
    #[error("no message has this number yet")]
    SeqOutOfRange,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Moves watermarks forward, never back; each item stands alone. Seen implies delivered. Those who draw
    /// ticks from it, and the caller's own devices, are told.
    pub async fn advance(&self, caller: &Caller, items: &[Advance]) -> Vec<Result<Watermarks, AdvanceError>> {
        let _ = (caller, items);
        todo!()
    }

    /// Marks everything in the conversation as seen.
    pub async fn read_all(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> Result<ListItem, AccessError> {
        let _ = (caller, conversation);
        todo!()
    }
}
