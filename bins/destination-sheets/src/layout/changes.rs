//! Cells that change, gathered by tab and written as few contiguous ranges.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::a1::rows_range;

/// Bytes of one request; Google recommends 2 MB
/// (<https://developers.google.com/workspace/sheets/api/limits>).
const REQUEST_BYTES: usize = 1_900_000;

/// Cells of one tab that change: by row (from 1) and column (from 0).
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Changes(BTreeMap<u64, BTreeMap<u64, Value>>);

impl Changes {
    /// Adds a cell.
    pub(crate) fn set(&mut self, row: u64, column: u64, value: Value) {
        self.0.entry(row).or_default().insert(column, value);
    }

    /// The cell's new value, if it changes.
    #[cfg(test)]
    pub(crate) fn get(&self, row: u64, column: u64) -> Option<&Value> {
        self.0.get(&row)?.get(&column)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// First and last row that change.
    pub(crate) fn span(&self) -> Option<(u64, u64)> {
        let (first, _) = self.0.first_key_value()?;
        let (last, _) = self.0.last_key_value()?;
        Some((*first, *last))
    }

    /// The changes as ranges, none larger than a request. Cells within a range that do not change
    /// are null, which leaves what stands there.
    fn ranges(&self, title: &str) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        for (row, cells) in &self.0 {
            let Some(columns) = ends(cells) else { continue };
            let values: Vec<Value> = (columns.0..=columns.1)
                .map(|column| cells.get(&column).cloned().unwrap_or_default())
                .collect();
            let text = Value::Array(values).to_string();
            match ranges.last_mut() {
                Some(range) if range.takes(*row, columns, &text) => range.push(*row, &text),
                Some(_) | None => ranges.push(Range {
                    title: title.to_owned(),
                    columns,
                    rows: (*row, *row),
                    values: text,
                }),
            }
        }
        ranges
    }
}

fn ends(cells: &BTreeMap<u64, Value>) -> Option<(u64, u64)> {
    Some((*cells.first_key_value()?.0, *cells.last_key_value()?.0))
}

/// Rows below each other, as the JSON text of their cells, with commas between.
struct Range {
    title: String,
    columns: (u64, u64),
    rows: (u64, u64),
    values: String,
}

impl Range {
    fn takes(&self, row: u64, columns: (u64, u64), text: &str) -> bool {
        self.columns == columns
            && self.rows.1.saturating_add(1) == row
            && self.values.len().saturating_add(text.len()) < REQUEST_BYTES
    }

    fn push(&mut self, row: u64, text: &str) {
        self.rows.1 = row;
        self.values.push(',');
        self.values.push_str(text);
    }

    fn json(&self) -> String {
        let range = json!(rows_range(&self.title, self.columns, self.rows));
        format!("{{\"range\":{range},\"values\":[{}]}}", self.values)
    }
}

/// The bodies of the `values:batchUpdate` requests that write the changes of some tabs, each within
/// the size that Google recommends, unless one row alone is larger.
pub(crate) fn bodies<'a>(tabs: impl IntoIterator<Item = (&'a str, &'a Changes)>) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let mut open = String::new();
    let ranges = tabs.into_iter().flat_map(|(title, changes)| changes.ranges(title));
    for range in ranges {
        let text = range.json();
        if !open.is_empty() && open.len().saturating_add(text.len()) >= REQUEST_BYTES {
            bodies.push(body(&open));
            open.clear();
        }
        if !open.is_empty() {
            open.push(',');
        }
        open.push_str(&text);
    }
    if !open.is_empty() {
        bodies.push(body(&open));
    }
    bodies
}

fn body(ranges: &str) -> Vec<u8> {
    format!("{{\"valueInputOption\":\"RAW\",\"data\":[{ranges}]}}").into_bytes()
}
