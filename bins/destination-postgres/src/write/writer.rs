//! What is kept of a stream between batches.

use std::sync::atomic::{AtomicBool, Ordering};

use connector::{Deletes, Shape, StreamPlan, ValueType};
use pg::Error;

use super::Outcome;
use crate::{
    client::{Client, Naming},
    schema::{Columns, Existing, Table},
    sql::Statements,
};

/// How one stream is written.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) plan: StreamPlan,
    pub(crate) naming: Naming,
    pub(crate) table: Table,
    pub(crate) statements: Statements,
    /// The field that marks a deleted object, where the stream has one.
    pub(crate) soft_delete_field: Option<String>,
    /// Whether the rows of deleted objects are removed.
    pub(crate) removes: bool,
    /// Whether rows are looked up before any is sent: right when most of them are there already.
    looks_first: AtomicBool,
    /// Whether this run has been noted at the table's place.
    run_is_noted: AtomicBool,
}

impl Writer {
    /// How to write to a table that is there.
    pub(crate) fn of(
        table: Table,
        plan: &StreamPlan,
        existing: &Existing,
        client: &Client,
    ) -> Result<Self, String> {
        let removes = client.deletes == Deletes::Hard;
        let statements = Statements::of(&table, plan).map_err(|error: Error| error.to_string())?;
        let plan = plan.clone().with_shape(shape(&table, existing));
        Ok(Self {
            soft_delete_field: plan.stream().soft_delete_field.clone(),
            naming: client.naming.clone(),
            removes,
            // A row whose removal is noted must not be inserted and then found to be stale.
            looks_first: AtomicBool::new(removes),
            run_is_noted: AtomicBool::new(false),
            statements,
            table,
            plan,
        })
    }

    pub(crate) fn looks_first(&self) -> bool {
        self.looks_first.load(Ordering::Relaxed)
    }

    pub(crate) fn run_is_noted(&self) -> bool {
        self.run_is_noted.load(Ordering::Relaxed)
    }

    /// Notes that the table has rows.
    pub(crate) fn look_first(&self) {
        self.looks_first.store(true, Ordering::Relaxed);
    }

    /// Learns from a batch that was stored.
    pub(crate) fn learn(&self, outcome: &Outcome) {
        if outcome.keys == 0 {
            return;
        }
        let looks_first = self.removes || outcome.found.saturating_mul(2) > outcome.keys;
        self.looks_first.store(looks_first, Ordering::Relaxed);
        self.run_is_noted.store(true, Ordering::Relaxed);
    }
}

/// What the columns that are there take, whatever types the catalog would give them.
fn shape(table: &Table, existing: &Existing) -> Shape {
    let mut shape = Shape::default();
    shape.replaces_characters = true;
    shape.keeps_stamp = table.kind == Columns::Reference;
    table.columns.iter().fold(shape, |shape, column| {
        let property = column.property.as_deref();
        let there = existing.columns.get(column.name.name()).filter(|there| there.is_generated);
        let value_type = match there.map(|there| there.data_type.as_str()) {
            Some("bigint") => ValueType::Integer,
            Some("numeric") => ValueType::Number,
            Some("boolean") => ValueType::Boolean,
            Some(_) | None => return shape,
        };
        match property {
            Some(property) => shape.with_typed(property, value_type),
            None => shape,
        }
    })
}
