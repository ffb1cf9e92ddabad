//! From an archive into the tables of an empty store.

use super::{
    ArchiveError, Column, END, FILES, FORMAT, HEADER, Header, Kind, LINE_BYTES_MAX, SINGLE, TABLES,
    VALUES_MAX, VERSION, columns, migrations,
};
use crate::DiskBlobs;
use crate::sql::query::{execute, query, row_places};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chinwag_messenger::blob::BlobId;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Value};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use tokio::sync::mpsc;

/// Rows of one table, or the next of them.
pub(super) struct Part {
    table: String,
    rows: Vec<Map<String, Json>>,
}

/// Reads the archive and hands on its rows, while somebody takes them.
pub(super) fn read_parts(
    archive: impl Read,
    files: Option<&DiskBlobs>,
    parts: &mpsc::Sender<Result<Part, ArchiveError>>,
) -> Result<(), ArchiveError> {
    let damaged = |what: &str| ArchiveError::Archive(format!("this is no archive of Chinwag: {what}"));
    let mut archive = tar::Archive::new(archive);
    let (mut known, mut ended) = (false, false);
    for entry in archive.entries()? {
        let entry = entry.map_err(|_| damaged("it is no tar file"))?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if let Some(name) = name.strip_prefix(FILES).and_then(|name| name.strip_prefix('/')) {
            let id = BlobId::parse(name).ok_or_else(|| damaged("it holds a file without a name"))?;
            if let Some(files) = files {
                files.take_in(id, entry)?;
            }
            continue;
        }
        let mut lines = BufReader::new(entry).take(LINE_BYTES_MAX * 16);
        if name == HEADER {
            let header: Header =
                serde_json::from_reader(lines).map_err(|_| damaged("its header cannot be read"))?;
            check(&header)?;
            known = true;
            continue;
        }
        if name == END {
            ended = true;
            continue;
        }
        let path: Vec<&str> = name.split('/').collect();
        let ["tables", table, _] = path[..] else {
            return Err(damaged(&format!("{name} does not belong in it")));
        };
        if !known {
            return Err(damaged("it has no header"));
        }
        let mut rows = Vec::new();
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            let row = serde_json::from_str(&line);
            rows.push(row.map_err(|_| damaged(&format!("{name} holds a line that cannot be read")))?);
            line.clear();
        }
        let part = Part {
            table: table.to_owned(),
            rows,
        };
        if parts.blocking_send(Ok(part)).is_err() {
            return Ok(());
        }
    }
    match (known, ended) {
        (true, true) => Ok(()),
        (true, false) => Err(ArchiveError::Archive("the archive is cut off".into())),
        (false, _) => Err(damaged("it has no header")),
    }
}

fn check(header: &Header) -> Result<(), ArchiveError> {
    if header.format != FORMAT || header.version != VERSION {
        let text = format!(
            "the archive is {} {}, not {FORMAT} {VERSION}",
            header.format, header.version
        );
        return Err(ArchiveError::Archive(text));
    }
    if header.migrations != migrations() {
        let text = "another version of Chinwag made the archive: read it with that one, and let this one open the store";
        return Err(ArchiveError::Archive(text.into()));
    }
    Ok(())
}

pub(super) async fn import_into(
    tx: &DatabaseTransaction,
    parts: &mut mpsc::Receiver<Result<Part, ArchiveError>>,
) -> Result<(), ArchiveError> {
    for (table, _) in TABLES.iter().filter(|(table, _)| !SINGLE.contains(table)) {
        let any = query(tx, format!("SELECT 1 FROM {table} LIMIT 1"), Vec::new()).await?;
        if !any.is_empty() {
            return Err(ArchiveError::NotEmpty);
        }
    }
    for table in SINGLE {
        execute(tx, format!("DELETE FROM {table}"), Vec::new()).await?;
    }
    let mut all: HashMap<&str, Vec<Column>> = HashMap::new();
    for (table, _) in TABLES {
        all.insert(table, columns(tx, table).await?);
    }
    while let Some(part) = parts.recv().await {
        let Part { table, rows } = part?;
        let unknown = || ArchiveError::Archive(format!("there is no table {table}"));
        let columns = all.get(table.as_str()).ok_or_else(unknown)?;
        insert(tx, &table, columns, &rows).await?;
    }
    if tx.get_database_backend() == DbBackend::Postgres {
        // What was inserted with its id does not count up what gives out ids.
        for (table, key) in TABLES
            .iter()
            .filter(|(table, key)| *key == ["id"] && !SINGLE.contains(table))
        {
            let numbered = all[table]
                .iter()
                .any(|column| column.name == key[0] && column.kind == Kind::Number);
            if numbered {
                let sql = format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table} HAVING max(id) > 0"
                );
                query(tx, sql, Vec::new()).await?;
            }
        }
    }
    Ok(())
}

async fn insert(
    tx: &DatabaseTransaction,
    table: &str,
    columns: &[Column],
    rows: &[Map<String, Json>],
) -> Result<(), ArchiveError> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    for rows in rows.chunks((VALUES_MAX / columns.len().max(1)).max(1)) {
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for row in rows {
            for Column { name, kind } in columns {
                let value = value_of(row.get(name).unwrap_or(&Json::Null), *kind);
                let faulty = || ArchiveError::Archive(format!("a row of {table} has a faulty {name}"));
                values.push(value.ok_or_else(faulty)?);
            }
        }
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES {}",
            names.join(", "),
            row_places(rows.len(), columns.len())
        );
        execute(tx, sql, values).await?;
    }
    Ok(())
}

fn value_of(json: &Json, kind: Kind) -> Option<Value> {
    let null = json.is_null();
    Some(match kind {
        Kind::Number if null => None::<i64>.into(),
        Kind::Number => json.as_i64()?.into(),
        Kind::Text if null => None::<String>.into(),
        Kind::Text => json.as_str()?.into(),
        Kind::Truth if null => None::<bool>.into(),
        Kind::Truth => json.as_bool()?.into(),
        Kind::Bytes if null => None::<Vec<u8>>.into(),
        Kind::Bytes => BASE64.decode(json.as_str()?).ok()?.into(),
    })
}
