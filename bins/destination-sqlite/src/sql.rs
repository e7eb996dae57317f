//! Statements as text. Pure; every name is quoted here, and values are parameters.

use crate::schema::{GATE, HASH, OWN, RAW, READABLE, Table};

/// A name as SQLite reads it back exactly, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The statements that write one table. The key's values are always the first parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statements {
    /// Key; returns stamp, hash and document of the row that is there.
    pub(crate) lookup: String,
    /// Key, stamp, hash, document, readable document.
    pub(crate) insert: String,
    /// Key, stamp, hash, document, readable document.
    pub(crate) replace: String,
    /// Key, stamp, hash.
    pub(crate) restamp: String,
    /// Key.
    pub(crate) remove: String,
    /// Nothing; returns key, stamp, hash and document of every row. A condition may follow.
    pub(crate) all: String,
}

impl Statements {
    pub(crate) fn of(table: &Table) -> Self {
        let name = quoted(&table.stream);
        let width = table.key.len();
        let keys: Vec<String> = table.key.iter().map(|key| quoted(key)).collect();
        let is_it: Vec<String> =
            keys.iter().zip(1..).map(|(key, number)| format!("{key} = ?{number}")).collect();
        let is_it = is_it.join(" AND ");
        let own = [GATE, HASH, RAW].map(quoted).join(", ");
        let all = format!("SELECT {}, {own} FROM {name}", keys.join(", "));
        let columns: Vec<String> = keys.into_iter().chain(OWN.map(quoted)).collect();
        let values: Vec<String> = (1..=columns.len()).map(|number| format!("?{number}")).collect();
        let (stamp, hash, document, readable) = (width + 1, width + 2, width + 3, width + 4);
        let stamped = format!("{} = ?{stamp}, {} = ?{hash}", quoted(GATE), quoted(HASH));
        Self {
            lookup: format!("SELECT {own} FROM {name} WHERE {is_it}"),
            remove: format!("DELETE FROM {name} WHERE {is_it}"),
            all,
            insert: format!(
                "INSERT INTO {name} ({}) VALUES ({})",
                columns.join(", "),
                values.join(", ")
            ),
            replace: format!(
                "UPDATE {name} SET {stamped}, {} = ?{document}, {} = ?{readable} WHERE {is_it}",
                quoted(RAW),
                quoted(READABLE)
            ),
            restamp: format!("UPDATE {name} SET {stamped} WHERE {is_it}"),
        }
    }
}
