//! From what the server has to what the catalog wants: only what is missing, never a loss.

use std::collections::{BTreeMap, BTreeSet};

use pg::{Error, Ident, Literal};
use uuid::Uuid;

use super::{
    column::Columns,
    mark::{self, columns_of, is_taken_over, place_of},
    table::{Check, GATE, HASH, RAW, SYNCED, Table},
};

/// What the server says about a table that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Existing {
    pub(crate) comment: Option<String>,
    pub(crate) columns: BTreeMap<String, ExistingColumn>,
    pub(crate) key: Vec<String>,
    /// The definition of the account check, as the server prints it.
    pub(crate) check: Option<String>,
}

/// A column of a table that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExistingColumn {
    /// Its type, as the server calls it.
    pub(crate) data_type: String,
    pub(crate) is_generated: bool,
}

impl Existing {
    /// The columns that it was made with; `None` when nobody that we know made it.
    pub(crate) fn made_with(&self) -> Option<Columns> {
        if place_of(self.comment.as_deref()).is_some() {
            return Some(columns_of(self.comment.as_deref()));
        }
        self.is_theirs().then_some(Columns::Reference)
    }

    /// Whether the TypeScript connector made it: it has that one's columns, without ours, and a key
    /// that is generated.
    pub(crate) fn is_theirs(&self) -> bool {
        let has = |name: &str, data_type: &str| {
            self.columns.get(name).is_some_and(|c| c.data_type == data_type && !c.is_generated)
        };
        let is_generated =
            |name: &String| self.columns.get(name).is_some_and(|column| column.is_generated);
        self.comment.is_none()
            && has(RAW, "jsonb")
            && has(SYNCED, "timestamp with time zone")
            && has(GATE, "timestamp with time zone")
            && !self.columns.contains_key(HASH)
            && !self.key.is_empty()
            && self.key.iter().all(is_generated)
    }
}

/// The statements that bring a table to what the catalog wants; none when it is there already.
///
/// `fresh` becomes the place of a table that has to be made.
pub(crate) fn plan(
    table: &Table,
    existing: Option<&Existing>,
    fresh: Uuid,
) -> Result<Vec<String>, String> {
    let told = |error: Error| error.to_string();
    let Some(existing) = existing else {
        let mark = comment(table, fresh, false).map_err(told)?;
        return Ok(vec![table.create().map_err(told)?, mark]);
    };
    let known = existing.comment.as_deref();
    let place = place_of(known).or_else(|| existing.is_theirs().then_some(fresh));
    let place = place.ok_or_else(|| foreign(table))?;
    same_key(table, existing)?;
    let mut statements = Vec::new();
    statements.extend(missing_columns(table, existing));
    if let Some(check) = &table.check {
        statements.extend(account_check(table, check, existing)?);
    }
    let taken_over = place_of(known).is_none() || is_taken_over(known);
    if known != Some(&mark::comment(&table.mark, place, table.kind, taken_over)) {
        statements.push(comment(table, place, taken_over).map_err(told)?);
    }
    Ok(statements)
}

fn foreign(table: &Table) -> String {
    format!(
        "the table {} exists and was not made by sync-engine; it is left alone: choose another \
         `schema`, or rename that table",
        table.name
    )
}

fn comment(table: &Table, place: Uuid, taken_over: bool) -> Result<String, Error> {
    let text = Literal::new(&mark::comment(&table.mark, place, table.kind, taken_over))?;
    Ok(format!("COMMENT ON TABLE {} IS {text}", table.name))
}

fn same_key(table: &Table, existing: &Existing) -> Result<(), String> {
    let wanted: Vec<&str> = table.key.iter().map(Ident::name).collect();
    if wanted == existing.key {
        return Ok(());
    }
    let (has, wants) = (existing.key.join(", "), wanted.join(", "));
    let name = &table.name;
    Err(format!(
        "the table {name} has the key ({has}), the catalog wants ({wants}); to migrate, rename it \
         (ALTER TABLE {name} RENAME TO …), run setup, which makes it anew, sync it again, then \
         drop the old one"
    ))
}

/// One statement for all columns: each would rewrite the table.
fn missing_columns(table: &Table, existing: &Existing) -> Option<String> {
    let missing: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !existing.columns.contains_key(column.name.name()))
        .map(|column| format!("ADD COLUMN {} {}", column.name, column.definition))
        .collect();
    (!missing.is_empty()).then(|| format!("ALTER TABLE {} {}", table.name, missing.join(", ")))
}

fn account_check(table: &Table, check: &Check, existing: &Existing) -> Result<Vec<String>, String> {
    let told = |error: Error| error.to_string();
    let (name, rule) = (&check.name, check.rule().map_err(told)?);
    let add = format!("ALTER TABLE {} ADD CONSTRAINT {name} {rule} NOT VALID", table.name);
    let validate = format!("ALTER TABLE {} VALIDATE CONSTRAINT {name}", table.name);
    let Some(definition) = existing.check.as_deref() else { return Ok(vec![add, validate]) };
    let accounts = accounts_of(definition);
    if accounts == check.accounts {
        return Ok(Vec::new());
    }
    let drop = format!("ALTER TABLE {} DROP CONSTRAINT {name}", table.name);
    if accounts.is_subset(&check.accounts) {
        return Ok(vec![drop, add, validate]);
    }
    let list = |accounts: &BTreeSet<String>| {
        accounts.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    Err(format!(
        "the table {} holds data of account {}, the catalog is of {}; use another `schema`, or \
         give up the old account with: {drop}",
        table.name,
        list(&accounts),
        list(&check.accounts)
    ))
}

/// The accounts in a constraint as the server prints it: every literal that is not the field's
/// name. One account is printed as `= 'a'::text`, several as `= ANY (ARRAY['a'::text, …])`.
fn accounts_of(definition: &str) -> BTreeSet<String> {
    let mut accounts = BTreeSet::new();
    let mut rest = definition;
    while let Some((before, after)) = rest.split_once('\'') {
        let is_field = before.trim_end().ends_with("->>");
        let (value, behind) = literal(after);
        if !is_field {
            accounts.insert(value);
        }
        rest = behind;
    }
    accounts
}

/// Reads a literal behind its opening quote; two quotes in a row are one of its characters.
fn literal(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = text;
    while let Some((part, behind)) = rest.split_once('\'') {
        value.push_str(part);
        match behind.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return (value, behind),
        }
    }
    (value, "")
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
