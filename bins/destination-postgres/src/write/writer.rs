//! What is kept of a stream between batches.

use connector::StreamPlan;
use pg::{Error, Ident};

use super::Outcome;
use crate::{schema::Table, sql::Statements};

/// How one stream is written.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) table: Table,
    pub(crate) statements: Statements,
    /// The field that marks a deleted object, where the stream has one.
    pub(crate) soft_delete_field: Option<String>,
    /// Whether rows are looked up before any is sent: right when most of them are there already.
    pub(crate) looks_first: bool,
    /// Whether this run has been noted at the table's place.
    pub(crate) run_is_noted: bool,
}

impl Writer {
    pub(crate) fn of(schema: &Ident, plan: &StreamPlan) -> Result<Self, String> {
        let table = Table::of(schema, plan)?;
        let told = |error: Error| error.to_string();
        let statements = Statements::of(&table, plan).map_err(told)?;
        let soft_delete_field = plan.stream().soft_delete_field.clone();
        Ok(Self { table, statements, soft_delete_field, looks_first: false, run_is_noted: false })
    }

    /// Learns from a batch that was stored.
    pub(crate) fn learn(&mut self, outcome: &Outcome) {
        self.looks_first = outcome.found.saturating_mul(2) > outcome.keys;
        self.run_is_noted = true;
    }
}
