//! A spreadsheet, and what people do to it by hand.

use serde_json::{Value, json};

use super::a1::{self, Area};
use super::api::Refusal;
use super::cell::Cell;
use super::grid::Grid;
use crate::failure::fail;

/// Most cells of a spreadsheet, over all tabs.
const MOST_CELLS: usize = 10_000_000;
const MOST_TABS: usize = 200;
const MOST_COLUMNS: usize = 18_278;
const MOST_TITLE: usize = 100;

/// A spreadsheet.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pub(super) title: String,
    pub(super) tabs: Vec<Tab>,
    pub(super) metadata: Vec<Value>,
    pub(super) next_number: i64,
}

/// A tab.
#[derive(Debug, Clone)]
pub(super) struct Tab {
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) is_hidden: bool,
    pub(super) grid: Grid,
    pub(super) metadata: Vec<Value>,
    pub(super) protected: Vec<Value>,
    pub(super) formats: Vec<Value>,
}

impl Tab {
    pub(super) fn new(id: i64, title: &str, grid: Grid) -> Self {
        let title = title.to_owned();
        let (metadata, protected, formats) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, title, is_hidden: false, grid, metadata, protected, formats }
    }
}

impl Book {
    /// A number that nothing else has.
    pub(super) fn number(&mut self) -> i64 {
        self.next_number = self.next_number.saturating_add(1);
        self.next_number
    }

    pub(super) fn add(&mut self, tab: Tab, at: Option<usize>) -> Result<(), Refusal> {
        let title = &tab.title;
        if self.tabs.iter().any(|other| other.title.eq_ignore_ascii_case(title)) {
            return Err(Refusal::invalid(&format!(
                "A sheet with the name \"{title}\" already exists. Please enter another name."
            )));
        }
        if self.tabs.iter().any(|other| other.id == tab.id) {
            return Err(Refusal::invalid(&format!(
                "A sheet with the ID {} already exists.",
                tab.id
            )));
        }
        if title.chars().count() > MOST_TITLE {
            return Err(Refusal::invalid("Sheet name is too long."));
        }
        if self.tabs.len() >= MOST_TABS {
            return Err(Refusal::invalid("Too many sheets."));
        }
        self.tabs.insert(at.unwrap_or(self.tabs.len()).min(self.tabs.len()), tab);
        self.check_size()
    }

    pub(super) fn check_size(&self) -> Result<(), Refusal> {
        let cells: usize = self.tabs.iter().map(|tab| tab.grid.cell_count()).sum();
        if cells > MOST_CELLS {
            return Err(Refusal::invalid(&format!(
                "This action would increase the number of cells in the workbook above the limit of {MOST_CELLS} cells."
            )));
        }
        if self.tabs.iter().any(|tab| tab.grid.column_count > MOST_COLUMNS) {
            return Err(Refusal::invalid("Too many columns."));
        }
        Ok(())
    }

    pub(super) fn by_id(&mut self, id: i64) -> Result<&mut Tab, Refusal> {
        let found = self.tabs.iter_mut().find(|tab| tab.id == id);
        found.ok_or_else(|| Refusal::invalid(&format!("No grid with id: {id}")))
    }

    /// The tab of a range, and the part of it that is meant.
    fn area(&mut self, range: &str) -> Result<(&mut Tab, Area), Refusal> {
        let refused = || Refusal::invalid(&format!("Unable to parse range: {range}"));
        let area = a1::parse(range).ok_or_else(refused)?;
        let tab = self.tabs.iter_mut().find(|tab| tab.title == area.title).ok_or_else(refused)?;
        let (rows, columns) = (tab.grid.row_count, tab.grid.column_count);
        let is_out = area.first_row >= rows || area.first_column >= columns;
        let ends_out = area.end_row.is_some_and(|end| end > rows)
            || area.end_column.is_some_and(|end| end > columns);
        if is_out || ends_out {
            return Err(Refusal::invalid(&format!(
                "Range ({range}) exceeds grid limits. Max rows: {rows}, max columns: {columns}"
            )));
        }
        Ok((tab, area))
    }

    /// The cells of a range, as an answer says them.
    pub(super) fn read(
        &mut self,
        range: &str,
        is_formatted: bool,
    ) -> Result<Vec<Vec<Value>>, Refusal> {
        let (tab, area) = self.area(range)?;
        let grid = &tab.grid;
        let rows = (area.first_row, area.end_row.unwrap_or(grid.row_count));
        let columns = (area.first_column, area.end_column.unwrap_or(grid.column_count));
        Ok(grid.read(rows, columns, is_formatted))
    }

    /// Writes rows at the beginning of a range, within it.
    pub(super) fn write(
        &mut self,
        range: &str,
        rows: &[Value],
        is_raw: bool,
    ) -> Result<usize, Refusal> {
        let (tab, area) = self.area(range)?;
        let end_row = area.end_row.unwrap_or(tab.grid.row_count);
        let end_column = area.end_column.unwrap_or(tab.grid.column_count);
        // A single cell names a corner, from which any number of rows is written.
        let is_corner = Some(area.first_row.saturating_add(1)) == area.end_row
            && Some(area.first_column.saturating_add(1)) == area.end_column;
        let (end_row, end_column) = if is_corner {
            (tab.grid.row_count, tab.grid.column_count)
        } else {
            (end_row, end_column)
        };
        for (at, row) in (area.first_row..).zip(rows) {
            let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
            if at >= end_row || area.first_column.saturating_add(cells.len()) > end_column {
                return Err(Refusal::invalid(&format!(
                    "Requested writing within range [{range}], but tried writing outside of it"
                )));
            }
            write_row(&mut tab.grid, (at, area.first_column), cells, is_raw)?;
        }
        Ok(rows.len())
    }
}

