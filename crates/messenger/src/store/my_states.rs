//! The private parts of memberships.

use super::{Announce, StoreError};
use crate::{ConversationId, MemberState, Message, MyStateWish, Notify, Timestamp, UserId};
use async_trait::async_trait;

/// What to do to one's private part of a conversation.
#[derive(Debug, Clone)]
pub enum MyStateChange {
    /// Change what is wished.
    Set(Box<MyStateWish>),
    /// Move `cleared_seq` to the last message.
    Clear {
        /// And take it from the list until there is a later message.
        hide: bool,
    },
}

/// A private part after a change.
#[derive(Debug, Clone)]
pub struct MyStateSet {
    /// As it is now.
    pub my: MemberState,
    /// Whether the conversation is out of the list.
    pub hidden: bool,
    /// The raised `user_rev`; `None` when all was so already.
    pub user_rev: Option<u64>,
}

/// Why a private part was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MyStateRefusal {
    /// No such conversation, or the user never was a member.
    NotFound,
    /// The kept draft is newer than the one it is based on.
    DraftConflict,
}

/// How a member wants to be told of a message, and whether there is need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// Who.
    pub user: UserId,
    /// No notifications until then.
    pub muted_until: Option<Timestamp>,
    /// What to be notified of.
    pub notify: Notify,
    /// How far it has seen the conversation.
    pub seen_seq: u64,
    /// How far it has seen the thread the message belongs to, if it follows that.
    pub thread_seen_seq: Option<u64>,
    /// It blocks the author.
    pub blocks: bool,
}

/// The private parts of memberships, past ones included.
#[async_trait]
pub trait MyStates {
    /// Changes it and raises `user_rev` by one, unless all is so already.
    async fn change_my_state(
        &self,
        user: UserId,
        conversation: ConversationId,
        change: MyStateChange,
        at: Timestamp,
        announce: Announce<MyStateSet>,
    ) -> Result<Result<MyStateSet, MyStateRefusal>, StoreError>;
    /// What those of the users who are active members want to know of the message, by id.
    async fn attention(&self, message: &Message, users: &[UserId]) -> Result<Vec<Attention>, StoreError>;
}
