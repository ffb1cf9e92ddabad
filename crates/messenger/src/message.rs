//! Messages: sending them once, and reading history.

use crate::receipt::announce_move;
use crate::store::{AppendRefusal, Appended, NewMessage, StoreError};
use crate::{
    AccessError, Attachment, AttachmentId, Caller, ClientId, ConversationId, ConversationKind, Event, Feed,
    MessageId, Messenger, Moved, Options, PolicyChange, ThreadPlace, Timestamp, UserId, text,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What kind of message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    /// Words.
    Text,
    /// Files, with or without words.
    Media,
    /// A voice note.
    Voice,
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
    /// The author came by an invite.
    MemberJoined,
    /// Somebody was removed.
    MemberRemoved {
        /// Who.
        user: UserId,
    },
    /// The author left.
    MemberLeft {
        /// Who has the group now, if the author had it.
        new_owner: Option<UserId>,
    },
    /// The group was given to another member.
    OwnerChanged {
        /// To whom.
        user: UserId,
    },
    /// The group has another title.
    TitleChanged {
        /// The new one.
        title: String,
    },
    /// The group has another description, or none any more.
    DescriptionChanged {
        /// The new one.
        description: Option<String>,
    },
    /// The group has another picture, or none any more.
    AvatarChanged,
    /// Policies changed.
    PolicyChanged {
        /// The new values.
        policies: PolicyChange,
    },
    /// A message was pinned.
    Pinned {
        /// Which.
        message: MessageId,
        /// Its place.
        seq: u64,
    },
}

/// A place in a message that names somebody, counted in UTF-16 units as browsers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    /// Who; everybody when there is none.
    pub user: Option<UserId>,
    /// Where the `@` stands.
    pub offset: u32,
    /// How long the name is, the `@` included.
    pub length: u32,
}

/// One emoji under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionSummary {
    /// The emoji.
    pub emoji: String,
    /// How many people used it.
    pub count: u32,
    /// The first three of them.
    pub users: Vec<UserId>,
    /// Whether the viewer is among them; not known where there is no one viewer.
    pub me: Option<bool>,
}

/// What the replies of a thread come to, deleted ones left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadSummary {
    /// How many there are.
    pub reply_count: u32,
    /// The last one.
    pub last_reply_seq: Option<u64>,
    /// When it was stored.
    pub last_reply_at: Option<Timestamp>,
    /// The first three people who replied.
    pub participants: Vec<UserId>,
}

/// How far an author's message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageStatus {
    /// Stored.
    Sent,
    /// Every recipient has it on a device.
    Delivered,
    /// Every recipient who shares receipts, and there is one, has seen it.
    Seen,
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
    /// Whom the words name.
    pub mentions: Vec<Mention>,
    /// The files it came with.
    pub attachments: Vec<Attachment>,
    /// What it answers.
    pub reply_to: Option<Quote>,
    /// The root of the thread it belongs to.
    pub thread_root: Option<MessageId>,
    /// Whether it shows in the conversation itself, not only in its thread.
    pub in_timeline: bool,
    /// What its own thread comes to, when it is a root.
    pub thread: ThreadSummary,
    /// The name of who said it first.
    pub forwarded_from: Option<String>,
    /// Emojis under it, by first use.
    pub reactions: Vec<ReactionSummary>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Whether it may ever be ticked: not when it was sent to somebody who blocks its author.
    pub receipts: bool,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// How often it was edited.
    pub edit_count: u32,
    /// When it was deleted for everyone: then it is a tombstone without words.
    pub deleted_at: Option<Timestamp>,
    /// Who did that.
    pub deleted_by: Option<UserId>,
    /// How far it has come, for its author who reads it.
    pub status: Option<MessageStatus>,
    /// Hidden from the reader: nothing but its place is told.
    pub hidden: bool,
}

impl Message {
    /// A message as it is before anything has happened to it.
    pub fn new(author: UserId, conversation: ConversationId, kind: MessageKind, at: Timestamp) -> Self {
        Self {
            id: MessageId(0),
            conversation,
            seq: 0,
            rev: 0,
            client_id: None,
            author,
            kind,
            body: String::new(),
            mentions: Vec::new(),
            attachments: Vec::new(),
            reply_to: None,
            thread_root: None,
            in_timeline: true,
            thread: ThreadSummary::default(),
            forwarded_from: None,
            reactions: Vec::new(),
            pinned: false,
            receipts: true,
            created_at: at,
            edited_at: None,
            edit_count: 0,
            deleted_at: None,
            deleted_by: None,
            status: None,
            hidden: false,
        }
    }

    /// What the message is for somebody from whom it is hidden: its place and the number of its last change.
    pub fn as_hidden(&self) -> Self {
        let mut hidden = Self::new(UserId(0), self.conversation, MessageKind::Text, Timestamp(0));
        (hidden.seq, hidden.rev, hidden.hidden) = (self.seq, self.rev, true);
        hidden
    }

