//! Items of somebody's list: conversations with the viewer's own part, the last message and the members, read
//! with a fixed number of queries for a whole page.

use super::conversations::ACTIVITY;
use super::hides::veil;
use super::messages::visible_from;
use super::query::{places, query, row_places};
use super::receipts::{unread, unread_sql};
use super::rows::{self, ACCOUNT, CONVERSATION, Columns, MEMBER, MESSAGE, QUOTED};
use chinwag_messenger::store::Unread;
use chinwag_messenger::{
    Account, ConversationId, ConversationKind, ListItem, Member, Message, Timestamp, UserId,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};
use std::collections::HashMap;

/// What is shown of the unread count.
const UNREAD_SHOWN_MAX: u32 = 999;

/// The items of these conversations in the given order; those the viewer is not an active member of are left out.
pub(super) async fn items(
    tx: &DatabaseTransaction,
    viewer: UserId,
    ids: &[i64],
    receipts_members_max: usize,
) -> Result<Vec<ListItem>, DbErr> {
    read(tx, viewer, ids, receipts_members_max, "m.left_at IS NULL").await
}

/// One item, also of a conversation that the viewer has left: then as it was at that time.
pub(super) async fn item(
    tx: &DatabaseTransaction,
    viewer: UserId,
    id: i64,
    receipts_members_max: usize,
) -> Result<Option<ListItem>, DbErr> {
    let items = read(tx, viewer, &[id], receipts_members_max, "c.deleted_at IS NULL").await;
    items.map(|mut items| items.pop())
}

async fn read(
    tx: &DatabaseTransaction,
    viewer: UserId,
    ids: &[i64],
    receipts_members_max: usize,
    condition: &str,
) -> Result<Vec<ListItem>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {CONVERSATION}, {MEMBER}, {ACTIVITY}, {} FROM conversation c JOIN member m ON m.conversation_id = c.id \
         WHERE m.user_id = ? AND {condition} AND c.id IN ({})",
        unread_sql(),
        places(ids.len())
    );
    let mut values: Vec<Value> = vec![viewer.0.into()];
    values.extend(ids.iter().map(|&id| Value::from(id)));
    let mut items: HashMap<i64, ListItem> = HashMap::with_capacity(ids.len());
    for row in query(tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        let mut conversation = rows::conversation(&mut columns)?;
        let my = rows::member_state(&mut columns)?;
        conversation.last_activity_at = Timestamp(columns.take()?);
        let counted = unread(&mut columns)?;
        let unread = if my.left_at.is_some() {
            Unread::default()
        } else {
            counted
        };
        conversation.last_seq = my.left_seq.unwrap_or(conversation.last_seq);
        conversation.last_rev = my.left_rev.unwrap_or(conversation.last_rev);
        let item = ListItem {
            conversation,
            my,
            unread_count: unread.messages.min(UNREAD_SHOWN_MAX),
            unread_mentions: unread.mentions.min(UNREAD_SHOWN_MAX),
            unread_capped: unread.messages > UNREAD_SHOWN_MAX,
            last_message: None,
            peer: None,
            others: None,
            members: Vec::new(),
        };
        items.insert(item.conversation.id.0, item);
    }
    add_last_messages(tx, viewer, &mut items).await?;
    add_members(tx, viewer, &mut items, receipts_members_max).await?;
    Ok(ids.iter().filter_map(|id| items.remove(id)).collect())
}

/// The newest message of each that the viewer sees in the conversation itself.
async fn add_last_messages(
    tx: &DatabaseTransaction,
    viewer: UserId,
    items: &mut HashMap<i64, ListItem>,
) -> Result<(), DbErr> {
    let visible = |item: &&ListItem| {
        let last = item.conversation.last_seq;
        last > 0 && last >= item.my.history_from_seq && last > item.my.cleared_seq
    };
    let mut values: Vec<Value> = Vec::new();
    for item in items.values().filter(visible) {
        values.extend([
            item.conversation.id.0.into(),
            (visible_from(&item.my) as i64).into(),
            (item.conversation.last_seq as i64).into(),
        ]);
    }
    if values.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "WITH wanted (conversation, first, last) AS (VALUES {}) SELECT {MESSAGE} FROM wanted JOIN message m \
         ON m.conversation_id = wanted.conversation AND m.seq = (SELECT n.seq FROM message n \
         WHERE n.conversation_id = wanted.conversation AND n.seq BETWEEN wanted.first AND wanted.last \
         AND n.in_timeline AND NOT EXISTS (SELECT 1 FROM hidden_message h WHERE h.user_id = ? \
         AND h.conversation_id = n.conversation_id AND h.seq = n.seq) ORDER BY n.seq DESC LIMIT 1) {QUOTED}",
        row_places(values.len() / 3, 3)
    );
    values.push(viewer.0.into());
    let mut found = Vec::new();
    for row in query(tx, sql, values).await? {
        found.push(rows::message(&mut Columns::of(&row))?);
    }
    let first = |id: ConversationId| items.get(&id.0).map_or(u64::MAX, |item| visible_from(&item.my));
    let mut read: Vec<&mut Message> = found.iter_mut().collect();
    veil(tx, viewer, &mut read, first).await?;
    for message in found {
        if let Some(item) = items.get_mut(&message.conversation.0) {
            item.last_message = Some(message);
        }
    }
    Ok(())
}

