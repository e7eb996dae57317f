//! Says whether the file could be written.

use std::path::Path;

use connector::Error;

use crate::client::{Client, check_folder};
use crate::failure::explain;
use crate::schema::{Table, plan};
use crate::setup::look;

/// Returns what a person wants to know: the file, and how many tables are there. Makes nothing.
pub(crate) fn check(path: &Path, tables: &[Table]) -> Result<String, Error> {
    let version = rusqlite::version();
    check_folder(path)?;
    if !path.exists() {
        return Ok(format!(
            "SQLite {version}, `{}`: to be made, with {} tables",
            path.display(),
            tables.len()
        ));
    }
    let mut client = Client::open(path)?;
    let seen = look(&client.connection, path, tables)?;
    for (table, found) in tables.iter().zip(&seen.tables) {
        plan(table, found.as_ref()).map_err(Error::config)?;
    }
    let missing = seen.tables.iter().filter(|found| found.is_none()).count();
    let there = tables.len().saturating_sub(missing);
    let writing = client.transaction()?;
    writing.rollback().map_err(|error| explain("checking", path, &error))?;
    let shown = path.display();
    Ok(format!("SQLite {version}, `{shown}`: {there} tables are there, {missing} to be made"))
}
