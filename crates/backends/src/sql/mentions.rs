//! Who is named in which message: rows beside the messages, by which what is unread is counted.

use super::query::{execute, places, query, row_places, store_error};
use super::rows::Columns;
use super::store::SqlStore;
use chinwag_messenger::store::{Mentions, StoreError};
use chinwag_messenger::{ConversationId, Message, UserId};
use sea_orm::{DatabaseTransaction, DbErr, Value};
use std::collections::BTreeSet;

#[async_trait::async_trait]
impl Mentions for SqlStore {
    async fn members_named(
        &self,
        conversation: ConversationId,
        names: &[String],
    ) -> Result<Vec<(String, UserId)>, StoreError> {
        let sql = format!(
            "SELECT a.username, a.id FROM account a JOIN member m ON m.user_id = a.id \
             WHERE m.conversation_id = ? AND m.left_at IS NULL AND a.username IN ({})",
            places(names.len())
        );
        let mut values: Vec<Value> = vec![conversation.0.into()];
        values.extend(names.iter().map(|name| Value::from(name.as_str())));
        let read = async {
            let mut known = Vec::new();
            for row in query(&self.readers, sql, values).await? {
                let mut columns = Columns::of(&row);
                known.push((columns.take()?, UserId(columns.take()?)));
            }
            Ok(known)
        };
        read.await.map_err(store_error)
    }
}

/// Stores who is named in the messages, each once; 0 stands for everybody.
pub(super) async fn insert_mentions<'a>(
    tx: &DatabaseTransaction,
    messages: impl Iterator<Item = &'a Message>,
) -> Result<(), DbErr> {
    let mut named: BTreeSet<(i64, u64, i64)> = BTreeSet::new();
    for message in messages {
        let users = message
            .mentions
            .iter()
            .map(|one| one.user.map_or(0, |user| user.0));
        named.extend(users.map(|user| (message.conversation.0, message.seq, user)));
    }
    if named.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = named.into_iter().collect();
    for part in named.chunks(1_000) {
        let sql = format!(
            "INSERT INTO mention (conversation_id, seq, user_id) VALUES {}",
            row_places(part.len(), 3)
        );
        let values = part
            .iter()
            .flat_map(|&(conversation, seq, user)| [conversation.into(), (seq as i64).into(), user.into()]);
        execute(tx, sql, values.collect()).await?;
    }
    Ok(())
}

/// Nobody is named in these messages any more.
pub(super) async fn delete_mentions(
    tx: &DatabaseTransaction,
    conversation: i64,
    seqs: &[u64],
) -> Result<(), DbErr> {
    let sql = format!(
        "DELETE FROM mention WHERE conversation_id = ? AND seq IN ({})",
        places(seqs.len())
    );
    let mut values: Vec<Value> = vec![conversation.into()];
    values.extend(seqs.iter().map(|&seq| Value::from(seq as i64)));
    execute(tx, sql, values).await
}
