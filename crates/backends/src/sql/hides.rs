//! What one user does not see: messages it has hidden or that were hidden from it on arrival. What others read of
//! such messages is taken out here, for listed messages and for the quotes in them.

use super::conversations::{raise_user_revs, standing};
use super::messages::visible_from;
use super::query::{execute, places, query, row_places};
use super::receipts::{unread, unread_sql};
use super::rows::{Columns, corrupt};
use super::store::SqlStore;
use super::threads::count_for;
use super::writer::Group;
use chinwag_messenger::store::{
    Announce, HiddenIn, HiddenPlace, HideRecord, Hides, NotSeen, StoreError, Unread,
};
use chinwag_messenger::{ConversationId, Message, MessageId, UserId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A conversation and a seq.
pub(super) type Place = (i64, u64);

#[async_trait::async_trait]
impl Hides for SqlStore {
    async fn hide(
        &self,
        record: HideRecord,
        announce: Announce<Result<Vec<HiddenIn>, NotSeen>>,
    ) -> Result<Result<Vec<HiddenIn>, NotSeen>, StoreError> {
        self.writer
            .run(Some(announce), move |group| Box::pin(hide(group, record)))
            .await
    }
}

async fn hide(group: &mut Group, record: HideRecord) -> Result<Result<Vec<HiddenIn>, NotSeen>, DbErr> {
    let Some(wanted) = wanted(&group.tx, &record).await? else {
        return Ok(Err(NotSeen));
    };
    let mut states = Vec::with_capacity(wanted.len());
    for (conversation, items) in wanted {
        let Some((head, my)) = standing(&group.tx, record.user, ConversationId(conversation)).await? else {
            return Ok(Err(NotSeen));
        };
        let last = my.left_seq.unwrap_or(head.last_seq);
        let sees = |(_, seq): &(MessageId, u64)| (visible_from(&my)..=last).contains(seq);
        if !items.iter().all(sees) {
            return Ok(Err(NotSeen));
        }
        states.push((conversation, head.last_seq, my, items));
    }
    let mut hidden = Vec::with_capacity(states.len());
    for (conversation, last_seq, my, mut items) in states {
        let of: Vec<Place> = items.iter().map(|(_, seq)| (conversation, *seq)).collect();
        let before = hidden_of(&group.tx, record.user, &of).await?;
        items.retain(|(_, seq)| !before.contains(&(conversation, *seq)));
        if items.is_empty() {
            continue;
        }
        group.dirty = true;
        let rows = items.iter().map(|(_, seq)| (record.user, (conversation, *seq)));
        insert_hidden(&group.tx, &rows.collect::<Vec<_>>(), group.time).await?;
        let sql = "UPDATE member SET touched = ? WHERE conversation_id = ? AND user_id = ?";
        let values = vec![group.time.into(), conversation.into(), record.user.0.into()];
        execute(&group.tx, sql, values).await?;
        let raised = raise_user_revs(group, &[record.user]).await?;
        let (_, user_rev) = *raised
            .first()
            .ok_or_else(|| corrupt("a member without an account"))?;
        hidden.push(HiddenIn {
            out_of_list: my.hidden(last_seq),
            unread: unread_of(&group.tx, record.user, conversation).await?,
            my,
            items,
            user_rev,
        });
    }
    Ok(Ok(hidden))
}

/// The messages by conversation; `None` when one of them does not exist.
async fn wanted(
    tx: &DatabaseTransaction,
    record: &HideRecord,
) -> Result<Option<BTreeMap<i64, Vec<(MessageId, u64)>>>, DbErr> {
    let sql = format!(
        "SELECT id, conversation_id, seq FROM message WHERE id IN ({}) ORDER BY id",
        places(record.messages.len())
    );
    let ids = record.messages.iter().map(|id| Value::from(id.0)).collect();
    let rows = query(tx, sql, ids).await?;
    if rows.len() < record.messages.len() {
        return Ok(None);
    }
    let mut wanted: BTreeMap<i64, Vec<(MessageId, u64)>> = BTreeMap::new();
    for row in rows {
        let mut columns = Columns::of(&row);
        let id = MessageId(columns.take()?);
        wanted
            .entry(columns.take()?)
            .or_default()
            .push((id, columns.count()?));
    }
    Ok(Some(wanted))
}

async fn unread_of(tx: &DatabaseTransaction, user: UserId, conversation: i64) -> Result<Unread, DbErr> {
    let sql = format!(
        "SELECT {} FROM member m JOIN conversation c ON c.id = m.conversation_id \
         WHERE m.user_id = ? AND m.left_at IS NULL AND c.id = ?",
        unread_sql()
    );
    let rows = query(tx, sql, vec![user.0.into(), conversation.into()]).await?;
    let counted = rows.first().map(|row| unread(&mut Columns::of(row)));
    Ok(counted.transpose()?.unwrap_or_default())
}

/// Hides messages from users. The time tells the user's devices; without one they need not be told.
pub(super) async fn insert_hidden(
    tx: &DatabaseTransaction,
    hidden: &[(UserId, Place)],
    time: i64,
) -> Result<(), DbErr> {
    if hidden.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO hidden_message (user_id, conversation_id, seq, touched) VALUES {} ON CONFLICT DO NOTHING",
        row_places(hidden.len(), 4)
    );
    let values = hidden.iter().flat_map(|&(user, (conversation, seq))| {
        [
            user.0.into(),
            conversation.into(),
            (seq as i64).into(),
            time.into(),
        ]
    });
    execute(tx, sql, values.collect()).await
}

