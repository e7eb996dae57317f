//! From what the file has to what the catalog wants: only what is missing, never a loss.

use std::collections::BTreeSet;

use super::table::{Table, fold};
use crate::sql::quoted;

/// What the file says about something with a stream's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Existing {
    /// Whether setup has made it.
    pub(crate) is_ours: bool,
    /// Names of its columns, generated ones included.
    pub(crate) columns: Vec<String>,
    /// The primary key's columns, in its order.
    pub(crate) key: Vec<String>,
}

/// The statements that bring a table to what the catalog wants; none when it is there already.
pub(crate) fn plan(table: &Table, existing: Option<&Existing>) -> Result<Vec<String>, String> {
    let Some(existing) = existing else { return Ok(vec![table.create()]) };
    let name = &table.stream;
    if !existing.is_ours {
        return Err(format!(
            "the table `{name}` exists and was not made by sync-engine; it is left alone: choose \
             another `path`, or rename that table"
        ));
    }
    if existing.key != table.key {
        let (has, wants, name) = (existing.key.join(", "), table.key.join(", "), quoted(name));
        return Err(format!(
            "the table `{}` has the key ({has}), the catalog wants ({wants}); to migrate, rename \
             it (ALTER TABLE {name} RENAME TO …), run setup, which makes it anew, sync it again, \
             then drop the old one",
            table.stream
        ));
    }
    let there: BTreeSet<String> = existing.columns.iter().map(|column| fold(column)).collect();
    let missing = table.columns.iter().filter(|column| !there.contains(&fold(&column.name)));
    Ok(missing.map(|column| table.add(column)).collect())
}
