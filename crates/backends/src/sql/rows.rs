//! Rows as the messenger's types.

use super::attachments::read_attachments;
use super::entity::account;
use super::notes::read_note;
use chinwag_messenger::{
    Account, AccountKind, AttachmentId, ClientId, Conversation, ConversationId, ConversationKind,
    EditHistory, KeptDraft, MemberState, Mention, Message, MessageId, MessageKind, Newcomers, Notify,
    Policies, Quote, ReactionSummary, Role, ServerRole, ThreadSummary, Timestamp, UserId, Username, Who,
};
use sea_orm::{DbErr, QueryResult, TryGetable, Value};
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

    /// The same, or nothing.
    pub(super) fn maybe_count(&mut self) -> Result<Option<u64>, DbErr> {
        let value: Option<i64> = self.take()?;
        value
            .map(u64::try_from)
            .transpose()
            .map_err(|_| corrupt("a negative number"))
    }

    pub(super) fn time(&mut self) -> Result<Option<Timestamp>, DbErr> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp))
    }
}

pub(super) fn corrupt(what: &str) -> DbErr {
    DbErr::Type(format!("the database holds {what}"))
}

pub(super) const ACCOUNT: &str = "a.id, a.username, a.display_name, a.kind, a.server_role, a.suspended, \
     a.deleted_at, a.locale, a.user_rev, a.last_seen_at, a.created_at, a.avatar_id";

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
        avatar_id: columns.take()?,
    };
    account_of(model)
}

