//! Rows as the messenger's types.

use super::entity::account;
use chinwag_messenger::{
    Account, AccountKind, ClientId, Conversation, ConversationId, ConversationKind, MemberState, Message,
    MessageId, MessageKind, PostPolicy, Quote, Role, ServerRole, SystemEvent, Timestamp, UserId, Username,
};
use sea_orm::{DbErr, QueryResult, TryGetable};
use serde_json::{Value as Json, json};

/// Reads the columns of a row one after the other.
pub(super) struct Columns<'r> {
    row: &'r QueryResult,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: &'r QueryResult) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn take<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        self.next += 1;
        self.row.try_get_by_index(self.next - 1)
    }

    /// A number that is never negative.
    pub(super) fn count(&mut self) -> Result<u64, DbErr> {
        let value: i64 = self.take()?;
        u64::try_from(value).map_err(|_| corrupt("a negative number"))
    }

    pub(super) fn time(&mut self) -> Result<Option<Timestamp>, DbErr> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp))
    }
}

pub(super) fn corrupt(what: &str) -> DbErr {
    DbErr::Type(format!("the database holds {what}"))
}

pub(super) const ACCOUNT: &str = "a.id, a.username, a.display_name, a.kind, a.server_role, a.suspended, \
     a.deleted_at, a.locale, a.user_rev, a.last_seen_at, a.created_at";

pub(super) fn account(columns: &mut Columns<'_>) -> Result<Account, DbErr> {
    let model = account::Model {
        id: columns.take()?,
        username: columns.take()?,
        display_name: columns.take()?,
        password_hash: String::new(),
        kind: columns.take()?,
        server_role: columns.take()?,
        suspended: columns.take()?,
        deleted_at: columns.take()?,
        locale: columns.take()?,
        user_rev: columns.take()?,
        last_seen_at: columns.take()?,
        created_at: columns.take()?,
    };
    account_of(model)
}

pub(super) fn account_of(model: account::Model) -> Result<Account, DbErr> {
    Ok(Account {
        id: UserId(model.id),
        username: Username::from_store(model.username),
        display_name: model.display_name,
        kind: if model.kind == 1 {
            AccountKind::Bot
        } else {
            AccountKind::Human
        },
        server_role: match model.server_role {
            2 => ServerRole::Owner,
            1 => ServerRole::Admin,
            _ => ServerRole::Member,
        },
        suspended: model.suspended,
        deleted_at: model.deleted_at.map(Timestamp),
        locale: model.locale,
        user_rev: u64::try_from(model.user_rev).map_err(|_| corrupt("a negative number"))?,
        last_seen_at: model.last_seen_at.map(Timestamp),
        created_at: Timestamp(model.created_at),
    })
}

pub(super) fn account_kind_number(kind: AccountKind) -> i64 {
    match kind {
        AccountKind::Human => 0,
        AccountKind::Bot => 1,
    }
}

pub(super) fn server_role_number(role: ServerRole) -> i64 {
    match role {
        ServerRole::Member => 0,
        ServerRole::Admin => 1,
        ServerRole::Owner => 2,
    }
}

pub(super) const CONVERSATION: &str = "c.id, c.kind, c.title, c.description, c.owner_id, c.created_by, \
     c.created_at, c.last_seq, c.last_rev, c.members_rev, c.last_activity_at, c.member_count, c.post";

pub(super) fn conversation(columns: &mut Columns<'_>) -> Result<Conversation, DbErr> {
    Ok(Conversation {
        id: ConversationId(columns.take()?),
        kind: conversation_kind(columns.take()?)?,
        title: columns.take()?,
        description: columns.take()?,
        owner: columns.take::<Option<i64>>()?.map(UserId),
        created_by: UserId(columns.take()?),
        created_at: Timestamp(columns.take()?),
        last_seq: columns.count()?,
        last_rev: columns.count()?,
        members_rev: columns.count()?,
        last_activity_at: Timestamp(columns.take()?),
        member_count: columns.count()? as u32,
        post: post_policy(columns.take()?),
    })
}

pub(super) fn conversation_kind(number: i64) -> Result<ConversationKind, DbErr> {
    match number {
        0 => Ok(ConversationKind::Direct),
        1 => Ok(ConversationKind::Group),
        2 => Ok(ConversationKind::Own),
        _ => Err(corrupt("a conversation of an unknown kind")),
    }
}

pub(super) fn conversation_kind_number(kind: ConversationKind) -> i64 {
    match kind {
        ConversationKind::Direct => 0,
        ConversationKind::Group => 1,
        ConversationKind::Own => 2,
    }
}

