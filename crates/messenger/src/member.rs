//! Members: an account in a conversation, what it may do and how far it has read.

use crate::store::StoreError;
use crate::{Account, Caller, ConversationId, Messenger, StoreResult, Timestamp, UserId};

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Has the group; exactly one.
    Owner,
    /// Runs it.
    Admin,
    /// Takes part.
    Member,
}

/// An account in a conversation, with its watermarks and its private part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// The conversation.
    pub conversation: ConversationId,
    /// The account.
    pub user: UserId,
    /// What it may do.
    pub role: Role,
    /// When it joined.
    pub joined_at: Timestamp,
    /// `last_seq` just before it joined: older messages were never unread for it.
    pub joined_seq: u64,
    /// The first message it may read.
    pub history_from_seq: u64,
    /// When it left.
    pub left_at: Option<Timestamp>,
    /// All messages up to here have reached one of its devices.
    pub delivered_seq: u64,
    /// All messages up to here have been shown to it.
    pub seen_seq: u64,
    /// Messages up to here are cleared from its view.
    pub cleared_seq: u64,
    /// No notifications until then.
    pub muted_until: Option<Timestamp>,
    /// In the archive.
    pub archived: bool,
    /// Place among the pinned ones.
    pub pinned_order: Option<i64>,
    /// Shown as unread by the user's own wish.
    pub marked_unread: bool,
}

/// A member as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub account: Account,
    /// What it may do.
    pub role: Role,
    /// When it joined.
    pub joined_at: Timestamp,
    /// `last_seq` just before it joined.
    pub joined_seq: u64,
    /// How far messages have reached it.
    pub delivered_seq: u64,
    /// How far it has seen.
    pub seen_seq: u64,
}

/// Why a conversation, or something in it, is not shown.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There is none, or the caller may not know about it.
    #[error("no such thing")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// The active members, by id.
    pub async fn members(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> Result<Vec<Member>, AccessError> {
        if self.membership(caller.user, conversation).await?.is_none() {
            return Err(AccessError::NotFound);
        }
        Ok(self.store.members(conversation).await?)
    }

    /// Whether the user is an active member: the gate of the conversation's channel. With the number of
    /// members, since large conversations have another kind of channel.
    pub async fn membership(&self, user: UserId, conversation: ConversationId) -> StoreResult<Option<u32>> {
        let standing = self.store.standing(user, conversation).await?;
        let active = standing.filter(|(_, member)| member.left_at.is_none());
        Ok(active.map(|(conversation, _)| conversation.member_count))
    }
}
