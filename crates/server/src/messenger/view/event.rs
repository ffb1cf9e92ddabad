//! Events as they go over users' channels: a name, an envelope, and what they say. Payloads are the same for
//! every receiver, so nothing in them depends on who looks.

use chinwag_messenger as domain;
use serde::Serialize;

use super::{Attachment, Me, Member, Message, Moment, PresenceOf};

/// An event with its envelope.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(in crate::messenger) enum Event<'a> {
    MessageCreated {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        message: Message<'a>,
    },
    MembersChanged {
        v: u8,
        conversation_id: i64,
        rev: u64,
        at: Moment,
        added: Vec<Member<'a>>,
        removed: Vec<i64>,
        member_count: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<Message<'a>>,
    },
    ConversationAdded {
        v: u8,
        user_rev: u64,
        at: Moment,
        conversation_id: i64,
    },
    MeUpdated {
        v: u8,
        user_rev: u64,
        at: Moment,
        me: Me<'a>,
    },
    AttachmentUpdated {
        v: u8,
        user_rev: u64,
        at: Moment,
        attachment: Attachment<'a>,
    },
    ReceiptUpdated {
        v: u8,
        items: [Receipt; 1],
    },
    PresenceChanged {
        v: u8,
        items: [PresenceOf; 1],
    },
    SyncRequired {
        v: u8,
        reason: &'static str,
    },
}

#[derive(Debug, Serialize)]
pub(in crate::messenger) struct Receipt {
    conversation_id: i64,
    user_id: i64,
    delivered_seq: u64,
    seen_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_mentions: Option<u32>,
}

/// The version of the envelope.
const V: u8 = 1;

impl<'a> Event<'a> {
    /// How to show the event; `None` when it is not shown but acted on.
    pub(in crate::messenger) fn of(event: &'a domain::Event) -> Option<Self> {
        Some(match event {
            domain::Event::MessageCreated { message } => Self::MessageCreated {
                v: V,
                conversation_id: message.conversation.0,
                rev: message.rev,
                at: Moment(message.created_at),
                message: message.into(),
            },
            domain::Event::MembersChanged {
                conversation,
                rev,
                at,
                added,
                removed,
                member_count,
                message,
            } => Self::MembersChanged {
                v: V,
                conversation_id: conversation.0,
                rev: *rev,
                at: Moment(*at),
                added: added.iter().map(Member::from).collect(),
                removed: removed.iter().map(|id| id.0).collect(),
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
            },
            domain::Event::MeUpdated { me, at } => Self::MeUpdated {
                v: V,
                user_rev: me.user_rev,
                at: Moment(*at),
                me: me.into(),
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
            domain::Event::ReceiptUpdated {
                conversation,
                user,
                delivered_seq,
                seen_seq,
                unread,
            } => {
                let receipt = Receipt {
                    conversation_id: conversation.0,
                    user_id: user.0,
                    delivered_seq: *delivered_seq,
                    seen_seq: *seen_seq,
                    unread_count: unread.map(|(count, _)| count),
                    unread_mentions: unread.map(|(_, mentions)| mentions),
                };
                Self::ReceiptUpdated {
                    v: V,
                    items: [receipt],
                }
            }
            domain::Event::LoggedOut { .. } => return None,
        })
    }

    /// Tells the change of one person's presence.
    pub(in crate::messenger) fn presence(change: PresenceOf) -> Self {
        Self::PresenceChanged {
            v: V,
            items: [change],
        }
    }

    /// Tells clients to synchronise.
    pub(in crate::messenger) fn sync_required(reason: &'static str) -> Self {
        Self::SyncRequired { v: V, reason }
    }

    /// The name on the wire.
    pub(in crate::messenger) fn name(&self) -> &'static str {
        match self {
            Self::MessageCreated { .. } => "message.created",
            Self::MembersChanged { .. } => "members.changed",
            Self::ConversationAdded { .. } => "conversation.added",
            Self::MeUpdated { .. } => "me.updated",
            Self::AttachmentUpdated { .. } => "attachment.updated",
            Self::ReceiptUpdated { .. } => "receipt.updated",
            Self::PresenceChanged { .. } => "presence.changed",
            Self::SyncRequired { .. } => "sync.required",
        }
    }
}
