//! The cells of a tab.

use serde_json::{Value, json};

use super::cell::Cell;

/// A grid of a size, most of which may be empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Grid {
    pub(super) row_count: usize,
    pub(super) column_count: usize,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    pub(super) const fn new(row_count: usize, column_count: usize) -> Self {
        Self { row_count, column_count, rows: Vec::new() }
    }

    pub(super) const fn cell_count(&self) -> usize {
        self.row_count.saturating_mul(self.column_count)
    }

    /// Sets a cell, which must lie in the grid.
    pub(super) fn set(&mut self, row: usize, column: usize, cell: Cell) {
        if self.rows.len() <= row {
            self.rows.resize(row.saturating_add(1), Vec::new());
        }
        if let Some(cells) = self.rows.get_mut(row) {
            if cells.len() <= column {
                cells.resize(column.saturating_add(1), Cell::Empty);
            }
            if let Some(place) = cells.get_mut(column) {
                *place = cell;
            }
        }
    }

    /// Rows of an area, without empty cells at a row's end and empty rows at the end.
    pub(super) fn read(
        &self,
        (first_row, end_row): (usize, usize),
        (first_column, end_column): (usize, usize),
        is_formatted: bool,
    ) -> Vec<Vec<Value>> {
        let rows = self.rows.iter().take(end_row).skip(first_row);
        let mut read: Vec<Vec<Value>> = rows
            .map(|cells| {
                let cells = cells.iter().take(end_column).skip(first_column);
                let mut row: Vec<Value> = cells.map(|cell| cell.shown(is_formatted)).collect();
                trim(&mut row, |value| *value == json!(""));
                row
            })
            .collect();
        trim(&mut read, Vec::is_empty);
        read
    }

    /// The number of rows up to the last that holds anything.
    pub(super) fn used_rows(&self) -> usize {
        let is_used = |row: &Vec<Cell>| row.iter().any(|cell| *cell != Cell::Empty);
        self.rows.iter().rposition(is_used).map_or(0, |at| at.saturating_add(1))
    }

    pub(super) fn insert_rows(&mut self, at: usize, count: usize) {
        self.row_count = self.row_count.saturating_add(count);
        if at <= self.rows.len() {
            let new = std::iter::repeat_n(Vec::new(), count);
            drop(self.rows.splice(at..at, new));
        }
    }

    pub(super) fn remove_rows(&mut self, first: usize, end: usize) {
        let (first, end) = (first.min(self.row_count), end.min(self.row_count));
        self.row_count = self.row_count.saturating_sub(end.saturating_sub(first));
        let (first, end) = (first.min(self.rows.len()), end.min(self.rows.len()));
        drop(self.rows.drain(first..end));
    }

    pub(super) fn insert_columns(&mut self, at: usize, count: usize) {
        self.column_count = self.column_count.saturating_add(count);
        for cells in self.rows.iter_mut().filter(|cells| cells.len() > at) {
            let new = std::iter::repeat_n(Cell::Empty, count);
            drop(cells.splice(at..at, new));
        }
    }

    pub(super) fn remove_columns(&mut self, first: usize, end: usize) {
        let (first, end) = (first.min(self.column_count), end.min(self.column_count));
        self.column_count = self.column_count.saturating_sub(end.saturating_sub(first));
        for cells in &mut self.rows {
            let (first, end) = (first.min(cells.len()), end.min(cells.len()));
            drop(cells.drain(first..end));
        }
    }

    /// Sorts every row but the first by the text of a column, the largest first.
    pub(super) fn sort_descending(&mut self, column: usize) {
        let Some((_, rows)) = self.rows.split_first_mut() else { return };
        let text = |cells: &Vec<Cell>| {
            cells.get(column).map_or_else(String::new, |cell| cell.shown(true).to_string())
        };
        rows.sort_by_key(|cells| std::cmp::Reverse(text(cells)));
    }
}

fn trim<T>(list: &mut Vec<T>, is_empty: impl Fn(&T) -> bool) {
    let kept = list.iter().rposition(|one| !is_empty(one)).map_or(0, |at| at.saturating_add(1));
    list.truncate(kept);
}