fn write_row(
    grid: &mut Grid,
    (row, first_column): (usize, usize),
    values: &[Value],
    is_raw: bool,
) -> Result<(), Refusal> {
    let read = if is_raw { Cell::raw } else { Cell::typed };
    for (column, value) in (first_column..).zip(values) {
        let Some(cell) = read(value) else { continue };
        if cell.is_too_long() {
            return Err(Refusal::invalid(
                "Your input contains more than the maximum of 50000 characters in a single cell.",
            ));
        }
        grid.set(row, column, cell);
    }
    Ok(())
}

/// What people do by hand. A tab that is not there fails the test.
impl Book {
    #[track_caller]
    fn named(&mut self, title: &str) -> &mut Tab {
        let names: Vec<String> = self.tabs.iter().map(|tab| tab.title.clone()).collect();
        let found = self.tabs.iter_mut().find(|tab| tab.title == title);
        found.unwrap_or_else(|| fail(&format!("no tab `{title}` among {names:?}")))
    }

    /// The names of the tabs, in order.
    pub fn titles(&self) -> Vec<String> {
        self.tabs.iter().map(|tab| tab.title.clone()).collect()
    }

    /// Whether a tab is not shown.
    #[track_caller]
    pub fn is_hidden(&mut self, title: &str) -> bool {
        self.named(title).is_hidden
    }

    /// All cells of a tab, as they are; formulas as `#EVALUATED`.
    #[track_caller]
    pub fn cells(&mut self, title: &str) -> Vec<Vec<Value>> {
        let grid = &self.named(title).grid;
        grid.read((0, grid.row_count), (0, grid.column_count), false)
    }

    /// Ranges that warn who types in them, and cell formats, of a tab.
    #[track_caller]
    pub fn trimmings(&mut self, title: &str) -> (Vec<Value>, Vec<Value>) {
        let tab = self.named(title);
        (tab.protected.clone(), tab.formats.clone())
    }

    /// Types a value into a cell, such as `B2`; the grid grows when it must.
    #[track_caller]
    pub fn type_in(&mut self, title: &str, cell: &str, value: &str) {
        let Some(area) = a1::parse(&format!("x!{cell}")) else {
            fail(&format!("`{cell}` is no cell"));
        };
        let grid = &mut self.named(title).grid;
        grid.row_count = grid.row_count.max(area.first_row.saturating_add(1));
        grid.column_count = grid.column_count.max(area.first_column.saturating_add(1));
        let content = Cell::typed(&json!(value)).unwrap_or_default();
        grid.set(area.first_row, area.first_column, content);
    }

    /// Renames a tab.
    #[track_caller]
    pub fn rename(&mut self, title: &str, new: &str) {
        new.clone_into(&mut self.named(title).title);
    }

    /// Deletes a tab.
    #[track_caller]
    pub fn delete(&mut self, title: &str) {
        let id = self.named(title).id;
        self.tabs.retain(|tab| tab.id != id);
    }

    /// Adds an empty tab of a size.
    pub fn add_tab(&mut self, title: &str, rows: usize, columns: usize) {
        let id = self.number();
        self.tabs.push(Tab::new(id, title, Grid::new(rows, columns)));
    }

    /// Makes a copy of a tab, as the menu does.
    #[track_caller]
    pub fn copy(&mut self, title: &str, new: &str) {
        let (id, original) = (self.number(), self.named(title).clone());
        self.tabs.insert(0, Tab { id, title: new.to_owned(), ..original });
    }

    /// Inserts a column before number `at` (from 0), with a header.
    #[track_caller]
    pub fn insert_column(&mut self, title: &str, at: usize, header: &str) {
        let grid = &mut self.named(title).grid;
        grid.insert_columns(at, 1);
        grid.set(0, at, Cell::Text(header.to_owned()));
    }

    /// Deletes column number `at` (from 0).
    #[track_caller]
    pub fn delete_column(&mut self, title: &str, at: usize) {
        self.named(title).grid.remove_columns(at, at.saturating_add(1));
    }

    /// Moves column number `from` to where number `to` was (both from 0).
    #[track_caller]
    pub fn move_column(&mut self, title: &str, from: usize, to: usize) {
        let grid = &mut self.named(title).grid;
        let columns = (from, from.saturating_add(1));
        let count = grid.row_count;
        let cells: Vec<Option<Cell>> = (0..count)
            .map(|row| {
                let read = grid.read((row, row.saturating_add(1)), columns, false);
                Cell::raw(read.first()?.first()?)
            })
            .collect();
        grid.remove_columns(from, from.saturating_add(1));
        grid.insert_columns(to, 1);
        for (row, cell) in cells.into_iter().enumerate() {
            if let Some(cell) = cell {
                grid.set(row, to, cell);
            }
        }
    }

    /// Inserts an empty row before number `row` (from 1).
    #[track_caller]
    pub fn insert_row(&mut self, title: &str, row: usize) {
        self.named(title).grid.insert_rows(row.saturating_sub(1), 1);
    }

    /// Deletes row number `row` (from 1).
    #[track_caller]
    pub fn delete_row(&mut self, title: &str, row: usize) {
        self.named(title).grid.remove_rows(row.saturating_sub(1), row);
    }

    /// Sorts the rows below the header by column number `column` (from 0), the largest first.
    #[track_caller]
    pub fn sort_descending(&mut self, title: &str, column: usize) {
        self.named(title).grid.sort_descending(column);
    }
}
