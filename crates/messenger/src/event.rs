//! What happened, for those who should hear of it at once.

use crate::store::Unread;
use crate::{
    Attachment, ConversationId, Login, LoginId, Me, Member, MemberState, Message, MessageId, SettingsChange,
    ThreadChange, Timestamp, UserId,
};

/// Why a conversation went from somebody's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// The user left.
    Left,
    /// Somebody removed the user.
    Removed,
    /// It is no more.
    Deleted,
}

/// Why somebody has to log in anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutReason {
    /// The user logged out, perhaps in another window.
    LoggedOut,
    /// The user or an administrator ended the login elsewhere, or there were too many.
    DeviceRevoked,
    /// There is a new password.
    PasswordChanged,
    /// The account may not be used.
    AccountSuspended,
    /// The account is no more.
    AccountDeleted,
}

/// Who hears of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// These people, each once.
    Users(Vec<UserId>),
}

/// How far a member's watermarks moved. Several moves of one member in one place can be told as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Where.
    pub conversation: ConversationId,
    /// Whose.
    pub user: UserId,
    /// The thread whose watermark it is; those of the conversation without one.
    pub thread_root: Option<MessageId>,
    /// Where they stood: delivered and seen.
    pub from: (u64, u64),
    /// Where they stand now.
    pub to: (u64, u64),
}

impl Moved {
    /// Both moves as one, in whichever order they came.
    pub fn merged(self, other: &Self) -> Self {
        let (from, to) = (other.from, other.to);
        Self {
            from: (self.from.0.min(from.0), self.from.1.min(from.1)),
            to: (self.to.0.max(to.0), self.to.1.max(to.1)),
            ..self
        }
    }
}

