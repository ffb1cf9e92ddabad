//! Conversations: opening them, and who is in them.

use super::list;
use super::notes::write_note;
use super::query::{execute, places, query, row_places, store_error};
use super::rows::{
    self, CONVERSATION, Columns, MEMBER, conversation_kind_number, corrupt, policy_values, role_number,
};
use super::store::SqlStore;
use super::writer::Group;
use chinwag_messenger::store::{
    Announce, ConversationOpened, Conversations, GroupCreated, GroupRecord, GroupRefusal, ListPlace,
    ListQuery, StoreError,
};
use chinwag_messenger::{
    Conversation, ConversationId, ConversationKind, ListItem, MemberState, Message, MessageId, MessageKind,
    Policies, Role, SystemEvent, Timestamp, UserId,
};
use sea_orm::{ConnectionTrait, DbErr, Value};

#[async_trait::async_trait]
impl Conversations for SqlStore {
    async fn open_direct(
        &self,
        caller: UserId,
        peer: UserId,
        policies: Policies,
        at: Timestamp,
        announce: Announce<ConversationOpened>,
    ) -> Result<ConversationOpened, StoreError> {
        let key = direct_key(caller, peer);
        // Mostly there is one already, and then the writer need not be asked.
        if let Some(opened) = find_direct(&self.readers, &key).await.map_err(store_error)? {
            return Ok(opened);
        }
        let announce = move |opened: &ConversationOpened| {
            if opened.created {
                announce(opened);
            }
        };
        self.writer
            .run(Some(Box::new(announce)), move |group| {
                Box::pin(async move {
                    match find_direct(&group.tx, &key).await? {
                        Some(opened) => Ok(opened),
                        None => create_direct(group, (caller, peer), key, policies, at).await,
                    }
                })
            })
            .await
    }

    async fn create_group(
        &self,
        record: GroupRecord,
        announce: Announce<GroupCreated>,
    ) -> Result<Result<GroupCreated, GroupRefusal>, StoreError> {
        let announce = move |outcome: &Result<GroupCreated, GroupRefusal>| {
            if let Ok(created) = outcome {
                announce(created);
            }
        };
        self.writer
            .run(Some(Box::new(announce)), move |group| {
                Box::pin(create_group(group, record))
            })
            .await
    }

    async fn list(
        &self,
        viewer: UserId,
        wanted: ListQuery,
        receipts_members_max: usize,
    ) -> Result<Vec<ListItem>, StoreError> {
        let tx = self.snapshot().await?;
        let read = async {
            let ids = listed(&tx, viewer, &wanted).await?;
            list::items(&tx, viewer, &ids, receipts_members_max).await
        };
        read.await.map_err(store_error)
    }

    async fn list_item(
        &self,
        viewer: UserId,
        id: ConversationId,
        receipts_members_max: usize,
    ) -> Result<Option<ListItem>, StoreError> {
        let tx = self.snapshot().await?;
        let item = list::item(&tx, viewer, id.0, receipts_members_max).await;
        item.map_err(store_error)
    }

    async fn standing(
        &self,
        user: UserId,
        id: ConversationId,
    ) -> Result<Option<(Conversation, MemberState)>, StoreError> {
        standing(&self.readers, user, id).await.map_err(store_error)
    }

    async fn member_ids(&self, id: ConversationId) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT user_id FROM member WHERE conversation_id = ? AND left_at IS NULL ORDER BY user_id";
        user_ids(&self.readers, sql, vec![id.0.into()])
            .await
            .map_err(store_error)
    }

    async fn small_groups(
        &self,
        user: UserId,
        members_max: usize,
    ) -> Result<Vec<ConversationId>, StoreError> {
        let sql = "SELECT c.id FROM member m JOIN conversation c ON c.id = m.conversation_id \
             WHERE m.user_id = ? AND m.left_at IS NULL AND c.kind = ? AND c.deleted_at IS NULL \
             AND c.member_count <= ? ORDER BY c.id";
        let group = conversation_kind_number(ConversationKind::Group);
        let values = vec![user.0.into(), group.into(), (members_max as i64).into()];
        let found = query(&self.readers, sql, values).await.map_err(store_error)?;
        let ids = found
            .iter()
            .map(|row| row.try_get_by_index(0).map(ConversationId));
        ids.collect::<Result<_, _>>().map_err(store_error)
    }

    async fn peers(&self, user: UserId) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT DISTINCT other.user_id FROM member mine \
             JOIN conversation c ON c.id = mine.conversation_id AND c.kind = ? \
             JOIN member other ON other.conversation_id = c.id AND other.user_id <> mine.user_id \
             WHERE mine.user_id = ? ORDER BY other.user_id";
        let direct = conversation_kind_number(ConversationKind::Direct);
        user_ids(&self.readers, sql, vec![direct.into(), user.0.into()])
            .await
            .map_err(store_error)
    }
}

