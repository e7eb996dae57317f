//! What is known of a tab's rows, and what becomes of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use connector::version::{Action, Stored, Version, content_of, resolve};
use connector::{Key, Row};
use protocol::WrittenCounts;
use serde_json::Value;

use super::cell::{Cells, fits, hash, stamp, truth};
use super::changes::Changes;
use crate::schema::Schema;

/// A row that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// Where it stands, from 1.
    pub(crate) row: u64,
    pub(crate) stored: Stored,
}

/// Where a tab's columns and rows are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// The sheet column of each column of the schema, from 0.
    pub(crate) columns: Vec<u64>,
    pub(crate) rows: BTreeMap<Key, Held>,
    /// Where the next new row goes: below everything that stands in the tab.
    pub(crate) next_row: u64,
}

/// The columns that a tab's rows are known by, as read: one list of cells from row 2 on each.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) key: Vec<Vec<Value>>,
    pub(crate) stamp: Vec<Value>,
    pub(crate) hash: Vec<Value>,
    pub(crate) deleted: Vec<Value>,
}

/// What a person should hear of a tab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Rows with something under our columns that is no row of ours.
    pub(crate) foreign: u64,
    /// Rows whose key stands further up already.
    pub(crate) repeated: u64,
}

impl Model {
    /// Makes out our rows among those that were read.
    pub(crate) fn read(columns: Vec<u64>, reading: &Reading) -> (Self, Outcome) {
        let lists = reading.key.iter().chain([&reading.stamp, &reading.hash, &reading.deleted]);
        let count = lists.map(Vec::len).max().unwrap_or_default();
        let mut model = Self { columns, rows: BTreeMap::new(), next_row: 2 };
        let mut outcome = Outcome::default();
        for at in 0..count {
            let number = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(2);
            let cells: Vec<String> = reading.key.iter().map(|list| text(list.get(at))).collect();
            let is_empty = cells.iter().all(String::is_empty);
            if is_empty
                && text(reading.hash.get(at)).is_empty()
                && text(reading.stamp.get(at)).is_empty()
            {
                continue;
            }
            model.next_row = number.saturating_add(1);
            if cells.iter().any(String::is_empty) {
                outcome.foreign = outcome.foreign.saturating_add(1);
            } else if let Entry::Vacant(place) = model.rows.entry(cells) {
                place.insert(Held { row: number, stored: reading.stored(at) });
            } else {
                outcome.repeated = outcome.repeated.saturating_add(1);
            }
        }
        (model, outcome)
    }

    /// Nothing may be written above this row that is not there yet.
    pub(crate) fn keep_clear_to(&mut self, row: u64) {
        self.next_row = self.next_row.max(row);
    }
}

impl Reading {
    fn stored(&self, at: usize) -> Stored {
        let deleted = text(self.deleted.get(at)).eq_ignore_ascii_case("true");
        // A row that a person typed has no stamp: whatever comes is newer.
        let stamp = text(self.stamp.get(at)).parse().unwrap_or(i64::MIN);
        let hash = text(self.hash.get(at));
        let hash = u64::from_str_radix(&hash, 16).ok().filter(|_| hash.len() == 16);
        // A cleared hash matches nothing, so that the row is written again.
        let content = content_of(hash.unwrap_or_default().cast_signed(), stamp, deleted);
        Stored { stamp, content, deleted }
    }
}

/// A cell's text; numbers as they are shown without format.
pub(super) fn text(cell: Option<&Value>) -> String {
    match cell {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => {
            let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15);
            whole.map_or_else(|| number.to_string(), |value| format!("{value:.0}"))
        }
        Some(Value::Bool(truth)) => truth.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

/// What a batch makes of a tab.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyCells {
    /// Cells to write.
    pub(crate) changes: Changes,
    /// Rows as they are afterwards.
    pub(crate) rows: Vec<(Key, Held)>,
    pub(crate) counts: WrittenCounts,
    /// Texts that were cut.
    pub(crate) cut: u64,
    /// Records whose key no cell can hold.
    pub(crate) refused: Vec<(Key, Row)>,
    next_row: u64,
}

