//! A stream as a table.

use std::collections::BTreeSet;

use connector::{Mark, StreamPlan};
use pg::{Error, Ident, Literal, Qualified};
use protocol::Stream;
use serde_json::Value;

use super::column::{Column, Columns};

/// The whole object, as jsonb.
pub(crate) const RAW: &str = "_raw_data";
/// The row's stamp.
pub(crate) const GATE: &str = "_updated_at";
/// Kept for the tools of the TypeScript connector; nobody ever wrote it.
pub(crate) const SYNCED: &str = "_last_synced_at";
/// Tells an unchanged document without reading it.
pub(crate) const HASH: &str = "_hash";
/// The property whose `enum` says whose data may be here.
const ACCOUNT: &str = "_account_id";

/// What the catalog asks for one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) stream: String,
    pub(crate) name: Qualified,
    /// The columns that it is made with.
    pub(crate) kind: Columns,
    pub(crate) key: Vec<Ident>,
    pub(crate) columns: Vec<Column>,
    pub(crate) check: Option<Check>,
    pub(crate) mark: Mark,
}

/// The accounts whose data may be in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: Ident,
    pub(crate) accounts: BTreeSet<String>,
}

impl Table {
    /// Derives the table of a stream; fails on names that cannot be, or that collide.
    pub(crate) fn of(schema: &Ident, plan: &StreamPlan, kind: Columns) -> Result<Self, String> {
        let told =
            |error: Error| format!("planning the table of stream `{}`: {error}", plan.name());
        if plan.name().starts_with("_sync_") {
            let name = plan.name();
            return Err(format!(
                "stream `{name}` has a name that tables of ours have; leave it out, or have its \
                 source name it otherwise"
            ));
        }
        let columns = columns(plan, kind).map_err(told)?;
        let mut names = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|column| !names.insert(column.name.clone())) {
            let name = twice.name.name();
            return Err(format!(
                "stream `{}` has two columns named `{name}`; leave one of them out, of its `fields` \
                 or `system_columns`",
                plan.name()
            ));
        }
        let key = plan.key_columns().into_iter().map(Ident::new);
        Ok(Self {
            stream: plan.name().to_owned(),
            kind,
            name: schema.with(&Ident::new(plan.name()).map_err(told)?),
            key: key.collect::<Result<_, _>>().map_err(told)?,
            columns,
            check: check(plan).map_err(told)?,
            mark: Mark::of(plan.stream()),
        })
    }

    /// The statement that makes the table.
    pub(crate) fn create(&self) -> Result<String, Error> {
        let mut lines: Vec<String> = self
            .columns
            .iter()
            .map(|Column { name, definition, .. }| format!("{name} {definition}"))
            .collect();
        if let Some(check) = &self.check {
            lines.push(format!("CONSTRAINT {} {}", check.name, check.rule()?));
        }
        let key: Vec<String> = self.key.iter().map(ToString::to_string).collect();
        lines.push(format!("PRIMARY KEY ({})", key.join(", ")));
        Ok(format!("CREATE TABLE {} (\n  {}\n)", self.name, lines.join(",\n  ")))
    }
}

impl Check {
    /// The constraint's name, as the TypeScript connector gives it.
    pub(crate) fn name_for(stream: &str) -> Result<Ident, Error> {
        Ident::new(&format!("chk_{stream}_{ACCOUNT}"))
    }

    /// The rule in the words that the TypeScript connector reads back.
    pub(crate) fn rule(&self) -> Result<String, Error> {
        let accounts: Vec<String> = self
            .accounts
            .iter()
            .map(|account| Literal::new(account).map(|literal| literal.to_string()))
            .collect::<Result<_, _>>()?;
        let field = format!("{RAW}->>'{ACCOUNT}'");
        let list = accounts.join(", ");
        Ok(format!("CHECK (({field}) IS NOT NULL AND ({field}) IN ({list}))"))
    }
}

/// Our columns, system columns, key, then the properties in the schema's order; but the deleted mark
/// first, which every look-up reads: what stands before it in a row costs time.
fn columns(plan: &StreamPlan, kind: Columns) -> Result<Vec<Column>, Error> {
    let mut columns = vec![
        Column::plain(RAW, "jsonb", " NOT NULL")?,
        Column::plain(SYNCED, "timestamptz", "")?,
        Column::plain(GATE, "timestamptz", " NOT NULL DEFAULT now()")?,
        Column::plain(HASH, "bigint", "")?,
    ];
    for system in &plan.configured.system_columns {
        columns.push(Column::plain(&system.name, system_type(&system.data_type), "")?);
    }
    let taken: BTreeSet<Ident> = columns.iter().map(|column| column.name.clone()).collect();
    for path in &plan.key {
        columns.push(Column::key(path)?);
    }
    if kind == Columns::None {
        return Ok(columns);
    }
    let mark = plan.stream().soft_delete_field.as_ref();
    let is_mark = |(name, _): &(&String, &Value)| Some(*name) == mark;
    let (mark, others): (Vec<_>, Vec<_>) = properties(plan.stream()).partition(is_mark);
    for (name, schema) in mark.into_iter().chain(others) {
        let column = Column::property(name, schema, kind)?;
        // A system column is filled by the engine, not from the document.
        if !plan.key_columns().contains(&name.as_str()) && !taken.contains(&column.name) {
            columns.push(column);
        }
    }
    Ok(columns)
}

fn properties(stream: &Stream) -> impl Iterator<Item = (&String, &Value)> {
    let schema = stream.json_schema.as_ref();
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.into_iter().flatten()
}

/// The catalog is input: only type names that need no quoting are taken at their word.
fn system_type(wanted: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "text",
        "bigint",
        "integer",
        "numeric",
        "boolean",
        "jsonb",
        "timestamptz",
        "uuid",
        "double precision",
    ];
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(wanted)).unwrap_or("text")
}

fn check(plan: &StreamPlan) -> Result<Option<Check>, Error> {
    let allowed = plan.enums.iter().find(|(field, _)| field == ACCOUNT);
    let Some((_, accounts)) = allowed else { return Ok(None) };
    let name = Check::name_for(plan.name())?;
    Ok(Some(Check { name, accounts: accounts.iter().cloned().collect() }))
}
