//! The index that searches use. It follows the messages by their ids: every writer's transactions are in one
//! order, so everything up to `indexed_id` is in it and nothing above. The writer moves on in passes of many
//! messages, which costs a fraction of indexing each when it is sent, and a pass is a transaction like any other:
//! whatever happens to the process, the next one goes on where the index ends. A store from before there was an
//! index, or one that was imported, is just far behind.
//!
//! What changes or removes words calls [`renew`] in the same transaction, so that the index never holds what a
//! message no longer says.

use super::attachments::read_attachments;
use super::query::{execute, places, query};
use super::rows::{Columns, corrupt};
use super::store::Home;
use super::writer::Group;
use super::{postgres, sqlite};
use chinwag_messenger::search::{Document, Searchable, WORDS_VERSION};
use chinwag_messenger::{ConversationId, UserId};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, QueryResult, Value,
};

/// Messages indexed by one pass: what others wait for is bounded by it.
const PASS_MAX: usize = 256;

/// Documents of one statement: as many as there are, in few sizes, so that there are few different ones to prepare.
const STATEMENT_SIZES: [usize; 3] = [PASS_MAX, 64, 16];

/// A message as it is indexed, as `m`, and whether it is at all.
const SEARCHABLE: &str = "m.id, m.conversation_id, m.author_id, m.thread_root_id IS NOT NULL, m.body, m.attachments, \
     m.note IS NULL AND m.deleted_at IS NULL";

/// Begins the index anew if it was made of other words.
pub(super) async fn prepare(connection: &DatabaseConnection, home: &Home) -> Result<(), DbErr> {
    let tx = home.begin_write(connection).await?;
    // Of servers that start together one does it.
    execute(
        &tx,
        "UPDATE commit_counter SET value = value + 1 WHERE id = 1",
        Vec::new(),
    )
    .await?;
    let row = query(&tx, "SELECT words_version FROM search_state", Vec::new())
        .await?
        .pop();
    let row = row.ok_or_else(|| corrupt("no state of the index"))?;
    let version: i64 = row.try_get_by_index(0)?;
    if version != WORDS_VERSION {
        let table = match tx.get_database_backend() {
            DbBackend::Postgres => postgres::MESSAGE_INDEX,
            _ => sqlite::MESSAGE_INDEX,
        };
        tx.execute_unprepared(&format!("DROP TABLE message_index; {table}"))
            .await?;
        let sql = "UPDATE search_state SET words_version = ?, indexed_id = 0";
        execute(&tx, sql, vec![WORDS_VERSION.into()]).await?;
        return tx.commit().await;
    }
    tx.rollback().await
}

/// Indexes the next messages, and commits. Whether there may be more.
pub(super) async fn pass(tx: DatabaseTransaction) -> Result<bool, DbErr> {
    // Held by every writer from before its first id until its commit, so nothing below an id is still to come. The
    // counter stays, for nothing changes that anybody synchronises.
    let lock = "UPDATE commit_counter SET value = value WHERE id = 1";
    execute(&tx, lock, Vec::new()).await?;
    let indexed = indexed_id(&tx).await?;
    let sql = format!("SELECT {SEARCHABLE} FROM message m WHERE m.id > ? ORDER BY m.id LIMIT {PASS_MAX}");
    let rows = query(&tx, sql, vec![indexed.into()]).await?;
    let Some(last) = rows.last() else {
        tx.rollback().await?;
        return Ok(false);
    };
    let last: i64 = last.try_get_by_index(0)?;
    insert(&tx, &rows).await?;
    let sql = "UPDATE search_state SET indexed_id = ?";
    execute(&tx, sql, vec![last.into()]).await?;
    tx.commit().await?;
    Ok(rows.len() == PASS_MAX)
}

/// Indexes these messages as they are now; those that were deleted are found no more.
pub(super) async fn renew(group: &Group, ids: &[i64]) -> Result<(), DbErr> {
    let indexed = indexed_id(&group.tx).await?;
    let ids: Vec<i64> = ids.iter().copied().filter(|id| *id <= indexed).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let (in_list, values) = (places(ids.len()), || {
        ids.iter().map(|&id| Value::from(id)).collect()
    });
    let key = key(&group.tx);
    let sql = format!("DELETE FROM message_index WHERE {key} IN ({in_list})");
    execute(&group.tx, sql, values()).await?;
    let sql = format!("SELECT {SEARCHABLE} FROM message m WHERE m.id IN ({in_list})");
    let rows = query(&group.tx, sql, values()).await?;
    insert(&group.tx, &rows).await
}

/// Up to which message the index goes.
pub(super) async fn indexed_id(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let row = query(connection, "SELECT indexed_id FROM search_state", Vec::new())
        .await?
        .pop();
    let row = row.ok_or_else(|| corrupt("no state of the index"))?;
    row.try_get_by_index(0)
}

async fn insert(connection: &impl ConnectionTrait, rows: &[QueryResult]) -> Result<(), DbErr> {
    let postgres = connection.get_database_backend() == DbBackend::Postgres;
    let mut documents = Vec::with_capacity(rows.len());
    for row in rows {
        let mut columns = Columns::of(row);
        let id: i64 = columns.take()?;
        let (conversation, author) = (ConversationId(columns.take()?), UserId(columns.take()?));
        let in_thread: bool = columns.take()?;
        let body: String = columns.take()?;
        let attachments = read_attachments(columns.take()?)?;
        if !columns.take::<bool>()? {
            continue;
        }
        let document = Document::of(&Searchable {
            conversation,
            author,
            in_thread,
            body: &body,
            attachments: &attachments,
        });
        let text = match postgres {
            true => postgres::document(&document),
            false => sqlite::document(&document),
        };
        documents.push((id, text));
    }
    let (key, place) = match postgres {
        true => ("id", "(?,CAST(? AS TSVECTOR))"),
        false => ("rowid", "(?,?)"),
    };
    let mut rest = documents.as_slice();
    while !rest.is_empty() {
        let fits = STATEMENT_SIZES.into_iter().find(|size| *size <= rest.len());
        let (some, others) = rest.split_at(fits.unwrap_or(rest.len()));
        rest = others;
        let values: Vec<&str> = some.iter().map(|_| place).collect();
        let sql = format!(
            "INSERT INTO message_index ({key}, words) VALUES {}",
            values.join(",")
        );
        let values = some
            .iter()
            .flat_map(|(id, text)| [Value::from(*id), Value::from(text.as_str())]);
        execute(connection, sql, values.collect()).await?;
    }
    Ok(())
}

/// What the index calls the id of a message.
fn key(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Postgres => "id",
        _ => "rowid",
    }
}
