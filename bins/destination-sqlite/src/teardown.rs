//! Removes what setup made, and nothing else.

use std::path::Path;

use connector::Error;
use protocol::ConfiguredCatalog;
use rusqlite::Connection;

use crate::catalog::{existing, has_table};
use crate::client::Client;
use crate::dead_letter::LETTERS;
use crate::failure::explain;
use crate::meta::{self, META};
use crate::sql::quoted;
use crate::write::TOMBSTONES;

/// Drops the tables of these streams, or all that carry our mark, and returns their names; then
/// `_sync_meta`, if it is empty. The file stays: others may have it open, or keep tables in it.
pub(crate) fn teardown(
    path: &Path,
    streams: Option<&ConfiguredCatalog>,
) -> Result<Vec<String>, Error> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut client = Client::open(path)?;
    let transaction = client.transaction()?;
    let failed = |error: rusqlite::Error| explain("removing our tables from", path, &error);
    let dropped = drop_tables(&transaction, streams).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(dropped)
}

fn drop_tables(
    connection: &Connection,
    streams: Option<&ConfiguredCatalog>,
) -> rusqlite::Result<Vec<String>> {
    let is_wanted = |name: &String| {
        streams.is_none_or(|all| all.streams.iter().any(|one| one.stream.name == *name))
    };
    let noted = meta::read(connection)?;
    let mut dropped = Vec::new();
    for (stream, noted) in noted.iter().filter(|(stream, _)| is_wanted(stream)) {
        let found = existing(connection, stream, Some(noted))?;
        if found.is_some_and(|found| found.is_ours) {
            connection.execute_batch(&format!("DROP TABLE {}", quoted(stream)))?;
            dropped.push(stream.clone());
        }
        connection.execute("DELETE FROM _sync_meta WHERE stream = ?1", [stream])?;
        forget(connection, stream)?;
    }
    if !noted.is_empty() && meta::read(connection)?.is_empty() {
        for own in [META, LETTERS, TOMBSTONES] {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", quoted(own)))?;
        }
    }
    Ok(dropped)
}

/// Forgets what is kept of a stream beside its table.
pub(crate) fn forget(connection: &Connection, stream: &str) -> rusqlite::Result<()> {
    for own in [LETTERS, TOMBSTONES] {
        if has_table(connection, own)? {
            let clean = format!("DELETE FROM {} WHERE stream = ?1", quoted(own));
            connection.execute(&clean, [stream])?;
        }
    }
    Ok(())
}
