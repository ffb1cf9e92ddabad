//! From the tables into an archive.

use super::{ArchiveError, Column, FILES, Kind, PART_ROWS, columns};
use crate::DiskBlobs;
use crate::sql::query::{places, query};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chinwag_messenger::blob::BlobId;
use sea_orm::{DatabaseTransaction, DbErr, QueryResult, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::io::{Read, Write};

pub(super) async fn export_files(
    tx: &DatabaseTransaction,
    archive: &mut tar::Builder<impl Write>,
    files: &DiskBlobs,
) -> Result<(), ArchiveError> {
    let mut after: Vec<u8> = Vec::new();
    loop {
        let sql = format!(
            "SELECT DISTINCT digest FROM attachment_part WHERE digest > ? ORDER BY digest LIMIT {PART_ROWS}"
        );
        let rows = query(tx, sql, vec![after.into()]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.try_get_by_index(0)?;
        for row in &rows {
            let digest: Vec<u8> = row.try_get_by_index(0)?;
            let digest = digest.try_into().map(BlobId);
            let id = digest.map_err(|_| DbErr::Type("a digest of another length".into()))?;
            match files.file(id) {
                Ok(file) => {
                    let length = file.metadata()?.len();
                    append(archive, &format!("{FILES}/{id}"), length, file)?;
                }
                // Deleted since the moment the archive is of.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

pub(super) async fn export_table(
    tx: &DatabaseTransaction,
    archive: &mut tar::Builder<impl Write>,
    table: &str,
    key: &[&str],
) -> Result<(), ArchiveError> {
    let columns = columns(tx, table).await?;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let (names, key_list) = (names.join(", "), key.join(", "));
    let mut after: Option<Vec<Value>> = None;
    for part in 1.. {
        let mut sql = format!("SELECT {names} FROM {table}");
        if after.is_some() {
            sql.push_str(&format!(" WHERE ({key_list}) > ({})", places(key.len())));
        }
        sql.push_str(&format!(" ORDER BY {key_list} LIMIT {PART_ROWS}"));
        let rows = query(tx, sql, after.take().unwrap_or_default()).await?;
        let mut text = Vec::new();
        for row in &rows {
            text.extend(to_line(&read_row(row, &columns)?)?);
        }
        if let Some(last) = rows.last() {
            add(archive, &format!("tables/{table}/{part:08}.jsonl"), &text)?;
            let at = |name: &&str| columns.iter().position(|column| column.name == **name);
            let value = |name| {
                let index = at(name).ok_or_else(|| DbErr::Type(format!("{table} has no {name}")))?;
                match columns[index].kind {
                    Kind::Text => last.try_get_by_index::<String>(index).map(Value::from),
                    Kind::Bytes => last.try_get_by_index::<Vec<u8>>(index).map(Value::from),
                    _ => last.try_get_by_index::<i64>(index).map(Value::from),
                }
            };
            after = Some(key.iter().map(value).collect::<Result<_, DbErr>>()?);
        }
        if rows.len() < PART_ROWS {
            break;
        }
    }
    Ok(())
}

fn read_row(row: &QueryResult, columns: &[Column]) -> Result<Map<String, Json>, DbErr> {
    let mut object = Map::new();
    for (index, Column { name, kind }) in columns.iter().enumerate() {
        let value = match kind {
            Kind::Number => row.try_get_by_index::<Option<i64>>(index)?.map(Json::from),
            Kind::Text => row.try_get_by_index::<Option<String>>(index)?.map(Json::from),
            Kind::Truth => row.try_get_by_index::<Option<bool>>(index)?.map(Json::from),
            Kind::Bytes => {
                let bytes = row.try_get_by_index::<Option<Vec<u8>>>(index)?;
                bytes.map(|bytes| Json::from(BASE64.encode(bytes)))
            }
        };
        object.insert(name.clone(), value.unwrap_or(Json::Null));
    }
    Ok(object)
}

pub(super) fn to_line(value: &impl Serialize) -> Result<Vec<u8>, ArchiveError> {
    let mut line = serde_json::to_vec(value).map_err(|error| ArchiveError::Archive(error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

pub(super) fn add(archive: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> std::io::Result<()> {
    append(archive, name, content.len() as u64, content)
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    length: u64,
    content: impl Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(length);
    header.set_mode(0o600);
    archive.append_data(&mut header, name, content)
}