/// Both ids of a pair, smaller first; the one of somebody alone.
pub(super) fn direct_key(one: UserId, other: UserId) -> String {
    if one == other {
        one.to_string()
    } else {
        format!("{}:{}", one.min(other), one.max(other))
    }
}

async fn find_direct(
    connection: &impl ConnectionTrait,
    key: &str,
) -> Result<Option<ConversationOpened>, DbErr> {
    let sql = "SELECT id FROM conversation WHERE direct_key = ?";
    let Some(row) = query(connection, sql, vec![key.into()]).await?.pop() else {
        return Ok(None);
    };
    let conversation = ConversationId(row.try_get_by_index(0)?);
    Ok(Some(ConversationOpened {
        conversation,
        created: false,
        members: Vec::new(),
    }))
}

async fn create_direct(
    group: &mut Group,
    (caller, peer): (UserId, UserId),
    key: String,
    policies: Policies,
    at: Timestamp,
) -> Result<ConversationOpened, DbErr> {
    group.dirty = true;
    let kind = if caller == peer {
        ConversationKind::Own
    } else {
        ConversationKind::Direct
    };
    let mut users = vec![caller, peer];
    users.sort_unstable();
    users.dedup();
    let conversation = NewConversation {
        kind,
        title: None,
        direct_key: Some(key),
        owner: None,
        creator: caller,
        last: 0,
        members: users.len(),
        members_rev: 0,
        policies,
        at,
    };
    let conversation = insert_conversation(group, conversation).await?;
    let joining: Vec<Joining> = users
        .iter()
        .map(|&user| Joining {
            user,
            role: Role::Member,
            joined_seq: 0,
            seen_seq: 0,
        })
        .collect();
    insert_members(group, conversation, &joining, at).await?;
    let members = raise_user_revs(group, &users).await?;
    Ok(ConversationOpened {
        conversation,
        created: true,
        members,
    })
}

/// What counts as a day for the number of groups one user may create.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn create_group(
    group: &mut Group,
    record: GroupRecord,
) -> Result<Result<GroupCreated, GroupRefusal>, DbErr> {
    if let Some(refusal) = too_many(group, &record).await? {
        return Ok(Err(refusal));
    }
    group.dirty = true;
    let GroupRecord {
        title,
        creator,
        others,
        policies,
        at,
        ..
    } = record;
    let last: u64 = if others.is_empty() { 1 } else { 2 };
    let conversation = NewConversation {
        kind: ConversationKind::Group,
        title: Some(title.clone()),
        direct_key: None,
        owner: Some(creator),
        creator,
        last,
        members: others.len() + 1,
        members_rev: last,
        policies,
        at,
    };
    let conversation = insert_conversation(group, conversation).await?;
    let mut joining = vec![Joining {
        user: creator,
        role: Role::Owner,
        joined_seq: 0,
        seen_seq: last,
    }];
    joining.extend(others.iter().map(|&user| Joining {
        user,
        role: Role::Member,
        joined_seq: 1,
        seen_seq: 1,
    }));
    insert_members(group, conversation, &joining, at).await?;
    let mut users: Vec<UserId> = joining.iter().map(|member| member.user).collect();
    users.sort_unstable();
    let members = raise_user_revs(group, &users).await?;

    let created = insert_note(
        group,
        conversation,
        (1, 1),
        creator,
        SystemEvent::Created { title },
        at,
    )
    .await?;
    let mut added = None;
    if !others.is_empty() {
        let note = SystemEvent::MembersAdded {
            users: others.clone(),
        };
        let note = insert_note(group, conversation, (2, 2), creator, note, at).await?;
        let members = list::members(&group.tx, None, &[conversation.0])
            .await?
            .into_iter();
        let newcomers = members
            .map(|(_, member)| member)
            .filter(|member| member.account.id != creator);
        added = Some((note, newcomers.collect()));
    }
    Ok(Ok(GroupCreated {
        conversation,
        members,
        created,
        added,
    }))
}

