//! The table `_sync_dead_letter`: records that could not be stored, and why. It is made with the first.

use connector::{DeadLetter, Refused};
use rusqlite::{Connection, Row, params};

use crate::catalog::has_table;

/// The table's name.
pub(crate) const LETTERS: &str = "_sync_dead_letter";

/// The record is text as it came: here it may be anything.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS _sync_dead_letter (\n  \
     number INTEGER PRIMARY KEY AUTOINCREMENT,\n  stream TEXT NOT NULL,\n  key TEXT NOT NULL,\n  \
     error TEXT NOT NULL,\n  record TEXT NOT NULL,\n  at TEXT NOT NULL,\n  \
     tries INTEGER NOT NULL DEFAULT 1,\n  digest INTEGER NOT NULL,\n  UNIQUE (stream, digest)\n)";

/// Keeps records; one that is there already is counted again.
pub(crate) fn keep(
    connection: &Connection,
    stream: &str,
    refused: &[Refused],
) -> rusqlite::Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    connection.execute_batch(CREATE)?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO _sync_dead_letter (stream, key, error, record, at, digest) \
         VALUES (?1, ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?5) \
         ON CONFLICT (stream, digest) DO UPDATE SET \
         error = excluded.error, at = excluded.at, tries = tries + 1",
    )?;
    for refused in refused {
        let Refused { error, record, .. } = refused;
        let values = params![stream, refused.key_text(), error, record, refused.digest()];
        statement.execute(values)?;
    }
    Ok(())
}

/// The next hundred letters behind a number.
pub(crate) fn read(
    connection: &Connection,
    stream: Option<&str>,
    after: i64,
) -> rusqlite::Result<Vec<DeadLetter>> {
    if !has_table(connection, LETTERS)? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(
        "SELECT number, tries, stream, key, error, record, at FROM _sync_dead_letter \
         WHERE number > ?1 AND (?2 IS NULL OR stream = ?2) ORDER BY number LIMIT 100",
    )?;
    statement.query_map(params![after, stream], one)?.collect()
}

fn one(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        number: row.get(0)?,
        tries: row.get(1)?,
        stream: row.get(2)?,
        key: row.get(3)?,
        error: row.get(4)?,
        record: row.get(5)?,
        at: row.get(6)?,
    })
}

/// Removes letters, except those that were refused again since they were read.
pub(crate) fn forget(connection: &Connection, letters: &[DeadLetter]) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("DELETE FROM _sync_dead_letter WHERE number = ?1 AND tries = ?2")?;
    for letter in letters {
        statement.execute(params![letter.number, letter.tries])?;
    }
    Ok(())
}