/// Those of the places that are hidden from the user.
pub(super) async fn hidden_of(
    connection: &impl ConnectionTrait,
    user: UserId,
    of: &[Place],
) -> Result<HashSet<Place>, DbErr> {
    let mut hidden = HashSet::new();
    if of.is_empty() {
        return Ok(hidden);
    }
    let sql = format!(
        "WITH wanted (conversation, seq) AS (VALUES {}) SELECT h.conversation_id, h.seq FROM wanted \
         JOIN hidden_message h ON h.user_id = ? AND h.conversation_id = wanted.conversation \
         AND h.seq = wanted.seq",
        row_places(of.len(), 2)
    );
    let mut values = place_values(of);
    values.push(user.0.into());
    for row in query(connection, sql, values).await? {
        let mut columns = Columns::of(&row);
        hidden.insert((columns.take()?, columns.count()?));
    }
    Ok(hidden)
}

/// From whom messages are hidden, by place.
pub(super) async fn hidden_from(
    tx: &DatabaseTransaction,
    of: &[Place],
) -> Result<HashMap<Place, Vec<UserId>>, DbErr> {
    let mut hidden: HashMap<Place, Vec<UserId>> = HashMap::new();
    if of.is_empty() {
        return Ok(hidden);
    }
    let sql = format!(
        "WITH wanted (conversation, seq) AS (VALUES {}) SELECT DISTINCT h.conversation_id, h.seq, h.user_id \
         FROM wanted JOIN hidden_message h ON h.conversation_id = wanted.conversation AND h.seq = wanted.seq",
        row_places(of.len(), 2)
    );
    for row in query(tx, sql, place_values(of)).await? {
        let mut columns = Columns::of(&row);
        let place = (columns.take()?, columns.count()?);
        hidden.entry(place).or_default().push(UserId(columns.take()?));
    }
    Ok(hidden)
}

fn place_values(of: &[Place]) -> Vec<Value> {
    let values = of
        .iter()
        .flat_map(|&(conversation, seq)| [Value::from(conversation), Value::from(seq as i64)]);
    values.collect()
}

/// Takes out what the reader does not see: of messages hidden from it all but their place, of quotes of such ones,
/// or of ones before the first it sees in their conversation, the words; and replies in threads that are hidden from it
/// are not counted.
pub(super) async fn veil(
    connection: &impl ConnectionTrait,
    reader: UserId,
    messages: &mut [&mut Message],
    first: impl Fn(ConversationId) -> u64,
) -> Result<(), DbErr> {
    let mut of: Vec<Place> = Vec::with_capacity(messages.len());
    for message in messages.iter() {
        let conversation = message.conversation.0;
        of.push((conversation, message.seq));
        of.extend(message.reply_to.as_ref().map(|quote| (conversation, quote.seq)));
    }
    let hidden = hidden_of(connection, reader, &of).await?;
    for message in messages.iter_mut() {
        let conversation = message.conversation;
        if hidden.contains(&(conversation.0, message.seq)) {
            **message = message.as_hidden();
        }
        if let Some(quote) = &mut message.reply_to
            && (quote.seq < first(conversation) || hidden.contains(&(conversation.0, quote.seq)))
        {
            quote.excerpt.clear();
        }
    }
    count_for(connection, reader, messages).await
}

/// What the user has hidden after one time of the store, up to another.
pub(super) async fn hidden_since(
    tx: &DatabaseTransaction,
    user: UserId,
    (after, up_to): (u64, u64),
) -> Result<Vec<HiddenPlace>, DbErr> {
    let sql = "SELECT conversation_id, seq FROM hidden_message WHERE user_id = ? AND touched > ? AND touched <= ? \
         ORDER BY conversation_id, seq";
    let values = vec![user.0.into(), (after as i64).into(), (up_to as i64).into()];
    let mut hidden = Vec::new();
    for row in query(tx, sql, values).await? {
        let mut columns = Columns::of(&row);
        hidden.push(HiddenPlace {
            conversation: ConversationId(columns.take()?),
            seq: columns.count()?,
        });
    }
    Ok(hidden)
}