async fn too_many(group: &Group, record: &GroupRecord) -> Result<Option<GroupRefusal>, DbErr> {
    // The oldest of the groups that would have to leave the day before there is room for one more.
    let sql = "SELECT created_at FROM conversation WHERE created_by = ? AND created_at > ? AND kind = ? \
         ORDER BY created_at DESC LIMIT 1 OFFSET ?";
    let values = vec![
        record.creator.0.into(),
        (record.at.0 - DAY_MS).into(),
        conversation_kind_number(ConversationKind::Group).into(),
        (record.per_day_max.saturating_sub(1) as i64).into(),
    ];
    if let Some(row) = query(&group.tx, sql, values).await?.first() {
        let created_at: i64 = row.try_get_by_index(0)?;
        let wait_ms = (created_at + DAY_MS - record.at.0).max(0);
        let retry_after_s = (wait_ms as u64).div_ceil(1_000);
        return Ok(Some(GroupRefusal::TooManyToday { retry_after_s }));
    }
    let full = count_memberships(&group.tx, record.creator).await? >= record.conversations_max;
    Ok(full.then_some(GroupRefusal::TooManyConversations))
}

/// How many conversations somebody is in.
pub(super) async fn count_memberships(
    connection: &impl ConnectionTrait,
    user: UserId,
) -> Result<usize, DbErr> {
    let sql = "SELECT count(*) FROM member WHERE user_id = ? AND left_at IS NULL";
    let counted = query(connection, sql, vec![user.0.into()]).await?;
    let counted = counted.first().map(|row| Columns::of(row).count()).transpose()?;
    Ok(counted.unwrap_or(0) as usize)
}

struct NewConversation {
    kind: ConversationKind,
    title: Option<String>,
    direct_key: Option<String>,
    owner: Option<UserId>,
    creator: UserId,
    /// Both the last seq and the last rev.
    last: u64,
    members: usize,
    members_rev: u64,
    policies: Policies,
    at: Timestamp,
}

async fn insert_conversation(group: &mut Group, new: NewConversation) -> Result<ConversationId, DbErr> {
    let sql = format!(
        "INSERT INTO conversation (kind, title, direct_key, owner_id, created_by, created_at, last_seq, \
         last_rev, members_rev, last_activity_at, member_count, touched, edit_history, edit_window_s, \
         delete_window_s, post, invite, info, pin, newcomers) VALUES {} RETURNING id",
        row_places(1, 20)
    );
    let last = new.last as i64;
    let mut values = vec![
        conversation_kind_number(new.kind).into(),
        new.title.into(),
        new.direct_key.into(),
        new.owner.map(|user| user.0).into(),
        new.creator.0.into(),
        new.at.0.into(),
        last.into(),
        last.into(),
        (new.members_rev as i64).into(),
        new.at.0.into(),
        (new.members as i64).into(),
        group.time.into(),
    ];
    values.extend(policy_values(&new.policies));
    let row = query(&group.tx, sql, values)
        .await?
        .pop()
        .ok_or_else(|| corrupt("no row just stored"))?;
    Ok(ConversationId(row.try_get_by_index(0)?))
}

struct Joining {
    user: UserId,
    role: Role,
    joined_seq: u64,
    /// Also what is delivered.
    seen_seq: u64,
}

async fn insert_members(
    group: &mut Group,
    conversation: ConversationId,
    joining: &[Joining],
    at: Timestamp,
) -> Result<(), DbErr> {
    for part in joining.chunks(500) {
        let sql = format!(
            "INSERT INTO member (conversation_id, user_id, role, joined_at, joined_seq, delivered_seq, \
             seen_seq, touched) VALUES {}",
            row_places(part.len(), 8)
        );
        let mut values: Vec<Value> = Vec::with_capacity(part.len() * 8);
        for member in part {
            values.extend([
                conversation.0.into(),
                member.user.0.into(),
                role_number(member.role).into(),
                at.0.into(),
                (member.joined_seq as i64).into(),
                (member.seen_seq as i64).into(),
                (member.seen_seq as i64).into(),
                group.time.into(),
            ]);
        }
        execute(&group.tx, sql, values).await?;
    }
    Ok(())
}

/// Counts a change of the private state of each, whose ids are ascending.
pub(super) async fn raise_user_revs(
    group: &mut Group,
    users: &[UserId],
) -> Result<Vec<(UserId, u64)>, DbErr> {
    let sql = format!(
        "UPDATE account SET user_rev = user_rev + 1 WHERE id IN ({}) RETURNING id, user_rev",
        places(users.len())
    );
    let values = users.iter().map(|user| Value::from(user.0)).collect();
    let mut raised = Vec::with_capacity(users.len());
    for row in query(&group.tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        raised.push((UserId(columns.take()?), columns.count()?));
    }
    raised.sort_unstable();
    Ok(raised)
}

