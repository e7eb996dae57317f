//! What the file's own catalog says about a table.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::meta::Noted;
use crate::schema::{Existing, OWN};

/// What there is under a stream's name; SQLite does not tell names apart by ASCII case.
pub(crate) fn existing(
    connection: &Connection,
    stream: &str,
    noted: Option<&Noted>,
) -> rusqlite::Result<Option<Existing>> {
    let asked = "SELECT type FROM sqlite_master WHERE name = ?1 COLLATE NOCASE";
    let kind: Option<String> =
        connection.query_row(asked, [stream], |row| row.get(0)).optional()?;
    let Some(kind) = kind else { return Ok(None) };
    let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_xinfo(?1)")?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found = statement.query_map([stream], read)?;
    let found: Vec<(String, i64)> = found.collect::<rusqlite::Result<_>>()?;
    let mut key: Vec<&(String, i64)> = found.iter().filter(|(_, place)| *place > 0).collect();
    key.sort_by_key(|(_, place)| *place);
    let key = key.into_iter().map(|(name, _)| name.clone()).collect();
    let columns: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
    let has_own = OWN.iter().all(|own| columns.iter().any(|name| name == own));
    let is_ours = noted.is_some() && kind == "table" && has_own;
    Ok(Some(Existing { is_ours, columns, key }))
}

/// Whether there is a table of exactly this name.
pub(crate) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let asked = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1";
    Ok(connection.query_row(asked, [name], |_| Ok(())).optional()?.is_some())
}
