//! What happened, for those who should hear of it at once.

use crate::{Account, Attachment, ConversationId, LoginId, Member, Message, Timestamp, UserId};

/// Who hears of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// These people, each once.
    Users(Vec<UserId>),
}

/// Something that happened. Durable events carry the rev of the conversation or of the user.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message was stored: words, or a system note that nothing else tells.
    MessageCreated {
        /// As stored; its `rev` is the event's.
        message: Message,
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
    /// The user's own account changed.
    MeUpdated {
        /// As it is now; its `user_rev` is the event's.
        me: Account,
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
    /// A member's watermarks moved. For others.
    ReceiptUpdated {
        /// Where.
        conversation: ConversationId,
        /// Whose.
        user: UserId,
        /// How far messages have arrived.
        delivered_seq: u64,
        /// How far they were shown.
        seen_seq: u64,
        /// Unread messages and mentions, when this goes to the user's own devices.
        unread: Option<(u32, u32)>,
    },
    /// A login was ended: its sockets must go.
    LoggedOut {
        /// Whose.
        user: UserId,
        /// Which login.
        login: LoginId,
    },
}
