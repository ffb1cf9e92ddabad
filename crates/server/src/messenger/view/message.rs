//! Messages and what they carry: notes about what happened, quotes, mentions and reactions.

use chinwag_messenger as domain;
use chinwag_messenger::{ClientId, MessageKind, MessageStatus, SystemEvent, UserId};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{Attachment, ChangedPolicies, Moment};

/// A message; `None` on the outside of a field leaves it out, as a tombstone does.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Message<'a> {
    id: i64,
    conversation_id: i64,
    seq: u64,
    rev: u64,
    #[serde(serialize_with = "client_id")]
    #[schema(value_type = Option<uuid::Uuid>)]
    client_id: Option<ClientId>,
    author_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    body: Option<&'a str>,
    /// Only in events, and always true: `body` is cut, the whole message is to be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    system: Option<System<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mentions: Option<Vec<Mention>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attachments: Option<Vec<Attachment<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Quote>)]
    reply_to: Option<Option<Quote<'a>>>,
    thread_root_id: Option<i64>,
    in_timeline: bool,
    reply_count: u32,
    last_reply_seq: Option<u64>,
    last_reply_at: Option<Moment>,
    participants: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ForwardedFrom>)]
    forwarded_from: Option<Option<ForwardedFrom<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reactions: Option<Vec<Reaction<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pinned: Option<bool>,
    receipts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<&'static str>,
    created_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Moment>)]
    edited_at: Option<Option<Moment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    edit_count: Option<u32>,
    deleted_at: Option<Moment>,
    deleted_by: Option<i64>,
}

impl<'a> From<&'a domain::Message> for Message<'a> {
    fn from(message: &'a domain::Message) -> Self {
        let alive = message.deleted_at.is_none();
        let system = match &message.kind {
            MessageKind::System(event) => Some(System::new(event, message.author)),
            MessageKind::Text | MessageKind::Media | MessageKind::Voice => None,
        };
        let forwarded_from = || message.forwarded_from.as_deref().map(ForwardedFrom::of);
        Self {
            id: message.id.0,
            conversation_id: message.conversation.0,
            seq: message.seq,
            rev: message.rev,
            client_id: message.client_id,
            author_id: message.author.0,
            kind: alive.then(|| kind(&message.kind)),
            body: alive.then_some(message.body.as_str()),
            truncated: None,
            system: system.filter(|_| alive),
            mentions: alive.then(|| message.mentions.iter().map(Mention::from).collect()),
            attachments: alive.then(|| message.attachments.iter().map(Attachment::from).collect()),
            reply_to: alive.then(|| message.reply_to.as_ref().map(Quote::from)),
            thread_root_id: message.thread_root.map(|id| id.0),
            in_timeline: message.in_timeline,
            reply_count: message.thread.reply_count,
            last_reply_seq: message.thread.last_reply_seq,
            last_reply_at: message.thread.last_reply_at.map(Moment),
            participants: message.thread.participants.iter().map(|id| id.0).collect(),
            forwarded_from: alive.then(forwarded_from),
            reactions: alive.then(|| message.reactions.iter().map(Reaction::from).collect()),
            pinned: alive.then_some(message.pinned),
            receipts: message.receipts,
            status: message.status.map(status),
            created_at: Moment(message.created_at),
            edited_at: alive.then(|| message.edited_at.map(Moment)),
            edit_count: alive.then_some(message.edit_count),
            deleted_at: message.deleted_at.map(Moment),
            deleted_by: message.deleted_by.map(|id| id.0),
        }
    }
}

impl Message<'_> {
    /// Leaves half of the words out, with the mentions in them; false when there are none.
    pub(super) fn cut(&mut self) -> bool {
        let Some(words) = self.body.filter(|words| !words.is_empty()) else {
            return false;
        };
        let words = &words[..words.floor_char_boundary(words.len() / 2)];
        let units = words.encode_utf16().count() as u32;
        if let Some(mentions) = &mut self.mentions {
            mentions.retain(|mention| mention.offset + mention.length <= units);
        }
        self.body = Some(words);
        self.truncated = Some(true);
        true
    }
}

/// A message among others, or only its place when it is hidden from the reader.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::messenger) enum Listed<'a> {
    Hidden(HiddenMessage),
    Message(Box<Message<'a>>),
}

/// The place of a message that is hidden from the reader.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct HiddenMessage {
    seq: u64,
    rev: u64,
    /// Always true.
    hidden: bool,
}

