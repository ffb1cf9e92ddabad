//! Threads: reading them, who follows them and how far.

use super::{AdvanceRefusal, Announce, StoreError};
use crate::{ConversationId, HistoryRange, Message, MessageId, Thread, Timestamp, UserId};
use async_trait::async_trait;

/// Part of a thread's replies, ascending. The thread's unread replies are counted up to 1,000.
#[derive(Debug, Clone)]
pub struct Replies {
    /// The thread.
    pub thread: Thread,
    /// The replies.
    pub messages: Vec<Message>,
    /// There are older ones.
    pub has_more_before: bool,
    /// There are newer ones.
    pub has_more_after: bool,
}

/// Whether somebody follows a thread now.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Where.
    pub conversation: ConversationId,
    /// How far it was seen.
    pub seen_seq: u64,
    /// Replies to read, counted up to 1,000.
    pub unread: u32,
    /// The user's own change number, when anything changed.
    pub user_rev: Option<u64>,
}

/// Why there is no thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadRefusal {
    /// No message that the user sees.
    NotFound,
    /// The user is a member no more.
    NotAMember,
    /// A note or a reply, which has none.
    NoRoot,
}

/// A wish to move a thread's watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadAdvance {
    /// The conversation it is in.
    pub conversation: ConversationId,
    /// The message it hangs on.
    pub root: MessageId,
    /// Seen up to here.
    pub seen_seq: u64,
}

/// Where a thread's watermark is after a wish to move it.
#[derive(Debug, Clone)]
pub struct ThreadAdvanced {
    /// Seen up to here.
    pub seen_seq: u64,
    /// How far the conversation's messages have arrived.
    pub delivered_seq: u64,
    /// Where the watermark stood before, if it moved.
    pub from: Option<u64>,
    /// Replies to read, counted up to 1,000.
    pub unread: u32,
    /// Active members who wrote what was now seen, without the reader, nor whom it blocks in a direct conversation.
    pub authors: Vec<UserId>,
    /// How many members the conversation has.
    pub members: usize,
}

/// Threads. Replies are stored by [`super::Messages::append`], with which the author of the root, of the reply and
/// whoever it names begin to follow.
#[async_trait]
pub trait Threads {
    /// A page of the replies, deleted ones included.
    async fn thread(
        &self,
        reader: UserId,
        root: MessageId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<Result<Replies, ThreadRefusal>, StoreError>;
    /// Threads with replies that the reader follows where it is an active member, last reply first, after the
    /// given place; or only those with something to read.
    async fn threads(
        &self,
        reader: UserId,
        unread_only: bool,
        after: Option<(Timestamp, MessageId)>,
        limit: usize,
    ) -> Result<Vec<Thread>, StoreError>;
    /// Follows a thread or stops; what there is now counts as seen by who begins.
    async fn follow(
        &self,
        user: UserId,
        root: MessageId,
        following: bool,
        announce: Announce<Result<Followed, ThreadRefusal>>,
    ) -> Result<Result<Followed, ThreadRefusal>, StoreError>;
    /// Moves the watermark of somebody who follows a thread forward, never back, up to the conversation's last
    /// message.
    async fn advance_thread(
        &self,
        user: UserId,
        wish: ThreadAdvance,
        announce: Announce<Result<ThreadAdvanced, AdvanceRefusal>>,
    ) -> Result<Result<ThreadAdvanced, AdvanceRefusal>, StoreError>;
    /// Who follows the threads where they are active members, and how far each has seen; ascending.
    async fn followers(&self, roots: &[MessageId]) -> Result<Vec<(MessageId, UserId, u64)>, StoreError>;
}