    /// Whether the server wrote it.
    pub fn is_system(&self) -> bool {
        matches!(self.kind, MessageKind::System(_))
    }
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
    /// Its kind.
    pub kind: MessageKind,
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
    /// The files it brings, in their order.
    pub attachments: Vec<AttachmentId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The thread it belongs to.
    pub thread: Option<ThreadPlace>,
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
    /// The other person of a direct conversation is no more.
    #[error("nobody is there to write to")]
    DmNotAllowed,
    /// Nothing to see in it.
    #[error("the message is empty")]
    Empty,
    /// Over the limit.
    #[error("the message is too long")]
    BodyTooLong,
    /// The quoted message is not in this conversation, or cannot be answered.
    #[error("that message cannot be answered here")]
    ReplyTargetInvalid,
    /// The root of the thread is not in this conversation, or cannot have replies.
    #[error("that message cannot have a thread here")]
    ThreadRootInvalid,
    /// More files than one message may have.
    #[error("the message has too many attachments")]
    TooManyAttachments,
    /// One of the files has not arrived, or was not what it had to be.
    #[error("an attachment is not ready")]
    AttachmentNotReady,
    /// One of the files was not brought by the caller, or is none.
    #[error("an attachment is not the caller's")]
    AttachmentNotYours,
    /// One of the files came with another message, is somebody's picture, or is named twice.
    #[error("an attachment is in use")]
    AttachmentInUse,
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

impl Draft {
    /// The words in the form they are stored in.
    fn checked_body(&self, options: &Options) -> Result<String, SendError> {
        // Normalising may shrink a text, though never to a third: what is far too long is not even looked at.
        if self.body.len() / 3 > options.body_bytes_max {
            return Err(SendError::BodyTooLong);
        }
        let body = text::body(&self.body);
        if text::is_blank(&body) {
            return match self.attachments.is_empty() {
                true => Err(SendError::Empty),
                false => Ok(String::new()),
            };
        }
        if body.len() > options.body_bytes_max || body.chars().count() > options.body_chars_max {
            return Err(SendError::BodyTooLong);
        }
        Ok(body)
    }
}

/// Stands for all that makes two drafts the same message.
pub(crate) fn content_hash(body: &str, draft: &Draft) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(draft.reply_to.map_or(0, |id| id.0).to_be_bytes());
    hash.update(body.as_bytes());
    if let Some(thread) = draft.thread {
        // No body contains a zero.
        hash.update(b"\0thread");
        hash.update(thread.root.0.to_be_bytes());
        hash.update([u8::from(thread.also_in_timeline)]);
    }
    if !draft.attachments.is_empty() {
        hash.update(b"\0attachments");
        for id in &draft.attachments {
            hash.update(id.0.as_bytes());
        }
    }
    let mut short = [0u8; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
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
        let body = draft.checked_body(&self.options)?;
        if draft.attachments.len() > self.options.attachments.per_message_max {
            return Err(SendError::TooManyAttachments);
        }
        let new = NewMessage {
            author: caller.user,
            conversation,
            client_id: draft.client_id,
            content_hash: content_hash(&body, &draft),
            mentions: self.mentions(caller.user, conversation, &body).await?,
            body,
            attachments: draft.attachments,
            reply_to: draft.reply_to,
            thread: draft.thread,
            forwarded_from: None,
            advance_seen: draft.advance_seen,
            times_members_max: self.options.receipt_times_members_max,
            at: Timestamp::now(),
        };
        let feed = Arc::clone(&self.feed);
        let receipts_members_max = self.options.receipts_members_max;
        let announce = move |appended: &Appended| announce_message(&*feed, appended, receipts_members_max);
        match self.store.append(new, Box::new(announce)).await? {
            Ok(Appended {
                mut message, replay, ..
            }) => {
                // Nobody can have got what was only just stored.
                message.status = Some(MessageStatus::Sent);
                if replay {
                    self.personalise(caller.user, std::slice::from_mut(&mut message))
                        .await?;
                }
                Ok(Sent { message, replay })
            }
            Err(AppendRefusal::NotFound) => Err(SendError::NotFound),
            Err(AppendRefusal::NotAMember) => Err(SendError::NotAMember),
            Err(AppendRefusal::PostingRestricted) => {
                let standing = self.store.standing(caller.user, conversation).await?;
                let direct = standing.is_some_and(|(head, _)| head.kind == ConversationKind::Direct);
                Err(match direct {
                    true => SendError::DmNotAllowed,
                    false => SendError::PostingRestricted,
                })
            }
            Err(AppendRefusal::ReplyTargetInvalid) => Err(SendError::ReplyTargetInvalid),
            Err(AppendRefusal::ThreadRootInvalid) => Err(SendError::ThreadRootInvalid),
            Err(AppendRefusal::AttachmentNotReady) => Err(SendError::AttachmentNotReady),
            Err(AppendRefusal::AttachmentNotYours) => Err(SendError::AttachmentNotYours),
            Err(AppendRefusal::AttachmentInUse) => Err(SendError::AttachmentInUse),
            Err(AppendRefusal::ClientIdConflict) => Err(SendError::ClientIdConflict),
        }
    }