pub(super) fn account_of(model: account::Model) -> Result<Account, DbErr> {
    Ok(Account {
        id: UserId(model.id),
        username: Username::from_store(model.username),
        display_name: model.display_name,
        avatar: avatar(model.avatar_id)?,
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

fn avatar(id: Option<Vec<u8>>) -> Result<Option<AttachmentId>, DbErr> {
    let read = |id: Vec<u8>| uuid::Uuid::from_slice(&id).map(AttachmentId);
    id.map(read)
        .transpose()
        .map_err(|_| corrupt("a picture whose id is no UUID"))
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
     c.created_at, c.last_seq, c.last_rev, c.members_rev, c.last_activity_at, c.member_count, c.settings_rev, \
     c.edit_history, c.edit_window_s, c.delete_window_s, c.post, c.invite, c.info, c.pin, c.newcomers, c.avatar_id";

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
        settings_rev: columns.count()?,
        policies: policies(columns)?,
        avatar: avatar(columns.take()?)?,
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

fn policies(columns: &mut Columns<'_>) -> Result<Policies, DbErr> {
    Ok(Policies {
        edit_history: match columns.take::<i64>()? {
            2 => EditHistory::Members,
            1 => EditHistory::Restricted,
            _ => EditHistory::Off,
        },
        edit_window_s: seconds(columns)?,
        delete_window_s: seconds(columns)?,
        post: who(columns.take()?),
        invite: who(columns.take()?),
        info: who(columns.take()?),
        pin: who(columns.take()?),
        newcomers: match columns.take::<i64>()? {
            1 => Newcomers::SinceJoin,
            _ => Newcomers::SeeAll,
        },
    })
}

fn seconds(columns: &mut Columns<'_>) -> Result<Option<u64>, DbErr> {
    let seconds = columns.take::<Option<i64>>()?;
    Ok(seconds.and_then(|seconds| u64::try_from(seconds).ok()))
}

pub(super) fn who(number: i64) -> Who {
    if number == 1 { Who::Admins } else { Who::All }
}

/// The columns `edit_history` to `newcomers`, in the order of [`CONVERSATION`].
pub(super) fn policy_values(policies: &Policies) -> [Value; 8] {
    let seconds = |seconds: Option<u64>| Value::from(seconds.map(|seconds| seconds as i64));
    let who = |who| Value::from(i64::from(who == Who::Admins));
    let edit_history: i64 = match policies.edit_history {
        EditHistory::Off => 0,
        EditHistory::Restricted => 1,
        EditHistory::Members => 2,
    };
    [
        edit_history.into(),
        seconds(policies.edit_window_s),
        seconds(policies.delete_window_s),
        who(policies.post),
        who(policies.invite),
        who(policies.info),
        who(policies.pin),
        i64::from(policies.newcomers == Newcomers::SinceJoin).into(),
    ]
}

pub(super) const MEMBER: &str = "m.conversation_id, m.user_id, m.role, m.joined_at, m.joined_seq, \
     m.history_from_seq, m.left_at, m.delivered_seq, m.seen_seq, m.cleared_seq, m.muted_until, m.archived, \
     m.pinned_order, m.marked_unread, m.left_seq, m.left_rev, m.notify, m.hidden_seq, m.draft, m.draft_at";

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
        left_seq: columns.maybe_count()?,
        left_rev: columns.maybe_count()?,
        notify: notify(columns.take()?),
        hidden_seq: columns.maybe_count()?,
        draft: draft(columns.take()?, columns.time()?)?,
    })
}

pub(super) fn notify(number: i64) -> Notify {
    match number {
        2 => Notify::Nothing,
        1 => Notify::Mentions,
        _ => Notify::All,
    }
}

fn draft(text: Option<String>, at: Option<Timestamp>) -> Result<Option<KeptDraft>, DbErr> {
    let (Some(text), Some(updated_at)) = (text, at) else {
        return Ok(None);
    };
    let read = || {
        let draft: Json = serde_json::from_str(&text).ok()?;
        let attachments = draft.get("attachments")?.as_array()?.iter();
        let attachments = attachments.map(|id| uuid::Uuid::try_parse(id.as_str()?).ok());
        Some(KeptDraft {
            body: draft.get("body")?.as_str()?.to_owned(),
            reply_to: draft.get("reply_to")?.as_i64().map(MessageId),
            attachments: attachments.collect::<Option<_>>()?,
            updated_at,
        })
    };
    read()
        .map(Some)
        .ok_or_else(|| corrupt("a draft that cannot be read"))
}

pub(super) fn write_draft(draft: &KeptDraft) -> String {
    let attachments: Vec<String> = draft.attachments.iter().map(ToString::to_string).collect();
    let reply_to = draft.reply_to.map(|id| id.0);
    json!({"body": draft.body, "reply_to": reply_to, "attachments": attachments}).to_string()
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
     m.kind, m.body, m.mentions, m.attachments, m.thread_root_id, m.in_timeline, m.reply_count, m.last_reply_seq, \
     m.last_reply_at, m.participants, m.forwarded_from, m.reactions, m.pinned_at, m.receipts, m.created_at, \
     m.edited_at, m.edit_count, m.deleted_at, m.deleted_by, \
     q.id, q.seq, q.author_id, q.kind, substr(q.body, 1, 160), q.deleted_at";

/// To follow where `m` has been named.
pub(super) const QUOTED: &str = "LEFT JOIN message q ON q.id = m.reply_to_id";

pub(super) fn message(columns: &mut Columns<'_>) -> Result<Message, DbErr> {
    let id = MessageId(columns.take()?);
    let conversation = ConversationId(columns.take()?);
    let (seq, rev) = (columns.count()?, columns.count()?);
    let client_id = client_id(columns.take()?)?;
    let author = UserId(columns.take()?);
    let note: Option<String> = columns.take()?;
    let kind = message_kind(columns.take()?);
    let mut message = Message::new(author, conversation, kind, Timestamp(0));
    if let Some(note) = note {
        message.kind = MessageKind::System(read_note(&note)?);
    }
    (message.id, message.seq, message.rev, message.client_id) = (id, seq, rev, client_id);
    message.body = columns.take()?;
    message.mentions = read_mentions(columns.take()?)?;
    message.attachments = read_attachments(columns.take()?)?;
    message.thread_root = columns.take::<Option<i64>>()?.map(MessageId);
    message.in_timeline = columns.take()?;
    message.thread = thread_summary(columns)?;
    message.forwarded_from = columns.take()?;
    message.reactions = read_reactions(columns.take()?)?;
    message.pinned = columns.time()?.is_some();
    message.receipts = columns.take()?;
    message.created_at = Timestamp(columns.take()?);
    message.edited_at = columns.time()?;
    message.edit_count = columns.count()? as u32;
    message.deleted_at = columns.time()?;
    message.deleted_by = columns.take::<Option<i64>>()?.map(UserId);
    if let Some(quoted) = columns.take::<Option<i64>>()? {
        let seq = columns.count()?;
        let author = UserId(columns.take()?);
        let kind = message_kind(columns.take()?);
        let excerpt: String = columns.take()?;
        let deleted = columns.time()?.is_some();
        message.reply_to = Some(quote(MessageId(quoted), seq, author, kind, excerpt, deleted));
    }
    Ok(message)
}

/// The columns `reply_count` to `participants`, in the order of [`MESSAGE`].
pub(super) fn thread_summary(columns: &mut Columns<'_>) -> Result<ThreadSummary, DbErr> {
    Ok(ThreadSummary {
        reply_count: columns.count()? as u32,
        last_reply_seq: columns.maybe_count()?,
        last_reply_at: columns.time()?,
        participants: read_participants(columns.take()?)?,
    })
}

pub(super) fn quote(
    message: MessageId,
    seq: u64,
    author: UserId,
    kind: MessageKind,
    excerpt: String,
    deleted: bool,
) -> Quote {
    let excerpt = if deleted { String::new() } else { excerpt };
    Quote {
        message,
        seq,
        author,
        kind,
        excerpt,
        deleted,
    }
}

pub(super) fn message_kind(number: i64) -> MessageKind {
    match number {
        1 => MessageKind::Media,
        2 => MessageKind::Voice,
        _ => MessageKind::Text,
    }
}

pub(super) fn message_kind_number(kind: &MessageKind) -> i64 {
    match kind {
        MessageKind::Text | MessageKind::System(_) => 0,
        MessageKind::Media => 1,
        MessageKind::Voice => 2,
    }
}

pub(super) fn read_mentions(text: Option<String>) -> Result<Vec<Mention>, DbErr> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let rows: Vec<(i64, u32, u32)> =
        serde_json::from_str(&text).map_err(|_| corrupt("mentions that cannot be read"))?;
    let mention = |(user, offset, length)| Mention {
        user: (user != 0).then_some(UserId(user)),
        offset,
        length,
    };
    Ok(rows.into_iter().map(mention).collect())
}

/// Mentions as they are stored; nothing when there are none.
pub(super) fn write_mentions(mentions: &[Mention]) -> Option<String> {
    let row = |one: &Mention| (one.user.map_or(0, |user| user.0), one.offset, one.length);
    let rows: Vec<(i64, u32, u32)> = mentions.iter().map(row).collect();
    (!rows.is_empty()).then(|| json!(rows).to_string())
}

fn read_participants(text: Option<String>) -> Result<Vec<UserId>, DbErr> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let ids: Vec<i64> =
        serde_json::from_str(&text).map_err(|_| corrupt("participants that cannot be read"))?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// Reactions as they are stored; nothing when there are none.
pub(super) fn write_reactions(reactions: &[ReactionSummary]) -> Option<String> {
    let rows: Vec<(&str, u32, Vec<i64>)> = reactions
        .iter()
        .map(|one| {
            let users = one.users.iter().map(|user| user.0).collect();
            (one.emoji.as_str(), one.count, users)
        })
        .collect();
    (!rows.is_empty()).then(|| json!(rows).to_string())
}

pub(super) fn read_reactions(text: Option<String>) -> Result<Vec<ReactionSummary>, DbErr> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let rows: Vec<(String, u32, Vec<i64>)> =
        serde_json::from_str(&text).map_err(|_| corrupt("reactions that cannot be read"))?;
    let reaction = |(emoji, count, users): (String, u32, Vec<i64>)| ReactionSummary {
        emoji,
        count,
        users: users.into_iter().map(UserId).collect(),
        me: None,
    };
    Ok(rows.into_iter().map(reaction).collect())
}

pub(super) fn client_id(bytes: Option<Vec<u8>>) -> Result<Option<ClientId>, DbErr> {
    let read = |bytes: Vec<u8>| uuid::Uuid::from_slice(&bytes).map(ClientId);
    bytes
        .map(read)
        .transpose()
        .map_err(|_| corrupt("a key of a message that is no UUID"))
}