/// Something that happened. Durable events carry the rev of the conversation or of the user.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message was stored: words, or a system note that nothing else tells.
    MessageCreated {
        /// As stored; its `rev` is the event's.
        message: Message,
        /// What its thread comes to with it, if it belongs to one.
        thread: Option<ThreadChange>,
    },
    /// A message has other words.
    MessageUpdated {
        /// As it is now; its `rev` is the event's.
        message: Message,
        /// Whom it did not name before, ascending: of those who see it, the only ones for whom it is news.
        named: Vec<UserId>,
        /// When.
        at: Timestamp,
    },
    /// Messages became tombstones.
    MessagesDeleted {
        /// Where.
        conversation: ConversationId,
        /// The change's number.
        rev: u64,
        /// When.
        at: Timestamp,
        /// Which, with their places.
        items: Vec<(MessageId, u64)>,
        /// By whom.
        by: UserId,
        /// What the threads they belonged to come to now.
        threads: Vec<ThreadChange>,
    },
    /// Somebody put an emoji under a message or took it away.
    ReactionChanged {
        /// As it is now; its `rev` is the event's.
        message: Message,
        /// When.
        at: Timestamp,
        /// Who.
        user: UserId,
        /// The emoji.
        emoji: String,
        /// Put there, or taken away.
        added: bool,
    },
    /// A message was pinned or no longer is.
    PinChanged {
        /// As it is now; its `rev` is the event's.
        message: Message,
        /// When.
        at: Timestamp,
        /// By whom.
        by: UserId,
    },
    /// Something changed that these members do not see.
    Noop {
        /// Where.
        conversation: ConversationId,
        /// The change's number.
        rev: u64,
        /// When.
        at: Timestamp,
    },
    /// People came or went.
    MembersChanged {
        /// Where.
        conversation: ConversationId,
        /// The change's number.
        rev: u64,
        /// When.
        at: Timestamp,
        /// Who came.
        added: Vec<Member>,
        /// Who went.
        removed: Vec<UserId>,
        /// Whose role changed.
        updated: Vec<Member>,
        /// How many there are now.
        member_count: u32,
        /// The note about it in the conversation.
        message: Option<Message>,
    },
    /// A conversation appeared in the user's list.
    ConversationAdded {
        /// Which.
        conversation: ConversationId,
        /// The user's own change number.
        user_rev: u64,
        /// When.
        at: Timestamp,
    },
    /// A conversation went from the user's list.
    ConversationRemoved {
        /// Which.
        conversation: ConversationId,
        /// Whose list.
        user: UserId,
        /// The user's own change number.
        user_rev: u64,
        /// When.
        at: Timestamp,
        /// Why.
        reason: RemovalReason,
    },
    /// Settings of a conversation changed.
    ConversationUpdated {
        /// Which.
        conversation: ConversationId,
        /// The change's number.
        rev: u64,
        /// When.
        at: Timestamp,
        /// The new values.
        changed: SettingsChange,
        /// The note about it in the conversation.
        message: Option<Message>,
    },
    /// A conversation was deleted for all.
    ConversationDeleted {
        /// Which.
        conversation: ConversationId,
        /// The change's number, its last one.
        rev: u64,
        /// When.
        at: Timestamp,
    },
    /// The user's private part of a conversation changed.
    MemberStateChanged {
        /// As it is now.
        my: MemberState,
        /// Whether the conversation is out of the list.
        hidden: bool,
        /// Messages that the user has hidden from itself, with their places, and what is still unread then.
        messages: Option<(Vec<(MessageId, u64)>, Unread)>,
        /// The user's own change number.
        user_rev: u64,
        /// When.
        at: Timestamp,
    },
    /// The user's own account changed.
    MeUpdated {
        /// As it is now; its `user_rev` is the event's.
        me: Box<Me>,
        /// When.
        at: Timestamp,
    },
    /// The user keeps somebody as contact, under another name, or no longer.
    ContactChanged {
        /// Who.
        user: UserId,
        /// The alias, if there is one, of one who is a contact.
        contact: Option<Option<String>>,
        /// The owner's own change number.
        user_rev: u64,
        /// When.
        at: Timestamp,
    },
    /// The user blocks somebody, or no longer.
    BlockChanged {
        /// Who.
        user: UserId,
        /// Whether.
        blocked: bool,
        /// The owner's own change number.
        user_rev: u64,
        /// When.
        at: Timestamp,
    },
    /// An upload has ended.
    AttachmentUpdated {
        /// As it is now.
        attachment: Attachment,
        /// The user's own change number.
        user_rev: u64,
        /// When.
        at: Timestamp,
    },
    /// The user follows a thread, or no longer.
    ThreadFollowed {
        /// Where.
        conversation: ConversationId,
        /// The message it hangs on.
        root: MessageId,
        /// Whether it is followed.
        following: bool,
        /// How far the user has seen it.
        seen_seq: u64,
        /// The user's own change number.
        user_rev: u64,
        /// When.
        at: Timestamp,
    },
    /// The user's own watermarks moved. For its own devices.
    ReceiptUpdated {
        /// Where.
        conversation: ConversationId,
        /// Whose.
        user: UserId,
        /// How far messages have arrived.
        delivered_seq: u64,
        /// How far they were shown; with a thread, how far its replies were.
        seen_seq: u64,
        /// The thread whose watermark it is; that of the conversation without one.
        thread_root: Option<MessageId>,
        /// Unread messages and mentions.
        unread: (u32, u32),
    },
    /// The same for others, of whom those hear who are there and draw ticks from it; see
    /// [`Messenger::receipts_for`](crate::Messenger::receipts_for).
    WatermarksMoved(Moved),
    /// The user shares with others from now on what it has seen, or not any more: what those who see its watermarks
    /// hold is wrong, and so is what it holds of theirs; see
    /// [`Messenger::receipt_peers`](crate::Messenger::receipt_peers).
    ReceiptsSwitched {
        /// Who.
        user: UserId,
    },
    /// The user is logged in on another device, or no longer on one.
    DeviceChanged {
        /// Public name of the device.
        device: uuid::Uuid,
        /// What it is called and since when it is there; `None` when it is no more.
        login: Option<Login>,
        /// The user's own change number.
        user_rev: u64,
        /// When.
        at: Timestamp,
    },
    /// A login has ended or is of no use: its sockets are told so, and must go.
    LoggedOut {
        /// Whose.
        user: UserId,
        /// Which login.
        login: LoginId,
        /// Why.
        reason: LogoutReason,
    },
}

impl Event {
    /// The same without the words that its message quotes.
    pub(crate) fn unquoted(&self) -> Self {
        let mut event = self.clone();
        if let Self::MessageCreated { message, .. } | Self::MessageUpdated { message, .. } = &mut event
            && let Some(quote) = &mut message.reply_to
        {
            quote.excerpt.clear();
        }
        event
    }
}