    /// A page of the conversation.
    pub async fn history(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        range: HistoryRange,
        limit: Option<usize>,
    ) -> Result<History, HistoryError> {
        let limit = self.page_limit(limit).ok_or(HistoryError::LimitInvalid)?;
        let page = self
            .store
            .history(caller.user, conversation, range, limit)
            .await?;
        let mut page = page.ok_or(HistoryError::NotFound)?;
        self.personalise(caller.user, &mut page.messages).await?;
        Ok(page)
    }

    /// One message.
    pub async fn message(&self, caller: &Caller, id: MessageId) -> Result<Message, AccessError> {
        let message = self.store.message(caller.user, id).await?;
        let mut message = message.ok_or(AccessError::NotFound)?;
        self.personalise(caller.user, std::slice::from_mut(&mut message))
            .await?;
        Ok(message)
    }
}

/// The message goes to every member. Where receipts are shared, members also learn that the author has now seen
/// what came before: the author's own receipt for it, coming later, would move nothing and tell nobody.
pub(crate) fn announce_message(feed: &dyn Feed, appended: &Appended, receipts_members_max: usize) {
    let message = &appended.message;
    let event = Event::MessageCreated {
        message: message.clone(),
        thread: appended.thread.clone(),
    };
    let change = (message.conversation, message.rev, message.created_at);
    appended.told.tell(feed, &event, change);
    let Some(from) = appended.passed else { return };
    let moved = Moved {
        conversation: message.conversation,
        user: message.author,
        thread_root: None,
        from,
        to: (message.seq, message.seq),
    };
    announce_move(
        feed,
        moved,
        Some((0, 0)),
        &appended.receipts_to,
        receipts_members_max,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(body: &str) -> Draft {
        Draft {
            client_id: ClientId(uuid::Uuid::nil()),
            body: body.to_owned(),
            attachments: Vec::new(),
            reply_to: None,
            thread: None,
            advance_seen: true,
        }
    }

    fn verdict(body: &str) -> &'static str {
        let draft = draft(body);
        match draft.checked_body(&Options::default()) {
            Ok(_) => "fine",
            Err(SendError::Empty) => "empty",
            Err(SendError::BodyTooLong) => "long",
            Err(_) => "other",
        }
    }

    #[test]
    fn bodies_are_neither_empty_nor_too_long() {
        let check = |body: &str, expected: &str| {
            let start: String = body.chars().take(20).collect();
            assert_eq!(verdict(body), expected, "{start:?}");
        };
        check("hello", "fine");
        check("", "empty");
        check(" \n\t ", "empty");
        check("\u{200B}\u{FEFF}", "empty");
        check("\0\0", "empty");
        check(&"x".repeat(10_000), "fine");
        check(&"x".repeat(10_001), "long");
        check(&"e\u{301}".repeat(10_000), "fine");
        check(&"\u{1F642}".repeat(10_000), "fine");
        check(&"x".repeat(1_000_000), "long");
    }

    #[test]
    fn the_content_hash_knows_words_files_answered_message_and_thread() {
        let hash = |words: &str, reply_to, thread, files: &[u128]| {
            let attachments = files.iter().map(|&n| AttachmentId(uuid::Uuid::from_u128(n)));
            let draft = Draft {
                attachments: attachments.collect(),
                reply_to,
                thread,
                ..draft(words)
            };
            content_hash(words, &draft)
        };
        let thread = |root, also_in_timeline| {
            let root = MessageId(root);
            Some(ThreadPlace {
                root,
                also_in_timeline,
            })
        };
        let hashes = [
            hash("a", None, None, &[]),
            hash("b", None, None, &[]),
            hash("a", Some(MessageId(1)), None, &[]),
            hash("a", Some(MessageId(2)), None, &[]),
            hash("a", None, thread(1, false), &[]),
            hash("a", None, thread(1, true), &[]),
            hash("a", None, thread(2, false), &[]),
            hash("a", None, None, &[1]),
            hash("a", None, None, &[1, 2]),
            hash("a", None, None, &[2, 1]),
        ];
        for (i, one) in hashes.iter().enumerate() {
            assert!(hashes[i + 1..].iter().all(|other| other != one));
        }
        assert_eq!(hash("a", None, None, &[]), hashes[0]);
    }
}
