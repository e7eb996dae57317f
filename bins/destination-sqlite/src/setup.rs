//! Makes what is missing, all in one transaction: `_sync_meta`, tables, columns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use connector::Error;
use protocol::Places;
use rusqlite::Connection;

use crate::catalog::{existing, has_table};
use crate::client::Client;
use crate::meta::{self, Noted};
use crate::schema::{Existing, Table, plan};
use crate::teardown::forget;

/// Brings the file to what the tables ask for and returns their places.
pub(crate) fn setup(path: &Path, tables: &[Table]) -> Result<Places, Error> {
    let mut client = Client::make(path)?;
    let failed = |error: rusqlite::Error| crate::failure::explain("setting up", path, &error);
    if is_ready(&client.connection, path, tables)? {
        let noted = meta::read(&client.connection).map_err(failed)?;
        return Ok(meta::places(&noted, tables));
    }
    let transaction = client.transaction()?;
    transaction.execute_batch(meta::CREATE).map_err(failed)?;
    let before = look(&transaction, path, tables)?;
    for (table, found) in tables.iter().zip(&before.tables) {
        for statement in plan(table, found.as_ref()).map_err(Error::config)? {
            tracing::debug!(%statement, "changing the schema");
            transaction.execute_batch(&statement).map_err(failed)?;
        }
        if found.is_none() {
            forget(&transaction, &table.stream).map_err(failed)?;
        }
        match before.noted.get(&table.stream) {
            Some(noted) if found.is_some() => meta::note_mark(&transaction, table, noted),
            Some(_) | None => meta::note_place(&transaction, table),
        }
        .map_err(failed)?;
    }
    let noted = meta::read(&transaction).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    client.check_identity()?;
    Ok(meta::places(&noted, tables))
}

/// The statements that setup would run; makes nothing.
pub(crate) fn planned(path: &Path, tables: &[Table]) -> Result<Vec<String>, Error> {
    let (has_meta, found) = if path.exists() {
        let client = Client::open(path)?;
        let has_meta = has_table(&client.connection, meta::META);
        let has_meta = has_meta.map_err(|error| client.failed("looking at", &error))?;
        (has_meta, look(&client.connection, path, tables)?.tables)
    } else {
        (false, tables.iter().map(|_| None).collect())
    };
    let mut statements = Vec::new();
    if !has_meta && !tables.is_empty() {
        statements.push(meta::CREATE.to_owned());
    }
    for (table, found) in tables.iter().zip(&found) {
        statements.extend(plan(table, found.as_ref()).map_err(Error::config)?);
    }
    Ok(statements.into_iter().map(|statement| format!("{statement};")).collect())
}

/// What there is, table by table.
pub(crate) struct Seen {
    pub(crate) noted: BTreeMap<String, Noted>,
    pub(crate) tables: Vec<Option<Existing>>,
}

/// Looks at the file, and fails where the data of these tables may not come.
pub(crate) fn look(connection: &Connection, path: &Path, tables: &[Table]) -> Result<Seen, Error> {
    let failed = |error: rusqlite::Error| crate::failure::explain("looking at", path, &error);
    let noted = meta::read(connection).map_err(failed)?;
    if let Some(reason) = meta::mixes_modes(&noted, tables) {
        return Err(Error::config(format!("writing to `{}`: {reason}", path.display()))
            .hint("use another `path` for it"));
    }
    let mut found = Vec::new();
    for table in tables {
        let noted = noted.get(&table.stream);
        found.push(existing(connection, &table.stream, noted).map_err(failed)?);
        if let Some(reason) = noted.and_then(|noted| meta::mixes_accounts(noted, table)) {
            return Err(Error::config(format!("writing to `{}`: {reason}", path.display()))
                .hint("use another `path` for it"));
        }
    }
    Ok(Seen { noted, tables: found })
}

/// Whether nothing is missing: then nobody has to wait for the write lock.
fn is_ready(connection: &Connection, path: &Path, tables: &[Table]) -> Result<bool, Error> {
    let seen = look(connection, path, tables)?;
    for (table, found) in tables.iter().zip(&seen.tables) {
        let is_noted = seen.noted.get(&table.stream).is_some_and(|noted| noted.mark == table.mark);
        if !is_noted || !plan(table, found.as_ref()).map_err(Error::config)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Derives the table of each stream. Names that differ in nothing but case are one to SQLite.
pub(crate) fn tables(plans: &[connector::StreamPlan]) -> Result<Vec<Table>, Error> {
    let mut names = BTreeSet::new();
    let twice = plans.iter().find(|plan| !names.insert(plan.name().to_ascii_lowercase()));
    if let Some(twice) = twice {
        let name = twice.name();
        return Err(Error::config(format!(
            "reading the catalog: another stream has the name of `{name}` but for its case"
        ))
        .hint("a SQLite file cannot hold both: use a second `path` for one of them"));
    }
    plans.iter().map(|plan| Table::of(plan).map_err(Error::config)).collect()
}
