//! Messages: sending them once, and reading history.

use crate::store::StoreError;
use crate::{AccessError, Caller, ClientId, ConversationId, MessageId, Messenger, Timestamp, UserId};

/// What kind of message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    /// Words.
    Text,
    /// A note by the server about what somebody did.
    System(SystemEvent),
}

/// What a system message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemEvent {
    /// The group came into being under this title.
    Created {
        /// Its title.
        title: String,
    },
    /// People were added.
    MembersAdded {
        /// Who.
        users: Vec<UserId>,
    },
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it was said.
    pub conversation: ConversationId,
    /// Its place in the conversation.
    pub seq: u64,
    /// The number of its last change.
    pub rev: u64,
    /// The author's key for it; system messages have none.
    pub client_id: Option<ClientId>,
    /// Who said it, or did what it tells.
    pub author: UserId,
    /// Its kind.
    pub kind: MessageKind,
    /// The words, plain text.
    pub body: String,
    /// What it answers.
    pub reply_to: Option<Quote>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted for everyone: then it is a tombstone without words.
    pub deleted_at: Option<Timestamp>,
}

/// The message that another one answers, as it reads now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Its id.
    pub message: MessageId,
    /// Its place.
    pub seq: u64,
    /// Who said it.
    pub author: UserId,
    /// Its first 160 characters.
    pub excerpt: String,
    /// It was deleted; no excerpt then.
    pub deleted: bool,
}

/// What someone wants to send.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The client's key.
    pub client_id: ClientId,
    /// The words as given.
    pub body: String,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// Whether sending moves the author's own watermarks to the new message.
    pub advance_seen: bool,
}

/// A sent message.
#[derive(Debug, Clone)]
pub struct Sent {
    /// As stored.
    pub message: Message,
    /// It had been sent before.
    pub replay: bool,
}

/// Which part of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryRange {
    /// The end.
    Newest,
    /// Seqs below this one, nearest first in being chosen.
    Before(u64),
    /// Seqs above this one.
    After(u64),
    /// Half a page to each side of this one, itself included.
    Around(u64),
}

/// A part of the history, ascending.
#[derive(Debug, Clone)]
pub struct History {
    /// The messages.
    pub messages: Vec<Message>,
    /// There are older ones.
    pub has_more_before: bool,
    /// There are newer ones.
    pub has_more_after: bool,
    /// The conversation's last seq.
    pub last_seq: u64,
    /// The conversation's last rev.
    pub last_rev: u64,
}

/// Why a message cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No such conversation, or none the caller may know of.
    #[error("no such conversation")]
    NotFound,
    /// The caller was a member once.
    #[error("you are not a member")]
    NotAMember,
    /// Only administrators may post here.
    #[error("posting is restricted")]
    PostingRestricted,
    /// Nothing to see in it.
    #[error("the message is empty")]
    Empty,
    /// Over the limit.
    #[error("the message is too long")]
    BodyTooLong,
    /// The quoted message is not in this conversation, or cannot be answered.
    #[error("that message cannot be answered here")]
    ReplyTargetInvalid,
    /// The key was used for another message.
    #[error("the client id was used for another message")]
    ClientIdConflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why history is refused.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Outside 1 to the maximum.
    #[error("the limit is out of range")]
    LimitInvalid,
    /// There is none, or the caller may not know about it.
    #[error("no such conversation")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Stores a message, then tells everyone. The same key again returns the first message and tells
    /// everyone again, for the process may have died in between.
    pub async fn send(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        draft: Draft,
    ) -> Result<Sent, SendError> {
        let _ = (caller, conversation, draft);
        todo!()
    }

    /// A page of the conversation.
    pub async fn history(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        range: HistoryRange,
        limit: Option<usize>,
    ) -> Result<History, HistoryError> {
        let _ = (caller, conversation, range, limit);
        todo!()
    }

    /// One message.
    pub async fn message(&self, caller: &Caller, id: MessageId) -> Result<Message, AccessError> {
        let _ = (caller, id);
        todo!()
    }
}
