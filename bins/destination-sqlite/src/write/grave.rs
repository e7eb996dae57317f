//! The table `_sync_tombstone`: keys and stamps of rows that were removed, so that a version older
//! than the removal does not bring one back. It is made when the first batch is written.

use connector::Key;
use connector::version::Stored;
use rusqlite::{Connection, OptionalExtension as _, params};

/// The table's name.
pub(crate) const TOMBSTONES: &str = "_sync_tombstone";

/// Makes the table if it is missing, and forgets rows that were removed 30 days ago.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS _sync_tombstone (\n  stream TEXT NOT NULL,\n  \
         key TEXT NOT NULL,\n  stamp INTEGER NOT NULL,\n  at TEXT NOT NULL,\n  \
         PRIMARY KEY (stream, key)\n) WITHOUT ROWID; \
         DELETE FROM _sync_tombstone WHERE at < datetime('now', '-30 days')",
    )
}

/// What a tombstone says: a deleted row whose content matches nothing.
pub(super) fn find(
    connection: &Connection,
    stream: &str,
    key: &Key,
) -> rusqlite::Result<Option<Stored>> {
    let asked = "SELECT stamp FROM _sync_tombstone WHERE stream = ?1 AND key = ?2";
    let stamp: Option<i64> = connection
        .prepare_cached(asked)?
        .query_row(params![stream, text(key)], |row| row.get(0))
        .optional()?;
    Ok(stamp.map(|stamp| Stored { stamp, content: 0, deleted: true }))
}

/// Notes that a key was removed.
pub(super) fn bury(
    connection: &Connection,
    stream: &str,
    key: &Key,
    stamp: i64,
) -> rusqlite::Result<()> {
    let statement = "INSERT INTO _sync_tombstone (stream, key, stamp, at) \
                     VALUES (?1, ?2, ?3, datetime('now')) ON CONFLICT (stream, key) \
                     DO UPDATE SET stamp = max(stamp, excluded.stamp), at = excluded.at";
    connection.prepare_cached(statement)?.execute(params![stream, text(key), stamp]).map(drop)
}

/// Forgets that a key was removed: it has a row again.
pub(super) fn exhume(connection: &Connection, stream: &str, key: &Key) -> rusqlite::Result<()> {
    let statement = "DELETE FROM _sync_tombstone WHERE stream = ?1 AND key = ?2";
    connection.prepare_cached(statement)?.execute(params![stream, text(key)]).map(drop)
}

fn text(key: &Key) -> String {
    serde_json::Value::from(key.clone()).to_string()
}
