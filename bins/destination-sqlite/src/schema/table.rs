//! A stream as a table.

use std::collections::{BTreeMap, BTreeSet};

use connector::{Mark, StreamPlan};
use protocol::Stream;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::column::Column;
use crate::sql::quoted;

/// The whole object as it came, as text.
pub(crate) const RAW: &str = "_raw_data";
/// The row's stamp, unix seconds.
pub(crate) const GATE: &str = "_updated_at";
/// Tells an unchanged document without reading it.
pub(crate) const HASH: &str = "_hash";
/// The document that the columns are computed from, where SQLite cannot take the one that came apart;
/// else null.
pub(crate) const READABLE: &str = "_readable_data";
/// The columns that every table has beside its key.
pub(crate) const OWN: [&str; 4] = [GATE, HASH, RAW, READABLE];
/// Most columns that SQLite has in a table, unless it was built otherwise.
const MOST_COLUMNS: usize = 2000;

/// What the catalog asks for one stream. The table has the stream's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) stream: String,
    pub(crate) key: Vec<String>,
    /// The engine's, then one for each property that is no part of the key.
    pub(crate) columns: Vec<Column>,
    pub(crate) soft_delete_field: Option<String>,
    pub(crate) mark: Mark,
    /// The accounts whose data may be here; empty when the catalog does not say.
    pub(crate) accounts: Vec<String>,
}

impl Table {
    /// Derives the table of a stream; the failure is a name that cannot be.
    pub(crate) fn of(plan: &StreamPlan) -> Result<Self, String> {
        let key: Vec<String> = plan.key_columns().into_iter().map(str::to_owned).collect();
        check_names(plan.name(), &key)?;
        let accounts = plan.enums.iter().find(|(field, _)| field == "_account_id");
        Ok(Self {
            stream: plan.name().to_owned(),
            columns: columns(plan, &key)?,
            key,
            soft_delete_field: plan.stream().soft_delete_field.clone(),
            mark: Mark::of(plan.stream()),
            accounts: accounts.map(|(_, accounts)| accounts.clone()).unwrap_or_default(),
        })
    }

    /// The statement that makes the table.
    ///
    /// The table keeps its rowid: rows of this size in the primary key's own tree cost twice the time
    /// to insert and five times to look up (measured).
    pub(crate) fn create(&self) -> String {
        let keys: Vec<String> = self.key.iter().map(|key| quoted(key)).collect();
        let mut lines: Vec<String> =
            keys.iter().map(|key| format!("{key} TEXT NOT NULL")).collect();
        lines.push(format!("{} INTEGER NOT NULL", quoted(GATE)));
        lines.push(format!("{} INTEGER", quoted(HASH)));
        lines.push(format!("{} TEXT NOT NULL", quoted(RAW)));
        lines.push(format!("{} TEXT", quoted(READABLE)));
        lines.extend(self.columns.iter().map(definition));
        lines.push(format!("PRIMARY KEY ({})", keys.join(", ")));
        let table = quoted(&self.stream);
        let create = format!("CREATE TABLE {table} (\n  {}\n)", lines.join(",\n  "));
        let indexes = self.columns.iter().filter_map(|column| self.index(column));
        indexes.fold(create, |all, index| format!("{all};\n{index}"))
    }

    /// The statements that add a column; old rows have its value at once.
    pub(crate) fn add(&self, column: &Column) -> String {
        let add = format!("ALTER TABLE {} ADD COLUMN {}", quoted(&self.stream), definition(column));
        self.index(column).map_or_else(|| add.clone(), |index| format!("{add};\n{index}"))
    }

    /// The statement that makes the index of a column that has one.
    fn index(&self, column: &Column) -> Option<String> {
        let name = quoted(&format!("_sync_{}_{}", self.stream, column.name));
        let (table, column) = (quoted(&self.stream), column.is_indexed.then_some(&column.name)?);
        Some(format!("CREATE INDEX {name} ON {table} ({})", quoted(column)))
    }
}

fn definition(Column { name, definition, .. }: &Column) -> String {
    format!("{} {definition}", quoted(name))
}

fn check_names(stream: &str, key: &[String]) -> Result<(), String> {
    let folded = stream.to_ascii_lowercase();
    if folded.starts_with("sqlite_") || folded.starts_with("_sync_") || stream.contains('\0') {
        let stream = stream.escape_debug();
        return Err(format!("stream `{stream}` has a name that no table of ours can have"));
    }
    let mut taken = BTreeSet::from(OWN.map(str::to_owned));
    let twice = key.iter().find(|name| name.contains('\0') || !taken.insert(fold(name)));
    twice.map_or(Ok(()), |name| {
        let name = name.escape_debug();
        Err(format!("stream `{stream}` has a key column `{name}`, a name that is taken"))
    })
}

/// Names that differ in nothing but ASCII case are one name to SQLite.
pub(super) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// A column for each that the engine fills and for each property; those beyond what a table can have
/// stay in the document only.
fn columns(plan: &StreamPlan, key: &[String]) -> Result<Vec<Column>, String> {
    let mut reserved: BTreeSet<String> =
        key.iter().map(String::as_str).chain(OWN).map(fold).collect();
    let mut columns = Vec::new();
    for system in &plan.configured.system_columns {
        let name = system.name.replace('\0', "\u{FFFD}");
        if !reserved.insert(fold(&name)) {
            let stream = plan.name();
            return Err(format!(
                "stream `{stream}` has two columns named `{name}`; leave one of them out, of its \
                 `fields` or `system_columns`"
            ));
        }
        columns.push(Column::system(name, system));
    }
    let filled: BTreeSet<String> = columns.iter().map(|column| fold(&column.name)).collect();
    let is_kept = |name: &String| {
        OWN.contains(&name.as_str())
            || filled.contains(&fold(name))
            || plan.key.iter().any(|path| path == std::slice::from_ref(name))
    };
    let names: Vec<&String> =
        properties(plan.stream()).map(|(name, _)| name).filter(|name| !is_kept(name)).collect();
    let plain = plain_names(&names, &reserved);
    let room = MOST_COLUMNS.saturating_sub(reserved.len());
    let properties = properties(plan.stream()).filter(|(name, _)| !is_kept(name)).take(room);
    columns.extend(
        properties.map(|(name, schema)| Column::property(column_name(name, &plain), name, schema)),
    );
    Ok(columns)
}

/// Which property has the plain name: of several that differ in case only, the one with the most
/// lower case, so that it does not depend on their order.
fn plain_names<'a>(
    names: &[&'a String],
    reserved: &BTreeSet<String>,
) -> BTreeMap<String, &'a String> {
    let mut plain: BTreeMap<String, &String> = BTreeMap::new();
    for name in names.iter().filter(|name| !reserved.contains(&fold(name))) {
        let holder = plain.entry(fold(name)).or_insert(name);
        *holder = (*holder).max(name);
    }
    plain
}

/// The property's name, or with a hash of it behind where that name is another's.
fn column_name(property: &str, plain: &BTreeMap<String, &String>) -> String {
    let name = property.replace('\0', "\u{FFFD}");
    let is_plain = plain.get(&fold(property)).is_some_and(|holder| *holder == property);
    if is_plain && !property.contains('\0') {
        return name;
    }
    format!("{name}_{:08x}", xxh3_64(property.as_bytes()) & 0xFFFF_FFFF)
}

fn properties(stream: &Stream) -> impl Iterator<Item = (&String, &Value)> {
    let schema = stream.json_schema.as_ref();
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.into_iter().flatten()
}