pub(super) fn post_policy(number: i64) -> PostPolicy {
    if number == 1 {
        PostPolicy::Admins
    } else {
        PostPolicy::All
    }
}

pub(super) const MEMBER: &str = "m.conversation_id, m.user_id, m.role, m.joined_at, m.joined_seq, \
     m.history_from_seq, m.left_at, m.delivered_seq, m.seen_seq, m.cleared_seq, m.muted_until, m.archived, \
     m.pinned_order, m.marked_unread";

pub(super) fn member_state(columns: &mut Columns<'_>) -> Result<MemberState, DbErr> {
    Ok(MemberState {
        conversation: ConversationId(columns.take()?),
        user: UserId(columns.take()?),
        role: role(columns.take()?),
        joined_at: Timestamp(columns.take()?),
        joined_seq: columns.count()?,
        history_from_seq: columns.count()?,
        left_at: columns.time()?,
        delivered_seq: columns.count()?,
        seen_seq: columns.count()?,
        cleared_seq: columns.count()?,
        muted_until: columns.time()?,
        archived: columns.take()?,
        pinned_order: columns.take()?,
        marked_unread: columns.take()?,
    })
}

pub(super) fn role(number: i64) -> Role {
    match number {
        2 => Role::Owner,
        1 => Role::Admin,
        _ => Role::Member,
    }
}

pub(super) fn role_number(role: Role) -> i64 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    }
}

/// A message as `m`, and as `q` the one it answers.
pub(super) const MESSAGE: &str = "m.id, m.conversation_id, m.seq, m.rev, m.client_id, m.author_id, m.note, \
     m.body, m.created_at, m.edited_at, m.deleted_at, q.id, q.seq, q.author_id, substr(q.body, 1, 160), \
     q.deleted_at";

/// To follow where `m` has been named.
pub(super) const QUOTED: &str = "LEFT JOIN message q ON q.id = m.reply_to_id";

pub(super) fn message(columns: &mut Columns<'_>) -> Result<Message, DbErr> {
    let mut message = Message {
        id: MessageId(columns.take()?),
        conversation: ConversationId(columns.take()?),
        seq: columns.count()?,
        rev: columns.count()?,
        client_id: client_id(columns.take()?)?,
        author: UserId(columns.take()?),
        kind: match columns.take::<Option<String>>()? {
            None => MessageKind::Text,
            Some(note) => MessageKind::System(read_note(&note)?),
        },
        body: columns.take()?,
        reply_to: None,
        created_at: Timestamp(columns.take()?),
        edited_at: columns.time()?,
        deleted_at: columns.time()?,
    };
    if let Some(quoted) = columns.take::<Option<i64>>()? {
        let seq = columns.count()?;
        let author = UserId(columns.take()?);
        let excerpt: String = columns.take()?;
        let deleted = columns.time()?.is_some();
        message.reply_to = Some(quote(MessageId(quoted), seq, author, excerpt, deleted));
    }
    Ok(message)
}

pub(super) fn quote(message: MessageId, seq: u64, author: UserId, excerpt: String, deleted: bool) -> Quote {
    let excerpt = if deleted { String::new() } else { excerpt };
    Quote {
        message,
        seq,
        author,
        excerpt,
        deleted,
    }
}

pub(super) fn client_id(bytes: Option<Vec<u8>>) -> Result<Option<ClientId>, DbErr> {
    let read = |bytes: Vec<u8>| uuid::Uuid::from_slice(&bytes).map(ClientId);
    bytes
        .map(read)
        .transpose()
        .map_err(|_| corrupt("a key of a message that is no UUID"))
}

/// What a system message tells, as it is stored.
pub(super) fn write_note(note: &SystemEvent) -> String {
    let note = match note {
        SystemEvent::Created { title } => json!({"event": "created", "title": title}),
        SystemEvent::MembersAdded { users } => {
            let ids: Vec<i64> = users.iter().map(|user| user.0).collect();
            json!({"event": "members_added", "users": ids})
        }
    };
    note.to_string()
}

fn read_note(text: &str) -> Result<SystemEvent, DbErr> {
    let read = || {
        let note: Json = serde_json::from_str(text).ok()?;
        match note.get("event")?.as_str()? {
            "created" => Some(SystemEvent::Created {
                title: note.get("title")?.as_str()?.to_owned(),
            }),
            "members_added" => {
                let ids = note.get("users")?.as_array()?.iter();
                Some(SystemEvent::MembersAdded {
                    users: ids.filter_map(Json::as_i64).map(UserId).collect(),
                })
            }
            _ => None,
        }
    };
    read().ok_or_else(|| corrupt("a note of an unknown kind"))
}
