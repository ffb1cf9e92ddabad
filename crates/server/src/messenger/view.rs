//! The JSON shapes of the REST API and of its events, all in one place; see `docs/API.md`.

mod attachment;
mod event;

pub(super) use attachment::{Attachment, MediaItem, Upload};
pub(super) use event::Event;

use chinwag_messenger as domain;
use chinwag_messenger::{
    AccountKind, ClientId, ConversationKind, MessageKind, Role, ServerRole, SystemEvent, Timestamp, UserId,
};
use serde::{Serialize, Serializer};

/// A moment, in RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy)]
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
#[derive(Debug, Serialize)]
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
#[derive(Debug, Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

#[derive(Debug, Serialize)]
pub(super) struct User<'a> {
    id: i64,
    username: &'a str,
    display_name: &'a str,
    kind: &'static str,
    deleted: bool,
}

impl<'a> From<&'a domain::Account> for User<'a> {
    fn from(account: &'a domain::Account) -> Self {
        Self {
            id: account.id.0,
            username: account.username.as_str(),
            display_name: &account.display_name,
            kind: match account.kind {
                AccountKind::Human => "human",
                AccountKind::Bot => "bot",
            },
            deleted: account.deleted_at.is_some(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Me<'a> {
    #[serde(flatten)]
    user: User<'a>,
    server_role: &'static str,
    locale: &'a str,
    user_rev: u64,
    created_at: Moment,
}

impl<'a> From<&'a domain::Account> for Me<'a> {
    fn from(account: &'a domain::Account) -> Self {
        Self {
            user: account.into(),
            server_role: match account.server_role {
                ServerRole::Owner => "owner",
                ServerRole::Admin => "admin",
                ServerRole::Member => "member",
            },
            locale: &account.locale,
            user_rev: account.user_rev,
            created_at: Moment(account.created_at),
        }
    }
}

/// A fresh login; the token is left out when it went into a cookie.
#[derive(Debug, Serialize)]
pub(super) struct LoggedIn<'a> {
    pub(super) user: Me<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'a str>,
}

/// A message; `None` on the outside of a field leaves it out, as a tombstone does.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    id: i64,
    conversation_id: i64,
    seq: u64,
    rev: u64,
    #[serde(serialize_with = "client_id")]
    client_id: Option<ClientId>,
    author_id: i64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<System<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mentions: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Option<Quote<'a>>>,
    thread_root_id: Option<i64>,
    in_timeline: bool,
    reply_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reactions: Option<[(); 0]>,
    pinned: bool,
    created_at: Moment,
    edited_at: Option<Moment>,
    edit_count: u32,
    deleted_at: Option<Moment>,
}

impl<'a> From<&'a domain::Message> for Message<'a> {
    fn from(message: &'a domain::Message) -> Self {
        let alive = message.deleted_at.is_none();
        let (kind, system) = match &message.kind {
            MessageKind::Text => ("text", None),
            MessageKind::System(event) => ("system", Some(System::new(event, message.author))),
        };
        Self {
            id: message.id.0,
            conversation_id: message.conversation.0,
            seq: message.seq,
            rev: message.rev,
            client_id: message.client_id,
            author_id: message.author.0,
            kind,
            body: alive.then_some(message.body.as_str()),
            system: system.filter(|_| alive),
            mentions: alive.then_some([]),
            attachments: alive.then_some([]),
            reply_to: alive.then(|| message.reply_to.as_ref().map(Quote::from)),
            thread_root_id: None,
            in_timeline: true,
            reply_count: 0,
            reactions: alive.then_some([]),
            pinned: false,
            created_at: Moment(message.created_at),
            edited_at: message.edited_at.map(Moment),
            edit_count: u32::from(message.edited_at.is_some()),
            deleted_at: message.deleted_at.map(Moment),
        }
    }
}

fn client_id<S: Serializer>(id: &Option<ClientId>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(&id.0),
        None => serializer.serialize_none(),
    }
}

#[derive(Debug, Serialize)]
struct System<'a> {
    event: &'static str,
    actor_id: i64,
    data: SystemData<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum SystemData<'a> {
    Created { title: &'a str },
    MembersAdded { user_ids: Vec<i64> },
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
        };
        Self {
            event,
            actor_id: actor.0,
            data,
        }
    }
}

#[derive(Debug, Serialize)]
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
            kind: "text",
            excerpt: if quote.deleted { "" } else { &quote.excerpt },
            deleted: quote.deleted,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Conversation<'a> {
    id: i64,
    kind: &'static str,
    title: Option<&'a str>,
    description: Option<&'a str>,
    owner_id: Option<i64>,
    created_by: i64,
    created_at: Moment,
    last_seq: u64,
    last_rev: u64,
    members_rev: u64,
    last_activity_at: Moment,
    member_count: u32,
    state: &'static str,
}

