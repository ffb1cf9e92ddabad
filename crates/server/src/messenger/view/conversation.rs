//! Conversations, and how one stands in somebody's list.

use chinwag_messenger as domain;
use chinwag_messenger::ConversationKind;
use serde::Serialize;
use utoipa::ToSchema;

use super::words::ConversationWord;
use super::{Member, Message, Moment, My, Policies, User};

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Conversation<'a> {
    pub(super) id: i64,
    kind: ConversationWord,
    pub(super) title: Option<&'a str>,
    pub(super) description: Option<&'a str>,
    /// The attachment a group is shown by, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>, nullable = false)]
    avatar_id: Option<String>,
    owner_id: Option<i64>,
    created_by: i64,
    created_at: Moment,
    last_seq: u64,
    last_rev: u64,
    members_rev: u64,
    settings_rev: u64,
    last_activity_at: Moment,
    pub(super) member_count: u32,
    policies: Policies,
    state: &'static str,
}

impl<'a> From<&'a domain::Conversation> for Conversation<'a> {
    fn from(conversation: &'a domain::Conversation) -> Self {
        Self {
            id: conversation.id.0,
            kind: match conversation.kind {
                ConversationKind::Direct => ConversationWord::Direct,
                ConversationKind::Group => ConversationWord::Group,
                ConversationKind::Own => ConversationWord::Own,
            },
            title: conversation.title.as_deref(),
            description: conversation.description.as_deref(),
            avatar_id: conversation.avatar.map(|id| id.to_string()),
            owner_id: conversation.owner.map(|id| id.0),
            created_by: conversation.created_by.0,
            created_at: Moment(conversation.created_at),
            last_seq: conversation.last_seq,
            last_rev: conversation.last_rev,
            members_rev: conversation.members_rev,
            settings_rev: conversation.settings_rev,
            last_activity_at: Moment(conversation.last_activity_at),
            member_count: conversation.member_count,
            policies: (&conversation.policies).into(),
            state: "active",
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Receipts {
    others_delivered_seq: Option<u64>,
    others_seen_seq: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct ListItem<'a> {
    conversation: Conversation<'a>,
    my: My,
    unread_count: u32,
    unread_mentions: u32,
    unread_capped: bool,
    last_message: Option<Message<'a>>,
    peer: Option<User<'a>>,
    receipts: Receipts,
    members: Vec<Member<'a>>,
}

impl<'a> From<&'a domain::ListItem> for ListItem<'a> {
    fn from(item: &'a domain::ListItem) -> Self {
        Self {
            conversation: (&item.conversation).into(),
            my: My::new(&item.my, item.my.hidden(item.conversation.last_seq)),
            unread_count: item.unread_count,
            unread_mentions: item.unread_mentions,
            unread_capped: item.unread_capped,
            last_message: item.last_message.as_ref().map(Message::from),
            peer: item.peer.as_ref().map(User::from),
            receipts: Receipts {
                others_delivered_seq: item.others.map(|(delivered, _)| delivered),
                others_seen_seq: item.others.and_then(|(_, seen)| seen),
            },
            members: item.members.iter().map(Member::from).collect(),
        }
    }
}