impl<'a> From<&'a domain::Message> for Listed<'a> {
    fn from(message: &'a domain::Message) -> Self {
        match message.hidden {
            true => Self::Hidden(HiddenMessage {
                seq: message.seq,
                rev: message.rev,
                hidden: true,
            }),
            false => Self::Message(Box::new(message.into())),
        }
    }
}

fn kind(kind: &MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Media => "media",
        MessageKind::Voice => "voice",
        MessageKind::System(_) => "system",
    }
}

fn status(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered => "delivered",
        MessageStatus::Seen => "seen",
    }
}

/// Somebody named in a message; everybody without `user_id`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Mention {
    user_id: Option<i64>,
    offset: u32,
    length: u32,
}

impl From<&domain::Mention> for Mention {
    fn from(mention: &domain::Mention) -> Self {
        Self {
            user_id: mention.user.map(|id| id.0),
            offset: mention.offset,
            length: mention.length,
        }
    }
}

/// Who said a forwarded message first.
#[derive(Debug, Serialize, ToSchema)]
struct ForwardedFrom<'a> {
    author_name: &'a str,
}

impl<'a> ForwardedFrom<'a> {
    fn of(author_name: &'a str) -> Self {
        Self { author_name }
    }
}

/// One emoji under a message; `me` only where there is one viewer.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Reaction<'a> {
    emoji: &'a str,
    count: u32,
    user_ids: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    me: Option<bool>,
}

impl<'a> From<&'a domain::ReactionSummary> for Reaction<'a> {
    fn from(reaction: &'a domain::ReactionSummary) -> Self {
        Self {
            emoji: &reaction.emoji,
            count: reaction.count,
            user_ids: reaction.users.iter().map(|id| id.0).collect(),
            me: reaction.me,
        }
    }
}

fn client_id<S: Serializer>(id: &Option<ClientId>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(&id.0),
        None => serializer.serialize_none(),
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct System<'a> {
    event: &'static str,
    actor_id: i64,
    /// What it is about, by event; see docs/API.md.
    #[schema(value_type = Object)]
    data: SystemData<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum SystemData<'a> {
    Created { title: &'a str },
    MembersAdded { user_ids: Vec<i64> },
    Pinned { message_id: i64, seq: u64 },
    Nothing {},
    Person { user_id: i64 },
    Left { new_owner_id: Option<i64> },
    Description { description: Option<&'a str> },
    Policies { policies: ChangedPolicies },
}

impl<'a> System<'a> {
    fn new(event: &'a SystemEvent, actor: UserId) -> Self {
        let (event, data) = match event {
            SystemEvent::Created { title } => ("created", SystemData::Created { title }),
            SystemEvent::MembersAdded { users } => (
                "members_added",
                SystemData::MembersAdded {
                    user_ids: users.iter().map(|u| u.0).collect(),
                },
            ),
            SystemEvent::Pinned { message, seq } => (
                "pinned",
                SystemData::Pinned {
                    message_id: message.0,
                    seq: *seq,
                },
            ),
            SystemEvent::MemberJoined => ("member_joined", SystemData::Nothing {}),
            SystemEvent::MemberRemoved { user } => ("member_removed", SystemData::Person { user_id: user.0 }),
            SystemEvent::MemberLeft { new_owner } => (
                "member_left",
                SystemData::Left {
                    new_owner_id: new_owner.map(|user| user.0),
                },
            ),
            SystemEvent::OwnerChanged { user } => ("owner_changed", SystemData::Person { user_id: user.0 }),
            SystemEvent::TitleChanged { title } => ("title_changed", SystemData::Created { title }),
            SystemEvent::DescriptionChanged { description } => (
                "description_changed",
                SystemData::Description {
                    description: description.as_deref(),
                },
            ),
            SystemEvent::AvatarChanged => ("avatar_changed", SystemData::Nothing {}),
            SystemEvent::PolicyChanged { policies } => (
                "policy_changed",
                SystemData::Policies {
                    policies: policies.into(),
                },
            ),
        };
        Self {
            event,
            actor_id: actor.0,
            data,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Quote<'a> {
    message_id: i64,
    seq: u64,
    author_id: i64,
    kind: &'static str,
    excerpt: &'a str,
    deleted: bool,
}

impl<'a> From<&'a domain::Quote> for Quote<'a> {
    fn from(quote: &'a domain::Quote) -> Self {
        Self {
            message_id: quote.message.0,
            seq: quote.seq,
            author_id: quote.author.0,
            kind: kind(&quote.kind),
            excerpt: if quote.deleted { "" } else { &quote.excerpt },
            deleted: quote.deleted,
        }
    }
}
