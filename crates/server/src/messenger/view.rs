//! The JSON shapes of the REST API and of its events, all in one place; see `docs/API.md`.

mod attachment;
mod event;
mod groups;
mod moderation;
mod people;
mod search;
mod threads;
mod words;

pub(super) use attachment::{Attachment, MediaItem, Upload};
pub(super) use event::{Event, Receipt};
pub(super) use groups::{
    Added, Ban, ChangedPolicies, Draft, EditHistoryWord, Invite, InvitePreview, NewcomersWord, NotifyWord,
    Policies, WhoWord,
};
pub(super) use moderation::{AdminUser, AuditEntry, Counts, OwnReport, Report, ReportWord, ServerInvite};
pub(super) use people::{Blocked, Contact, Device, Me, OfferedSecret, Person, RecoveryCodes, Renewed};
pub(super) use search::{Found, Hit, Hits};
pub(super) use threads::{Followed, Replies, Thread, ThreadWatermark};
pub(super) use words::{OpennessWord, PresenceState};

use chinwag_messenger as domain;
use chinwag_messenger::{
    AccountKind, ClientId, ConversationKind, MessageKind, MessageStatus, Role, SystemEvent, Timestamp, UserId,
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use words::{ConversationWord, RoleWord, UserKind};

/// A moment, in RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-03-12T14:05:09.120Z")]
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_millisecond(self.0.0) {
            Ok(moment) => serializer.collect_str(&format_args!("{moment:.3}")),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

/// A list that ends here, or goes on at the cursor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

impl<T> List<T> {
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }
}

/// Items without more to come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User<'a> {
    id: i64,
    username: &'a str,
    display_name: &'a str,
    /// The attachment it is shown by, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>, nullable = false)]
    avatar_id: Option<String>,
    kind: UserKind,
    deleted: bool,
    /// The account may not be used for now, so nobody waits for it to see anything.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(nullable = false, required = false)]
    suspended: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(given: &bool) -> bool {
    !given
}

impl<'a> From<&'a domain::Account> for User<'a> {
    fn from(account: &'a domain::Account) -> Self {
        Self {
            id: account.id.0,
            username: account.username.as_str(),
            display_name: &account.display_name,
            avatar_id: account.avatar.map(|id| id.to_string()),
            kind: match account.kind {
                AccountKind::Human => UserKind::Human,
                AccountKind::Bot => UserKind::Bot,
            },
            deleted: account.deleted_at.is_some(),
            suspended: account.suspended,
        }
    }
}

/// A fresh login; the token is left out when it went into a cookie.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedIn<'a> {
    pub(super) user: Me<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) token: Option<&'a str>,
}

/// A message; `None` on the outside of a field leaves it out, as a tombstone does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Message<'a> {
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
    fn cut(&mut self) -> bool {
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
pub(super) enum Listed<'a> {
    Hidden(HiddenMessage),
    Message(Box<Message<'a>>),
}

/// The place of a message that is hidden from the reader.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HiddenMessage {
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
pub(super) struct Mention {
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
pub(super) struct Reaction<'a> {
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

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Conversation<'a> {
    id: i64,
    kind: ConversationWord,
    title: Option<&'a str>,
    description: Option<&'a str>,
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
    member_count: u32,
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

fn role(role: Role) -> RoleWord {
    match role {
        Role::Owner => RoleWord::Owner,
        Role::Admin => RoleWord::Admin,
        Role::Member => RoleWord::Member,
    }
}

/// A member in a list item, in changes and in events: what ticks are drawn from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Member<'a> {
    user: User<'a>,
    role: RoleWord,
    joined_seq: u64,
    delivered_seq: u64,
    /// Null where the member or the caller keeps that to itself.
    seen_seq: Option<u64>,
}

impl<'a> From<&'a domain::Member> for Member<'a> {
    fn from(member: &'a domain::Member) -> Self {
        Self {
            user: (&member.account).into(),
            role: role(member.role),
            joined_seq: member.joined_seq,
            delivered_seq: member.delivered_seq,
            seen_seq: member.seen_seq,
        }
    }
}

/// A member whose role has changed, in events: what goes to all holds no watermarks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedMember<'a> {
    user: User<'a>,
    role: RoleWord,
    joined_seq: u64,
}

impl<'a> From<&'a domain::Member> for ChangedMember<'a> {
    fn from(member: &'a domain::Member) -> Self {
        Self {
            user: (&member.account).into(),
            role: role(member.role),
            joined_seq: member.joined_seq,
        }
    }
}

/// A member in the list of members.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedMember<'a> {
    #[serde(flatten)]
    member: Member<'a>,
    joined_at: Moment,
}

impl<'a> From<&'a domain::Member> for ListedMember<'a> {
    fn from(member: &'a domain::Member) -> Self {
        Self {
            member: member.into(),
            joined_at: Moment(member.joined_at),
        }
    }
}

