//! A look before writing: do the rows that will be written still stand where they stood?
//!
//! People sort, insert and move while a run goes on. What is read here is the header, the key
//! columns from the first row that changes on, and what stands below the last row.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::book::{Book, Tab};
use crate::client::Client;
use crate::failure::Failure;
use crate::layout::{
    KeyCells, Model, column_range, columns, header_range, is_as_thought, tail_range,
};
use crate::overview;
use crate::schema::Schema;
use crate::values::{self, Rows, column};

/// A tab about to be written.
pub(super) struct Glance<'a> {
    pub(super) schema: &'a Schema,
    pub(super) model: &'a Model,
    pub(super) cells: &'a KeyCells,
}

/// What a look has shown.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The streams whose tabs are not as they were thought to be.
    pub(super) moved: BTreeSet<String>,
    /// What the overview lists now, if there is one.
    pub(super) listed: Option<Vec<String>>,
}

/// Looks at the tabs about to be written, and at the overview.
pub(super) async fn look(
    client: &mut Client,
    (spreadsheet, book): (&str, &Book),
    glances: &[Glance<'_>],
) -> Result<Seen, Failure> {
    let mut ranges: Vec<String> = Vec::new();
    let mut asked: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, glance) in glances.iter().enumerate() {
        let Some((tab, _, _)) = book.tab_of(&glance.schema.stream) else { continue };
        let wanted = glance.ranges(tab);
        asked.insert(at, wanted.len());
        ranges.extend(wanted);
    }
    ranges.extend(book.overview().map(|tab| column_range(&tab.title, 0, 1)));
    let read = match values::read(client, spreadsheet, &ranges).await {
        Ok(read) => read,
        // A tab that has another name now, or fewer rows.
        Err(failure) if failure.is_refusal() => {
            let all = glances.iter().map(|glance| glance.schema.stream.clone());
            return Ok(Seen { moved: all.collect(), listed: None });
        }
        Err(failure) => return Err(failure),
    };
    let mut rest = read.as_slice();
    let mut seen = Seen::default();
    for (at, glance) in glances.iter().enumerate() {
        let count = asked.get(&at).copied().unwrap_or_default();
        let (own, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = others;
        if count == 0 || !glance.is_confirmed_by(own) {
            seen.moved.insert(glance.schema.stream.clone());
        }
    }
    seen.listed = rest.first().map(|rows| overview::listed(rows));
    Ok(seen)
}

impl Glance<'_> {
    fn from(&self) -> u64 {
        self.cells.changes.span().map_or(self.model.next_row, |(first, _)| first)
    }

    /// The header; then as far as the tab reaches the key columns and what stands below.
    fn ranges(&self, tab: &Tab) -> Vec<String> {
        let mut ranges = vec![header_range(&tab.title)];
        if self.from() <= tab.row_count {
            let keys = self.model.columns.iter().take(self.schema.key_count);
            ranges.extend(keys.map(|column| column_range(&tab.title, *column, self.from())));
        }
        if self.model.next_row <= tab.row_count {
            ranges.push(tail_range(&tab.title, tab.column_count, self.model.next_row));
        }
        ranges
    }

    fn is_confirmed_by(&self, read: &[Rows]) -> bool {
        let Some((header, rest)) = read.split_first() else { return false };
        let header: &[Value] = header.first().map_or(&[], Vec::as_slice);
        let places: Vec<u64> =
            columns(header, &self.schema.names()).into_iter().flatten().collect();
        let (keys, tail) = rest.split_at_checked(self.schema.key_count).unwrap_or((&[], rest));
        let keys: Vec<Vec<Value>> = keys.iter().map(|rows| column(rows)).collect();
        places == self.model.columns
            && is_as_thought(self.model, self.from(), &keys)
            && tail.iter().all(Vec::is_empty)
    }
}
