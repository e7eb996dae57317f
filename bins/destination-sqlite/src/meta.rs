//! The table `_sync_meta`: for each stream its table's place, the last run that wrote there, and
//! whose data it is. A table without a row in it is not ours.

use std::collections::BTreeMap;

use connector::Mark;
use protocol::{Place, Places};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::catalog::has_table;
use crate::schema::Table;

/// The table's name.
pub(crate) const META: &str = "_sync_meta";

/// The statement that makes the table.
pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS _sync_meta (\n  \
     stream TEXT PRIMARY KEY,\n  place TEXT NOT NULL,\n  run TEXT,\n  tool TEXT NOT NULL,\n  \
     api_version TEXT,\n  account TEXT,\n  mode TEXT\n)";

/// What is noted of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) place: String,
    pub(crate) run: Option<String>,
    pub(crate) mark: Mark,
}

/// Everything noted, by stream.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Noted>> {
    if !has_table(connection, META)? {
        return Ok(BTreeMap::new());
    }
    let asked = "SELECT stream, place, run, api_version, account, mode FROM _sync_meta";
    let mut statement = connection.prepare(asked)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, one(row)?)))?;
    rows.collect()
}

fn one(row: &Row<'_>) -> rusqlite::Result<Noted> {
    let mark = Mark { api_version: row.get(3)?, account: row.get(4)?, mode: row.get(5)? };
    Ok(Noted { place: row.get(1)?, run: row.get(2)?, mark })
}

/// Notes a table that was just made: a new place, which no run has written to.
pub(crate) fn note_place(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let statement = "INSERT OR REPLACE INTO _sync_meta (stream, place, tool, api_version, account, mode) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Mark { api_version, account, mode } = &table.mark;
    let place = Uuid::new_v4().to_string();
    let values = params![table.stream, place, TOOL, api_version, account, mode];
    connection.execute(statement, values).map(drop)
}

/// Notes whose data a table holds, unless it is noted just so.
pub(crate) fn note_mark(
    connection: &Connection,
    table: &Table,
    noted: &Noted,
) -> rusqlite::Result<()> {
    if noted.mark == table.mark {
        return Ok(());
    }
    let statement = "UPDATE _sync_meta SET tool = ?2, api_version = ?3, account = ?4, mode = ?5 \
         WHERE stream = ?1";
    let Mark { api_version, account, mode } = &table.mark;
    let values = params![table.stream, TOOL, api_version, account, mode];
    connection.execute(statement, values).map(drop)
}

const TOOL: &str = concat!("sync-engine ", env!("CARGO_PKG_VERSION"));

/// Notes the run that writes to a stream's table.
pub(crate) fn note_run(connection: &Connection, stream: &str, run: &str) -> rusqlite::Result<()> {
    let statement = "UPDATE _sync_meta SET run = ?2 WHERE stream = ?1 AND run IS NOT ?2";
    connection.execute(statement, [stream, run]).map(drop)
}

/// The identity of each stream's table.
pub(crate) fn places(noted: &BTreeMap<String, Noted>, tables: &[Table]) -> Places {
    let place = |noted: &Noted| Place { id: noted.place.clone(), run: noted.run.clone() };
    tables
        .iter()
        .filter_map(|table| Some((table.stream.clone(), place(noted.get(&table.stream)?))))
        .collect()
}

/// Why data of these tables may not come to where other data is: live and test never mix.
pub(crate) fn mixes_modes(noted: &BTreeMap<String, Noted>, tables: &[Table]) -> Option<String> {
    tables.iter().find_map(|table| {
        let wanted = table.mark.mode.as_deref()?;
        let differs =
            |noted: &&Noted| noted.mark.mode.as_deref().is_some_and(|mode| mode != wanted);
        let (stream, other) = noted.iter().find(|(_, noted)| differs(noted))?;
        let mode = other.mark.mode.as_deref()?;
        let account = other.mark.account.as_deref().unwrap_or("unknown");
        Some(format!(
            "it holds {mode} data (stream `{stream}`, account `{account}`), this is {wanted} data"
        ))
    })
}

/// Why a table may not take the catalog's data: it holds another account's.
pub(crate) fn mixes_accounts(noted: &Noted, table: &Table) -> Option<String> {
    let there = noted.mark.account.as_ref()?;
    let allowed = if table.accounts.is_empty() {
        table.mark.account.as_slice()
    } else {
        table.accounts.as_slice()
    };
    if allowed.is_empty() || allowed.contains(there) {
        return None;
    }
    let (stream, allowed) = (&table.stream, allowed.join(", "));
    Some(format!("table `{stream}` holds data of account `{there}`, the catalog is of `{allowed}`"))
}