/// One's own part of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct My {
    role: RoleWord,
    joined_seq: u64,
    delivered_seq: u64,
    seen_seq: u64,
    history_from_seq: u64,
    cleared_seq: u64,
    muted_until: Option<Moment>,
    archived: bool,
    pinned_order: Option<i64>,
    marked_unread: bool,
    notify: NotifyWord,
    hidden_from_list: bool,
    draft: Option<Draft>,
    left_at: Option<Moment>,
}

impl My {
    fn new(state: &domain::MemberState, hidden_from_list: bool) -> Self {
        Self {
            role: role(state.role),
            joined_seq: state.joined_seq,
            delivered_seq: state.delivered_seq,
            seen_seq: state.seen_seq,
            history_from_seq: state.history_from_seq,
            cleared_seq: state.cleared_seq,
            muted_until: state.muted_until.map(Moment),
            archived: state.archived,
            pinned_order: state.pinned_order,
            marked_unread: state.marked_unread,
            notify: state.notify.into(),
            hidden_from_list,
            draft: state.draft.as_ref().map(Draft::from),
            left_at: state.left_at.map(Moment),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Receipts {
    others_delivered_seq: Option<u64>,
    others_seen_seq: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListItem<'a> {
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

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History<'a> {
    items: Vec<Listed<'a>>,
    has_more_before: bool,
    has_more_after: bool,
    last_seq: u64,
    last_rev: u64,
}

impl<'a> From<&'a domain::History> for History<'a> {
    fn from(history: &'a domain::History) -> Self {
        Self {
            items: history.messages.iter().map(Listed::from).collect(),
            has_more_before: history.has_more_before,
            has_more_after: history.has_more_after,
            last_seq: history.last_seq,
            last_rev: history.last_rev,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changes<'a> {
    items: Vec<Listed<'a>>,
    conversation: Option<Conversation<'a>>,
    members: Option<Vec<Member<'a>>>,
    upto_rev: u64,
    has_more: bool,
    reset: bool,
}

impl<'a> From<&'a domain::Changes> for Changes<'a> {
    fn from(changes: &'a domain::Changes) -> Self {
        Self {
            items: changes.messages.iter().map(Listed::from).collect(),
            conversation: changes.conversation.as_ref().map(Conversation::from),
            members: changes
                .members
                .as_ref()
                .map(|members| members.iter().map(Member::from).collect()),
            upto_rev: changes.upto_rev,
            has_more: changes.has_more,
            reset: changes.reset,
        }
    }
}

/// The changes of one conversation among several, or why there are none.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangesOf<'a> {
    pub(super) conversation_id: i64,
    #[serde(flatten)]
    pub(super) outcome: Outcome<Changes<'a>>,
}

/// What became of one item of many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Outcome<T> {
    /// It was done.
    Done(T),
    /// It was refused, with the code why.
    Refused {
        /// The code.
        error: &'static str,
    },
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SyncPage<'a> {
    cursor: &'a str,
    server_time: Moment,
    user: SyncUser<'a>,
    items: Vec<ListItem<'a>>,
    removed: Vec<i64>,
    has_more: bool,
    reset: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct SyncUser<'a> {
    rev: u64,
    me: Me<'a>,
    /// Messages that the caller has hidden from itself.
    hidden_messages: Vec<HiddenPlace>,
}

#[derive(Debug, Serialize, ToSchema)]
struct HiddenPlace {
    conversation_id: i64,
    seq: u64,
}

impl<'a> SyncPage<'a> {
    pub(super) fn new(page: &'a domain::SyncPage, now: Timestamp) -> Self {
        Self {
            cursor: &page.cursor,
            server_time: Moment(now),
            user: SyncUser {
                rev: page.me.account.user_rev,
                me: (&page.me).into(),
                hidden_messages: page
                    .hidden
                    .iter()
                    .map(|place| HiddenPlace {
                        conversation_id: place.conversation.0,
                        seq: place.seq,
                    })
                    .collect(),
            },
            items: page.items.iter().map(ListItem::from).collect(),
            removed: page.removed.iter().map(|id| id.0).collect(),
            has_more: page.has_more,
            reset: false,
        }
    }
}

/// Where the caller stands in one conversation, or why not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WatermarksOf {
    pub(super) conversation_id: i64,
    #[serde(flatten)]
    pub(super) outcome: Outcome<MovedTo>,
}

/// In the conversation, or in a thread of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum MovedTo {
    Conversation(Watermarks),
    Thread(ThreadWatermark),
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Watermarks {
    delivered_seq: u64,
    seen_seq: u64,
    unread_count: u32,
    unread_mentions: u32,
}

impl From<&domain::Watermarks> for Watermarks {
    fn from(marks: &domain::Watermarks) -> Self {
        Self {
            delivered_seq: marks.delivered_seq,
            seen_seq: marks.seen_seq,
            unread_count: marks.unread_count,
            unread_mentions: marks.unread_mentions,
        }
    }
}

/// Whether somebody is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresenceOf {
    pub(super) user_id: i64,
    pub(super) state: PresenceState,
    pub(super) last_seen_at: Option<Moment>,
}
