//! What becomes of stored messages: edits, deletions and reactions.

use super::{Announce, StoreError};
use crate::{
    Audience, ConversationId, Event, Feed, Mention, Message, MessageId, Reaction, ThreadChange, Timestamp,
    UserId,
};
use async_trait::async_trait;
use std::sync::Arc;

/// Who is told of a message or of its change: the active members, each once and ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Who sees the message.
    pub audience: Arc<[UserId]>,
    /// Of them, who does not see what it quotes.
    pub unquoted: Vec<UserId>,
    /// Who does not see it: they hear that there was a change.
    pub blind: Vec<UserId>,
}

impl Told {
    /// Tells a change of a conversation: of each rev everybody hears once.
    pub(crate) fn tell(
        &self,
        feed: &dyn Feed,
        event: &Event,
        (conversation, rev, at): (ConversationId, u64, Timestamp),
    ) {
        let quoted = |user: &UserId| !self.unquoted.contains(user);
        let audience: Vec<UserId> = match self.unquoted.is_empty() {
            true => self.audience.to_vec(),
            false => self.audience.iter().copied().filter(quoted).collect(),
        };
        if !audience.is_empty() {
            feed.deliver(&Audience::Users(audience), event);
        }
        if !self.unquoted.is_empty() {
            feed.deliver(&Audience::Users(self.unquoted.clone()), &event.unquoted());
        }
        if !self.blind.is_empty() {
            let noop = Event::Noop {
                conversation,
                rev,
                at,
            };
            feed.deliver(&Audience::Users(self.blind.clone()), &noop);
        }
    }
}

/// A change of a message's words.
#[derive(Debug, Clone)]
pub struct EditRecord {
    /// Who edits.
    pub editor: UserId,
    /// Which message.
    pub message: MessageId,
    /// The words, checked.
    pub body: String,
    /// Whom they name.
    pub mentions: Vec<Mention>,
    /// The rev the editor has seen, if it matters.
    pub if_rev: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// Most versions that are kept, if any are.
    pub versions_max: u64,
}

/// An edited message.
#[derive(Debug, Clone)]
pub struct Edited {
    /// As it is now.
    pub message: Message,
    /// Whether anything changed.
    pub changed: bool,
    /// Whom it named before.
    pub named_before: Vec<Mention>,
    /// Who hears of it.
    pub told: Told,
}

/// Why a message was not edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditRefusal {
    /// None that the editor sees.
    NotFound,
    /// The editor was a member once.
    NotAMember,
    /// Nothing would be left: no words, and there are no files.
    Empty,
    /// Somebody else's.
    NotAuthor,
    /// A note, or forwarded.
    NotEditable,
    /// It is a tombstone.
    Deleted,
    /// The conversation allows no edits.
    Disabled,
    /// Too late.
    WindowClosed,
    /// It has changed since that rev.
    Stale,
}

/// What an edited message said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Counts from 1, the oldest that was kept; never given out twice.
    pub number: u64,
    /// The words.
    pub body: String,
    /// Whom they named.
    pub mentions: Vec<Mention>,
    /// When others took their place.
    pub replaced_at: Timestamp,
}

/// Why old words are not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionsRefusal {
    /// None that the reader sees.
    NotFound,
    /// The reader was a member once.
    NotAMember,
    /// They are for the author and administrators only.
    NotAllowed,
}

/// Messages to be deleted for everyone.
#[derive(Debug, Clone)]
pub struct DeleteRecord {
    /// Who deletes.
    pub by: UserId,
    /// Which, each once.
    pub messages: Vec<MessageId>,
    /// When.
    pub at: Timestamp,
}

/// What was deleted in one conversation, under one rev.
#[derive(Debug, Clone)]
pub struct DeletedIn {
    /// Where.
    pub conversation: ConversationId,
    /// The change's number.
    pub rev: u64,
    /// The tombstones and their places.
    pub items: Vec<(MessageId, u64)>,
    /// The threads that have fewer replies now.
    pub threads: Vec<ThreadChange>,
    /// The active members who see all of them, ascending.
    pub audience: Vec<UserId>,
    /// The other active members, with those that each of them sees.
    pub partly: Vec<(UserId, Vec<(MessageId, u64)>)>,
}

/// Why messages were not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteRefusal {
    /// One of them is none that the caller sees.
    NotFound,
    /// The caller was a member once where one of them is.
    NotAMember,
    /// One of them is not the caller's to delete.
    NotAllowed,
    /// Too late for its author.
    WindowClosed,
}

/// An emoji to be put under a message, or taken away.
#[derive(Debug, Clone)]
pub struct ReactRecord {
    /// Whose.
    pub user: UserId,
    /// Under which message.
    pub message: MessageId,
    /// The emoji.
    pub emoji: String,
    /// Put there, or taken away.
    pub add: bool,
    /// Most different ones.
    pub distinct_max: usize,
    /// When.
    pub at: Timestamp,
}

/// What came of a reaction.
#[derive(Debug, Clone)]
pub struct Reacted {
    /// The message as it is now.
    pub message: Message,
    /// Whether anything changed.
    pub changed: bool,
    /// Who hears of it.
    pub told: Told,
}

/// Why a reaction was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReactRefusal {
    /// None that the user sees.
    NotFound,
    /// The user was a member once.
    NotAMember,
    /// Notes take none.
    NotAllowed,
    /// Only administrators may post.
    PostingRestricted,
    /// It is a tombstone.
    Deleted,
    /// There are too many different ones.
    TooMany,
}

/// Changes of stored messages. Each raises the conversation's rev by one and stamps it on all rows it touched.
#[async_trait]
pub trait MessageChanges {
    /// Replaces the words. What they were is gone, unless the conversation's policy keeps it; the same words again
    /// change nothing. Whom a reply newly names follows its thread, unless it has said otherwise.
    async fn edit(
        &self,
        edit: EditRecord,
        announce: Announce<Result<Edited, EditRefusal>>,
    ) -> Result<Result<Edited, EditRefusal>, StoreError>;
    /// Makes tombstones of the messages, all or none, those of one conversation under one rev. Words and reactions
    /// go with them. What is deleted already stays as it is.
    async fn delete(
        &self,
        record: DeleteRecord,
        announce: Announce<Result<Vec<DeletedIn>, DeleteRefusal>>,
    ) -> Result<Result<Vec<DeletedIn>, DeleteRefusal>, StoreError>;
    /// Puts an emoji under a message or takes it away; the same again changes nothing.
    async fn react(
        &self,
        record: ReactRecord,
        announce: Announce<Result<Reacted, ReactRefusal>>,
    ) -> Result<Result<Reacted, ReactRefusal>, StoreError>;
    /// What the message said before, oldest first, as far as the conversation's policy shows it to the reader.
    /// At most as many are kept as the edits said: beyond, the oldest go, but for the first.
    async fn versions(
        &self,
        reader: UserId,
        message: MessageId,
    ) -> Result<Result<Vec<Version>, VersionsRefusal>, StoreError>;
    /// Who reacted to a message, by first use, after the reaction of one rev; `None` when the reader does not see it.
    async fn reactions(
        &self,
        reader: UserId,
        message: MessageId,
        after_rev: u64,
        limit: usize,
    ) -> Result<Option<Vec<(u64, Reaction)>>, StoreError>;
    /// The user's own emojis under these messages.
    async fn own_reactions(
        &self,
        user: UserId,
        messages: &[MessageId],
    ) -> Result<Vec<(MessageId, String)>, StoreError>;
}