async fn add_members(
    tx: &DatabaseTransaction,
    viewer: UserId,
    items: &mut HashMap<i64, ListItem>,
    receipts_members_max: usize,
) -> Result<(), DbErr> {
    let small = |item: &&ListItem| {
        item.my.left_at.is_none() && item.conversation.member_count as usize <= receipts_members_max
    };
    let ids: Vec<i64> = items
        .values()
        .filter(small)
        .map(|item| item.conversation.id.0)
        .collect();
    let direct = |id: &ConversationId| {
        let item = items.get(&id.0);
        item.is_some_and(|item| item.conversation.kind == ConversationKind::Direct)
    };
    let (mut direct, others): (Vec<_>, Vec<_>) = members(tx, Some(viewer), &ids)
        .await?
        .into_iter()
        .partition(|(id, _)| direct(id));
    let mut peers: Vec<&mut Member> = direct.iter_mut().map(|(_, member)| member).collect();
    keep_back(tx, viewer, &mut peers).await?;
    for (conversation, member) in direct.into_iter().chain(others) {
        let Some(item) = items.get_mut(&conversation.0) else {
            continue;
        };
        if member.account.id != viewer {
            if member.account.is_recipient() {
                let (delivered, seen) = item.others.unwrap_or((u64::MAX, None));
                let seen = match (seen, member.seen_seq) {
                    (Some(least), Some(seen)) => Some(seen.min(least)),
                    (least, seen) => least.or(seen),
                };
                item.others = Some((delivered.min(member.delivered_seq), seen));
            }
            if item.conversation.kind == ConversationKind::Direct {
                item.peer = Some(member.account.clone());
            }
        }
        item.members.push(member);
    }
    Ok(())
}

/// Of people in direct conversations who block the viewer, their watermarks stay for it where they were then.
pub(super) async fn keep_back(
    connection: &impl ConnectionTrait,
    viewer: UserId,
    members: &mut [&mut Member],
) -> Result<(), DbErr> {
    if members.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT owner_id, COALESCE(delivered_seq, 0), COALESCE(seen_seq, 0) FROM block \
         WHERE user_id = ? AND owner_id IN ({})",
        places(members.len())
    );
    let mut values: Vec<Value> = vec![viewer.0.into()];
    values.extend(members.iter().map(|member| Value::from(member.account.id.0)));
    for row in query(connection, sql, values).await? {
        let mut columns = Columns::of(&row);
        let owner = UserId(columns.take()?);
        let (delivered, seen) = (columns.count()?, columns.count()?);
        for member in members.iter_mut().filter(|member| member.account.id == owner) {
            member.delivered_seq = member.delivered_seq.min(delivered);
            member.seen_seq = member.seen_seq.map(|reached| reached.min(seen));
        }
    }
    Ok(())
}

/// What of somebody's seen watermark is for `viewer`, or without one for everybody: it is its own, or both share
/// theirs.
pub(super) fn shown_seen(
    viewer: Option<(UserId, bool)>,
    (user, shares): (UserId, bool),
    seen_seq: u64,
) -> Option<u64> {
    let shown = match viewer {
        Some((viewer, viewer_shares)) => viewer == user || (viewer_shares && shares),
        None => shares,
    };
    shown.then_some(seen_seq)
}

/// The active members of the conversations, by conversation and id, as one of them sees them.
pub(super) async fn members(
    tx: &DatabaseTransaction,
    viewer: Option<UserId>,
    conversations: &[i64],
) -> Result<Vec<(ConversationId, Member)>, DbErr> {
    if conversations.is_empty() {
        return Ok(Vec::new());
    }
    let in_list = places(conversations.len());
    let ids = || {
        conversations
            .iter()
            .map(|&id| Value::from(id))
            .collect::<Vec<_>>()
    };
    // Each account once: on a page of groups the same people come again and again.
    let sql = format!(
        "SELECT {ACCOUNT}, a.read_receipts FROM account a WHERE a.id IN (SELECT user_id FROM member \
         WHERE conversation_id IN ({in_list}) AND left_at IS NULL)"
    );
    let mut accounts: HashMap<UserId, (Account, bool)> = HashMap::new();
    for row in query(tx, sql, ids()).await? {
        let mut columns = Columns::of(&row);
        let account = rows::account(&mut columns)?;
        accounts.insert(account.id, (account, columns.take()?));
    }
    let viewer = viewer.map(|viewer| (viewer, accounts.get(&viewer).is_some_and(|(_, shares)| *shares)));
    let sql = format!(
        "SELECT conversation_id, user_id, role, joined_at, joined_seq, delivered_seq, seen_seq FROM member \
         WHERE conversation_id IN ({in_list}) AND left_at IS NULL ORDER BY conversation_id, user_id"
    );
    let mut members = Vec::new();
    for row in query(tx, sql, ids()).await? {
        let mut columns = Columns::of(&row);
        let conversation = ConversationId(columns.take()?);
        let account = accounts.get(&UserId(columns.take()?)).cloned();
        let (account, shares) = account.ok_or_else(|| rows::corrupt("a member without an account"))?;
        let user = account.id;
        let member = Member {
            account,
            role: rows::role(columns.take()?),
            joined_at: Timestamp(columns.take()?),
            joined_seq: columns.count()?,
            delivered_seq: columns.count()?,
            seen_seq: shown_seen(viewer, (user, shares), columns.count()?),
        };
        members.push((conversation, member));
    }
    Ok(members)
}
