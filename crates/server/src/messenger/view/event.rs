//! Events as they go over users' channels: a name, an envelope, and what they say. Payloads are the same for
//! every receiver, so nothing in them depends on who looks.

use chinwag_messenger as domain;
use chinwag_messenger::{ConversationId, LogoutReason, MessageId, Moved, RemovalReason, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::people::KnownDevice;
use super::threads::ThreadChange;
use super::{
    Attachment, ChangedMember, ChangedPolicies, ListItem, Me, Member, Message, Moment, My, PresenceOf,
    Reaction,
};
use crate::messenger::typing::Typing;

/// An event with its envelope.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::messenger) enum Event<'a> {
    #[schema(title = "message.created")]
    MessageCreated {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        message: Message<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        thread: Option<ThreadChange>,
    },
    #[schema(title = "message.updated")]
    MessageUpdated {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        message: Message<'a>,
    },
    #[schema(title = "message.deleted")]
    MessagesDeleted {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        items: Vec<Place>,
        deleted_by: i64,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schema(required = false)]
        threads: Vec<ThreadChange>,
    },
    #[schema(title = "reaction.changed")]
    ReactionChanged {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        message_id: i64,
        seq: u64,
        user_id: i64,
        emoji: &'a str,
        added: bool,
        summary: Vec<Reaction<'a>>,
    },
    #[schema(title = "pin.changed")]
    PinChanged {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        message_id: i64,
        seq: u64,
        pinned: bool,
        by: i64,
    },
    #[schema(title = "conversation.noop")]
    Noop {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
    },
    #[schema(title = "members.changed")]
    MembersChanged {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        added: Vec<Member<'a>>,
        removed: Vec<i64>,
        updated: Vec<ChangedMember<'a>>,
        member_count: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        message: Option<Message<'a>>,
    },
    #[schema(title = "conversation.added")]
    ConversationAdded {
        v: u8,
        user_rev: u64,
        at: Moment,
        conversation_id: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        item: Option<Box<ListItem<'a>>>,
    },
    #[schema(title = "conversation.removed")]
    ConversationRemoved {
        v: u8,
        user_rev: u64,
        at: Moment,
        conversation_id: i64,
        reason: &'static str,
    },
    #[schema(title = "conversation.updated")]
    ConversationUpdated {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        description: Option<Option<&'a str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<uuid::Uuid>)]
        avatar_id: Option<Option<String>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        policies: Option<ChangedPolicies>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        message: Option<Message<'a>>,
    },
    #[schema(title = "conversation.deleted")]
    ConversationDeleted {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
    },
    #[schema(title = "member_state.changed")]
    MemberStateChanged {
        v: u8,
        user_rev: u64,
        at: Moment,
        conversation_id: i64,
        my: My,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        hidden_messages: Option<Vec<Place>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        unread_count: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        unread_mentions: Option<u32>,
    },
    #[schema(title = "me.updated")]
    MeUpdated {
        v: u8,
        user_rev: u64,
        at: Moment,
        me: Box<Me<'a>>,
    },
    #[schema(title = "contact.changed")]
    ContactChanged {
        v: u8,
        user_rev: u64,
        at: Moment,
        user_id: i64,
        contact: bool,
        alias: Option<&'a str>,
    },
    #[schema(title = "block.changed")]
    BlockChanged {
        v: u8,
        user_rev: u64,
        at: Moment,
        user_id: i64,
        blocked: bool,
    },
    #[schema(title = "attachment.updated")]
    AttachmentUpdated {
        v: u8,
        user_rev: u64,
        at: Moment,
        attachment: Attachment<'a>,
    },
    #[schema(title = "device.changed")]
    DeviceChanged {
        v: u8,
        user_rev: u64,
        at: Moment,
        #[schema(value_type = uuid::Uuid)]
        device_id: String,
        device: Option<KnownDevice<'a>>,
    },
    #[schema(title = "thread.changed")]
    ThreadFollowed {
        v: u8,
        user_rev: u64,
        at: Moment,
        conversation_id: i64,
        root_id: i64,
        following: bool,
        seen_seq: u64,
    },
    #[schema(title = "receipt.updated")]
    ReceiptUpdated { v: u8, items: Vec<Receipt> },
    #[schema(title = "presence.changed")]
    PresenceChanged { v: u8, items: [PresenceOf; 1] },
    #[schema(title = "typing.changed")]
    TypingChanged {
        v: u8,
        conversation_id: i64,
        user_id: i64,
        #[serde(flatten)]
        typing: Typing,
    },
    #[schema(title = "sync.required")]
    SyncRequired { v: u8, reason: &'static str },
    #[schema(title = "logout.required")]
    LogoutRequired { v: u8, reason: &'static str },
}

/// How far somebody is; the unread numbers come to its own devices only.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToldReceipt)]
pub(in crate::messenger) struct Receipt {
    conversation_id: i64,
    user_id: i64,
    delivered_seq: u64,
    /// Null where it is not shared.
    seen_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    thread_root_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unread_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unread_mentions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total_unread: Option<u32>,
}

impl Receipt {
    /// One's own, for one's own devices; what is to read in all has nothing to do with threads.
    pub(in crate::messenger) fn own(moved: &Moved, unread: (u32, u32), total: Option<u32>) -> Self {
        Self {
            conversation_id: moved.conversation.0,
            user_id: moved.user.0,
            delivered_seq: moved.to.0,
            seen_seq: Some(moved.to.1),
            thread_root_id: moved.thread_root.map(|id| id.0),
            unread_count: Some(unread.0),
            unread_mentions: Some(unread.1),
            total_unread: total.filter(|_| moved.thread_root.is_none()),
        }
    }
}

impl From<&domain::ToldReceipt> for Receipt {
    fn from(told: &domain::ToldReceipt) -> Self {
        Self {
            conversation_id: told.conversation.0,
            user_id: told.user.0,
            delivered_seq: told.delivered_seq,
            seen_seq: told.seen_seq,
            thread_root_id: told.thread_root.map(|id| id.0),
            unread_count: None,
            unread_mentions: None,
            total_unread: None,
        }
    }
}

/// A message without what it says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessagePlace)]
pub(in crate::messenger) struct Place {
    id: i64,
    seq: u64,
}

fn places(items: &[(MessageId, u64)]) -> Vec<Place> {
    items
        .iter()
        .map(|(id, seq)| Place { id: id.0, seq: *seq })
        .collect()
}

/// What is shown of unread messages.
const UNREAD_MAX: u32 = 999;

/// The version of the envelope.
const V: u8 = 1;

impl<'a> Event<'a> {
    /// How to show the event; `None` when it is not shown but acted on.
    pub(in crate::messenger) fn of(event: &'a domain::Event) -> Option<Self> {
        Some(match event {
            domain::Event::MessageCreated { message, thread } => Self::MessageCreated {
                v: V,
                conversation_id: message.conversation.0,
                rev: message.rev,
                at: Moment(message.created_at),
                message: message.into(),
                thread: thread.as_ref().map(ThreadChange::from),
            },
            domain::Event::MessageUpdated { message, at, .. } => Self::MessageUpdated {
                v: V,
                conversation_id: message.conversation.0,
                rev: message.rev,
                at: Moment(*at),
                message: message.into(),
            },
            domain::Event::MessagesDeleted {
                conversation,
                rev,
                at,
                items,
                by,
                threads,
            } => Self::MessagesDeleted {
                v: V,
                conversation_id: conversation.0,
                rev: *rev,
                at: Moment(*at),
                items: places(items),
                deleted_by: by.0,
                threads: threads.iter().map(ThreadChange::from).collect(),
            },
            domain::Event::ReactionChanged {
                message,
                at,
                user,
                emoji,
                added,
            } => Self::ReactionChanged {
                v: V,
                conversation_id: message.conversation.0,
                rev: message.rev,
                at: Moment(*at),
                message_id: message.id.0,
                seq: message.seq,
                user_id: user.0,
                emoji,
                added: *added,
                summary: message.reactions.iter().map(Reaction::from).collect(),
            },
            domain::Event::PinChanged { message, at, by } => Self::PinChanged {
                v: V,
                conversation_id: message.conversation.0,
                rev: message.rev,
                at: Moment(*at),
                message_id: message.id.0,
                seq: message.seq,
                pinned: message.pinned,
                by: by.0,
            },
            domain::Event::Noop {
                conversation,
                rev,
                at,
            } => Self::Noop {
                v: V,
                conversation_id: conversation.0,
                rev: *rev,
                at: Moment(*at),
            },
            domain::Event::MembersChanged {
                conversation,
                rev,
                at,
                added,
                removed,
                updated,
                member_count,
                message,
            } => Self::MembersChanged {
                v: V,
                conversation_id: conversation.0,
                rev: *rev,
                at: Moment(*at),
                added: added.iter().map(Member::from).collect(),
                removed: removed.iter().map(|id| id.0).collect(),
                updated: updated.iter().map(ChangedMember::from).collect(),
                member_count: *member_count,
                message: message.as_ref().map(Message::from),
            },
            domain::Event::ConversationAdded {
                conversation,
                user_rev,
                at,
            } => Self::ConversationAdded {
                v: V,
                user_rev: *user_rev,
                at: Moment(*at),
                conversation_id: conversation.0,
                item: None,
            },
            domain::Event::ConversationRemoved {
                conversation,
                user_rev,
                at,
                reason,
                ..
            } => Self::ConversationRemoved {
                v: V,
                user_rev: *user_rev,
                at: Moment(*at),
                conversation_id: conversation.0,
                reason: match reason {
                    RemovalReason::Left => "left",
                    RemovalReason::Removed => "removed",
                    RemovalReason::Deleted => "deleted",
                },
            },
            domain::Event::ConversationUpdated {
                conversation,
                rev,
                at,
                changed,
                message,
            } => Self::ConversationUpdated {
                v: V,
                conversation_id: conversation.0,
                rev: *rev,
                at: Moment(*at),
                title: changed.title.as_deref(),
                description: changed.description.as_ref().map(Option::as_deref),
                avatar_id: changed.avatar.map(|id| id.map(|id| id.to_string())),
                policies: (!changed.policies.is_empty()).then(|| (&changed.policies).into()),
                message: message.as_ref().map(Message::from),
            },
            domain::Event::ConversationDeleted {
                conversation,
                rev,
                at,
            } => Self::ConversationDeleted {
                v: V,
                conversation_id: conversation.0,
                rev: *rev,
                at: Moment(*at),
            },
            domain::Event::MemberStateChanged {
                my,
                hidden,
                messages,
                user_rev,
                at,
            } => Self::MemberStateChanged {
                v: V,
                user_rev: *user_rev,
                at: Moment(*at),
                conversation_id: my.conversation.0,
                my: My::new(my, *hidden),
                hidden_messages: messages.as_ref().map(|(items, _)| places(items)),
                unread_count: messages
                    .as_ref()
                    .map(|(_, unread)| unread.messages.min(UNREAD_MAX)),
                unread_mentions: messages
                    .as_ref()
                    .map(|(_, unread)| unread.mentions.min(UNREAD_MAX)),
            },
            domain::Event::MeUpdated { me, at } => Self::MeUpdated {
                v: V,
                user_rev: me.account.user_rev,
                at: Moment(*at),
                me: Box::new((&**me).into()),
            },
            domain::Event::ContactChanged {
                user,
                contact,
                user_rev,
                at,
            } => Self::ContactChanged {
                v: V,
                user_rev: *user_rev,
                at: Moment(*at),
                user_id: user.0,
                contact: contact.is_some(),
                alias: contact.as_ref().and_then(Option::as_deref),
            },
            domain::Event::BlockChanged {
                user,
                blocked,
                user_rev,
                at,
            } => Self::BlockChanged {
                v: V,
                user_rev: *user_rev,
                at: Moment(*at),
                user_id: user.0,
                blocked: *blocked,
            },
            domain::Event::AttachmentUpdated {
                attachment,
                user_rev,
                at,
            } => Self::AttachmentUpdated {
                v: V,
                user_rev: *user_rev,
                at: Moment(*at),
                attachment: attachment.into(),
            },
            domain::Event::ThreadFollowed {
                conversation,
                root,
                following,
                seen_seq,
                user_rev,
                at,
            } => Self::ThreadFollowed {
                v: V,
                user_rev: *user_rev,
                at: Moment(*at),
                conversation_id: conversation.0,
                root_id: root.0,
                following: *following,
                seen_seq: *seen_seq,
            },
            domain::Event::DeviceChanged {
                device,
                login,
                user_rev,
                at,
            } => Self::DeviceChanged {
                v: V,
                user_rev: *user_rev,
                at: Moment(*at),
                device_id: device.to_string(),
                device: login.as_ref().map(KnownDevice::from),
            },
            // Receipts go their own way.
            domain::Event::ReceiptUpdated { .. }
            | domain::Event::WatermarksMoved(_)
            | domain::Event::ReceiptsSwitched { .. }
            | domain::Event::LoggedOut { .. } => return None,
        })
    }

    /// The same with the item as it stands in the receiver's list.
    pub(in crate::messenger) fn with_item(mut self, listed: Option<&'a domain::ListItem>) -> Self {
        if let Self::ConversationAdded { item, .. } = &mut self {
            *item = listed.map(|listed| Box::new(listed.into()));
        }
        self
    }

    /// Tells the change of one person's presence.
    pub(in crate::messenger) fn presence(change: PresenceOf) -> Self {
        Self::PresenceChanged {
            v: V,
            items: [change],
        }
    }

    /// Tells that somebody types, or stops.
    pub(in crate::messenger) fn typing(conversation: ConversationId, user: UserId, typing: Typing) -> Self {
        Self::TypingChanged {
            v: V,
            conversation_id: conversation.0,
            user_id: user.0,
            typing,
        }
    }

    /// Tells a client that its login is of no use any more.
    pub(in crate::messenger) fn logout_required(reason: LogoutReason) -> Self {
        let reason = match reason {
            LogoutReason::LoggedOut => "logged_out",
            LogoutReason::DeviceRevoked => "device_revoked",
            LogoutReason::PasswordChanged => "password_changed",
            LogoutReason::AccountSuspended => "account_suspended",
            LogoutReason::AccountDeleted => "account_deleted",
        };
        Self::LogoutRequired { v: V, reason }
    }

    /// Tells how far people got.
    pub(in crate::messenger) fn receipts(items: Vec<Receipt>) -> Self {
        Self::ReceiptUpdated { v: V, items }
    }

    /// Tells clients to synchronise.
    pub(in crate::messenger) fn sync_required(reason: &'static str) -> Self {
        Self::SyncRequired { v: V, reason }
    }

    /// Leaves half of the message's words out; false when there are none to leave out.
    pub(in crate::messenger) fn cut(&mut self) -> bool {
        match self {
            Self::MessageCreated { message, .. } | Self::MessageUpdated { message, .. } => message.cut(),
            _ => false,
        }
    }

    /// The name on the wire.
    pub(in crate::messenger) fn name(&self) -> &'static str {
        match self {
            Self::MessageCreated { .. } => "message.created",
            Self::MessageUpdated { .. } => "message.updated",
            Self::MessagesDeleted { .. } => "message.deleted",
            Self::ReactionChanged { .. } => "reaction.changed",
            Self::PinChanged { .. } => "pin.changed",
            Self::Noop { .. } => "conversation.noop",
            Self::MembersChanged { .. } => "members.changed",
            Self::ConversationAdded { .. } => "conversation.added",
            Self::ConversationRemoved { .. } => "conversation.removed",
            Self::ConversationUpdated { .. } => "conversation.updated",
            Self::ConversationDeleted { .. } => "conversation.deleted",
            Self::MemberStateChanged { .. } => "member_state.changed",
            Self::MeUpdated { .. } => "me.updated",
            Self::AttachmentUpdated { .. } => "attachment.updated",
            Self::ContactChanged { .. } => "contact.changed",
            Self::BlockChanged { .. } => "block.changed",
            Self::DeviceChanged { .. } => "device.changed",
            Self::ThreadFollowed { .. } => "thread.changed",
            Self::ReceiptUpdated { .. } => "receipt.updated",
            Self::PresenceChanged { .. } => "presence.changed",
            Self::TypingChanged { .. } => "typing.changed",
            Self::SyncRequired { .. } => "sync.required",
            Self::LogoutRequired { .. } => "logout.required",
        }
    }
}
