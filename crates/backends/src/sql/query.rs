//! Statements. They are written once, for SQLite and PostgreSQL, with question marks for values.

use super::{postgres, sqlite};
use chinwag_messenger::store::StoreError;
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, RuntimeErr, Statement, Value};

/// Runs a query for all its rows.
pub(super) async fn query(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, DbErr> {
    let statement = statement(connection, sql.into(), values);
    connection.query_all_raw(statement).await
}

/// Runs a statement that returns nothing.
pub(super) async fn execute(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<(), DbErr> {
    affected(connection, sql, values).await.map(|_| ())
}

/// Runs a statement that returns nothing; the number of rows that it changed.
pub(super) async fn affected(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<u64, DbErr> {
    let statement = statement(connection, sql.into(), values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}

/// Stores rows in SQLite; the key that the last of them got.
pub(super) async fn insert_many(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Result<i64, DbErr> {
    let statement = statement(connection, sql.into(), values);
    let inserted = connection.execute_raw(statement).await?;
    Ok(inserted.last_insert_id() as i64)
}

fn statement(connection: &impl ConnectionTrait, sql: String, values: Vec<Value>) -> Statement {
    let backend = connection.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => postgres::numbered(&sql),
        _ => sql,
    };
    Statement::from_sql_and_values(backend, sql, values)
}

/// Placeholders for so many values: `?,?,?`.
pub(super) fn places(count: usize) -> String {
    let mut text = "?,".repeat(count);
    text.pop();
    text
}

/// Placeholders for so many rows: `(?,?),(?,?)`.
pub(super) fn row_places(rows: usize, columns: usize) -> String {
    let row = format!("({}),", places(columns));
    let mut text = row.repeat(rows);
    text.pop();
    text
}

/// Rows of values come in many numbers, and each is a statement of its own, which takes as long to prepare as to run.
const ROWS_STEP: usize = 8;

/// Placeholders for the rows that `values` holds, for a statement that does no more for a row that comes twice: the last
/// one is repeated, so that there are few different statements and they stay prepared.
pub(super) fn repeated_places(values: &mut Vec<Value>, columns: usize) -> String {
    let rows = values.len() / columns;
    let places = match rows {
        few if few <= ROWS_STEP => few,
        many => many.next_multiple_of(ROWS_STEP),
    };
    for _ in rows..places {
        values.extend_from_within(values.len() - columns..);
    }
    row_places(places, columns)
}

/// The larger of two numbers, for which the databases have functions of different names.
pub(super) fn larger(one: &str, other: &str) -> String {
    format!("CASE WHEN {one} > {other} THEN {one} ELSE {other} END")
}

/// What the messenger may know of a failure of the database.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
pub(super) fn store_error(error: DbErr) -> StoreError {
    let text = || error.to_string();
    let connecting = matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_));
    match sqlx_error(&error) {
        Some(SqlxError::Database(refused)) => match trouble(&**refused) {
            Trouble::Passing => StoreError::Unavailable(text()),
            Trouble::Full => StoreError::Full,
            Trouble::Fault => StoreError::Broken(text()),
        },
        // The way to the database is broken.
        Some(
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed,
        ) => StoreError::Unavailable(text()),
        _ if connecting => StoreError::Unavailable(text()),
        _ => StoreError::Broken(text()),
    }
}

/// What lies under an error, if it is of the database or the way to it.
pub(super) fn sqlx_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => Some(inner),
        _ => None,
    }
}

/// What kind of refusal of the database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It passes, or is for the operator to mend.
    Passing,
    /// There is no room.
    Full,
    /// A fault of this program.
    Fault,
}

fn trouble(refused: &dyn DatabaseError) -> Trouble {
    let code = refused.code().unwrap_or_default();
    match refused.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        Some(_) => postgres::trouble(&code),
        None => sqlite::trouble(&code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_as_many_as_asked() {
        assert_eq!(places(3), "?,?,?");
        assert_eq!(row_places(2, 2), "(?,?),(?,?)");
        for (rows, places) in [(0, 0), (1, 1), (8, 8), (9, 16), (16, 16), (17, 24)] {
            let mut values: Vec<Value> = (0..rows).flat_map(|row| [row.into(), (-row).into()]).collect();
            assert_eq!(repeated_places(&mut values, 2), row_places(places, 2));
            assert_eq!(values.len(), places * 2);
            let last = [Value::from(rows - 1), Value::from(1 - rows)];
            assert!(rows == 0 || values.ends_with(&last), "{values:?}");
        }
    }
}