/// Stores a note under its seq and rev.
pub(super) async fn insert_note(
    group: &mut Group,
    conversation: ConversationId,
    (seq, rev): (u64, u64),
    author: UserId,
    note: SystemEvent,
    at: Timestamp,
) -> Result<Message, DbErr> {
    let sql = format!(
        "INSERT INTO message (conversation_id, seq, rev, first_rev, author_id, note, body, created_at) VALUES {} \
         RETURNING id",
        row_places(1, 8)
    );
    let values = vec![
        conversation.0.into(),
        (seq as i64).into(),
        (rev as i64).into(),
        (rev as i64).into(),
        author.0.into(),
        write_note(&note).into(),
        "".into(),
        at.0.into(),
    ];
    let row = query(&group.tx, sql, values)
        .await?
        .pop()
        .ok_or_else(|| corrupt("no row just stored"))?;
    let mut message = Message::new(author, conversation, MessageKind::System(note), at);
    message.id = MessageId(row.try_get_by_index(0)?);
    (message.seq, message.rev) = (seq, rev);
    Ok(message)
}

/// When the conversation `c` last brought something to the member `m`: what was kept from it does not count.
pub(super) const ACTIVITY: &str =
    "(CASE WHEN m.held_seq >= c.last_seq THEN m.held_activity_at ELSE c.last_activity_at END)";

/// Whether the conversation `c` is in the list of the member `m`.
const IN_LIST: &str = "m.left_at IS NULL AND (m.hidden_seq IS NULL OR c.last_seq > m.hidden_seq)";

/// Ids of the viewer's conversations as it has ordered them.
async fn listed(
    connection: &impl ConnectionTrait,
    viewer: UserId,
    wanted: &ListQuery,
) -> Result<Vec<i64>, DbErr> {
    let mut sql = format!(
        "SELECT c.id FROM member m JOIN conversation c ON c.id = m.conversation_id \
         WHERE m.user_id = ? AND {IN_LIST}"
    );
    let mut values: Vec<Value> = vec![viewer.0.into()];
    if let Some(archived) = wanted.archived {
        sql.push_str(" AND m.archived = ?");
        values.push(archived.into());
    }
    match wanted.after {
        None => {}
        Some(ListPlace::Pinned(order, id)) => {
            sql.push_str(" AND (m.pinned_order IS NULL OR (m.pinned_order, c.id) > (?, ?))");
            values.extend([order.into(), id.0.into()]);
        }
        Some(ListPlace::Active(at, id)) => {
            sql.push_str(&format!(
                " AND m.pinned_order IS NULL AND ({ACTIVITY}, c.id) < (?, ?)"
            ));
            values.extend([at.0.into(), id.0.into()]);
        }
    }
    sql.push_str(&format!(
        " ORDER BY CASE WHEN m.pinned_order IS NULL THEN 1 ELSE 0 END, m.pinned_order, \
         CASE WHEN m.pinned_order IS NULL THEN 0 ELSE c.id END, {ACTIVITY} DESC, c.id DESC LIMIT ?",
    ));
    values.push((wanted.limit as i64).into());
    query(connection, sql, values)
        .await?
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect()
}

/// Ids of the viewer's conversations, newest activity first.
pub(super) async fn newest(
    connection: &impl ConnectionTrait,
    viewer: UserId,
    after: Option<(Timestamp, ConversationId)>,
    limit: usize,
) -> Result<Vec<i64>, DbErr> {
    let mut sql = format!(
        "SELECT c.id FROM member m JOIN conversation c ON c.id = m.conversation_id \
         WHERE m.user_id = ? AND {IN_LIST}"
    );
    let mut values: Vec<Value> = vec![viewer.0.into()];
    if let Some((at, id)) = after {
        sql.push_str(&format!(" AND ({ACTIVITY}, c.id) < (?, ?)"));
        values.extend([at.0.into(), id.0.into()]);
    }
    sql.push_str(&format!(" ORDER BY {ACTIVITY} DESC, c.id DESC LIMIT ?"));
    values.push((limit as i64).into());
    query(connection, sql, values)
        .await?
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect()
}

pub(super) async fn standing(
    connection: &impl ConnectionTrait,
    user: UserId,
    id: ConversationId,
) -> Result<Option<(Conversation, MemberState)>, DbErr> {
    let sql = format!(
        "SELECT {CONVERSATION}, {MEMBER} FROM member m JOIN conversation c ON c.id = m.conversation_id \
         WHERE m.conversation_id = ? AND m.user_id = ? AND c.deleted_at IS NULL"
    );
    let row = query(connection, sql, vec![id.0.into(), user.0.into()])
        .await?
        .pop();
    let Some(row) = row else { return Ok(None) };
    let mut columns = Columns::of(&row);
    Ok(Some((
        rows::conversation(&mut columns)?,
        rows::member_state(&mut columns)?,
    )))
}

async fn user_ids(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<UserId>, DbErr> {
    let found = query(connection, sql, values).await?;
    found
        .iter()
        .map(|row| row.try_get_by_index(0).map(UserId))
        .collect()
}