impl KeyCells {
    /// Begins with what is known.
    pub(crate) fn new(model: &Model) -> Self {
        Self { next_row: model.next_row, ..Self::default() }
    }

    /// The row behind the last one that is added.
    pub(crate) const fn next_row(&self) -> u64 {
        self.next_row
    }

    /// What is known once the changes are written.
    pub(crate) fn apply(self, model: &mut Model) {
        model.next_row = self.next_row;
        model.rows.extend(self.rows);
    }

    fn set(&mut self, model: &Model, held: &Held, cells: impl IntoIterator<Item = (usize, Value)>) {
        for (at, value) in cells {
            if let Some(column) = model.columns.get(at) {
                self.changes.set(held.row, *column, value);
            }
        }
    }
}

/// Decides on all versions of one key, and adds the cells that change.
pub(crate) fn key_cells(
    schema: &Schema,
    model: &Model,
    (key, rows): (&Key, &[Row]),
    into: &mut KeyCells,
) {
    if !key.iter().all(|part| fits(part) && !part.is_empty()) {
        // Two keys that are cut alike would be one row.
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        into.counts.refused = into.counts.refused.saturating_add(count);
        into.refused.extend(rows.iter().map(|row| (key.clone(), row.clone())));
        return;
    }
    let versions: Vec<Version> = rows.iter().map(|row| row.version).collect();
    let document = |index: usize| rows.get(index).map_or("{}", |row| row.document.as_str());
    decide(schema, model, key, (&versions, &document), into);
}

/// The same for versions that have no documents of their own, such as children that are gone.
pub(super) fn decide<'a>(
    schema: &Schema,
    model: &Model,
    key: &Key,
    (versions, document): (&[Version], &dyn Fn(usize) -> &'a str),
    into: &mut KeyCells,
) {
    let known = model.rows.get(key).copied();
    let resolution = resolve(known.map(|held| held.stored), versions);
    into.counts.add(&resolution.counts);
    let row = match resolution.action {
        Action::Keep => return,
        Action::Restamp(row) | Action::Mark(row) | Action::Write { row, .. } => row,
    };
    let place = known.map_or(into.next_row, |held| held.row);
    if known.is_none() {
        into.next_row = into.next_row.saturating_add(1);
    }
    let held = Held { row: place, stored: row };
    match resolution.action {
        Action::Write { index, .. } => {
            let cells = Cells::of(schema, key, document(index), &row);
            into.cut = into.cut.saturating_add(cells.cut);
            into.set(model, &held, cells.values.into_iter().enumerate());
        }
        Action::Keep | Action::Restamp(_) | Action::Mark(_) => {
            into.set(model, &held, known_by(schema, &row));
        }
    }
    into.rows.push((key.clone(), held));
}

/// The cells beside the object's own: stamp, hash, deleted mark.
fn known_by(schema: &Schema, row: &Stored) -> impl Iterator<Item = (usize, Value)> {
    let mark = schema.deleted_column.filter(|_| row.deleted);
    let mark = mark.map(|at| (at, truth(true, schema.value_mode)));
    let own = [
        (schema.stamp_column, stamp(row.stamp, schema.value_mode)),
        (schema.hash_column, hash(row)),
    ];
    own.into_iter().chain(mark)
}

/// Whether key cells that were just read are those that are known: `cells` holds each key column
/// from row `from` on.
pub(crate) fn is_as_thought(model: &Model, from: u64, cells: &[Vec<Value>]) -> bool {
    let count = cells.iter().map(Vec::len).max().unwrap_or_default();
    let mut seen = 0_usize;
    for at in 0..count {
        let number = from.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
        let key: Key = cells.iter().map(|list| text(list.get(at))).collect();
        if key.iter().any(String::is_empty) {
            continue;
        }
        match model.rows.get(&key) {
            Some(held) if held.row == number => seen = seen.saturating_add(1),
            // One that stands further up too was told and left alone.
            Some(held) if held.row < number && number < model.next_row => {}
            Some(_) | None => return false,
        }
    }
    seen == model.rows.values().filter(|held| held.row >= from).count()
}