impl<'a> From<&'a domain::Conversation> for Conversation<'a> {
    fn from(conversation: &'a domain::Conversation) -> Self {
        Self {
            id: conversation.id.0,
            kind: match conversation.kind {
                ConversationKind::Direct => "direct",
                ConversationKind::Group => "group",
                ConversationKind::Own => "self",
            },
            title: conversation.title.as_deref(),
            description: conversation.description.as_deref(),
            owner_id: conversation.owner.map(|id| id.0),
            created_by: conversation.created_by.0,
            created_at: Moment(conversation.created_at),
            last_seq: conversation.last_seq,
            last_rev: conversation.last_rev,
            members_rev: conversation.members_rev,
            last_activity_at: Moment(conversation.last_activity_at),
            member_count: conversation.member_count,
            state: "active",
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
    }
}

/// A member in a list item, in changes and in events: what ticks are drawn from.
#[derive(Debug, Serialize)]
pub(super) struct Member<'a> {
    user: User<'a>,
    role: &'static str,
    joined_seq: u64,
    delivered_seq: u64,
    seen_seq: u64,
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

/// A member in the list of members.
#[derive(Debug, Serialize)]
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

#[derive(Debug, Serialize)]
struct My {
    role: &'static str,
    joined_seq: u64,
    delivered_seq: u64,
    seen_seq: u64,
    history_from_seq: u64,
    cleared_seq: u64,
    muted_until: Option<Moment>,
    archived: bool,
    pinned_order: Option<i64>,
    marked_unread: bool,
}

impl From<&domain::MemberState> for My {
    fn from(state: &domain::MemberState) -> Self {
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
        }
    }
}

#[derive(Debug, Serialize)]
struct Receipts {
    others_delivered_seq: Option<u64>,
    others_seen_seq: Option<u64>,
}

#[derive(Debug, Serialize)]
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
            my: (&item.my).into(),
            unread_count: item.unread_count,
            unread_mentions: item.unread_mentions,
            unread_capped: item.unread_capped,
            last_message: item.last_message.as_ref().map(Message::from),
            peer: item.peer.as_ref().map(User::from),
            receipts: Receipts {
                others_delivered_seq: item.others.map(|(delivered, _)| delivered),
                others_seen_seq: item.others.map(|(_, seen)| seen),
            },
            members: item.members.iter().map(Member::from).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct History<'a> {
    items: Vec<Message<'a>>,
    has_more_before: bool,
    has_more_after: bool,
    last_seq: u64,
    last_rev: u64,
}

impl<'a> From<&'a domain::History> for History<'a> {
    fn from(history: &'a domain::History) -> Self {
        Self {
            items: history.messages.iter().map(Message::from).collect(),
            has_more_before: history.has_more_before,
            has_more_after: history.has_more_after,
            last_seq: history.last_seq,
            last_rev: history.last_rev,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Changes<'a> {
    items: Vec<Message<'a>>,
    conversation: Option<Conversation<'a>>,
    members: Option<Vec<Member<'a>>>,
    upto_rev: u64,
    has_more: bool,
    reset: bool,
}

impl<'a> From<&'a domain::Changes> for Changes<'a> {
    fn from(changes: &'a domain::Changes) -> Self {
        Self {
            items: changes.messages.iter().map(Message::from).collect(),
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
#[derive(Debug, Serialize)]
pub(super) struct ChangesOf<'a> {
    pub(super) conversation_id: i64,
    #[serde(flatten)]
    pub(super) outcome: Outcome<Changes<'a>>,
}

/// What became of one item of many.
#[derive(Debug, Serialize)]
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

#[derive(Debug, Serialize)]
pub(super) struct SyncPage<'a> {
    cursor: &'a str,
    server_time: Moment,
    user: SyncUser<'a>,
    items: Vec<ListItem<'a>>,
    removed: Vec<i64>,
    has_more: bool,
    reset: bool,
}

#[derive(Debug, Serialize)]
struct SyncUser<'a> {
    rev: u64,
    me: Me<'a>,
}

impl<'a> SyncPage<'a> {
    pub(super) fn new(page: &'a domain::SyncPage, now: Timestamp) -> Self {
        Self {
            cursor: &page.cursor,
            server_time: Moment(now),
            user: SyncUser {
                rev: page.me.user_rev,
                me: (&page.me).into(),
            },
            items: page.items.iter().map(ListItem::from).collect(),
            removed: page.removed.iter().map(|id| id.0).collect(),
            has_more: page.has_more,
            reset: false,
        }
    }
}

/// Where the caller stands in one conversation, or why not.
#[derive(Debug, Serialize)]
pub(super) struct WatermarksOf {
    pub(super) conversation_id: i64,
    #[serde(flatten)]
    pub(super) outcome: Outcome<Watermarks>,
}

#[derive(Debug, Serialize)]
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
#[derive(Debug, Serialize)]
pub(super) struct PresenceOf {
    pub(super) user_id: i64,
    pub(super) state: &'static str,
    pub(super) last_seen_at: Option<Moment>,
}
