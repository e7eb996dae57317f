//! Room for new rows, and the note of the run that writes them: what one structural request does
//! before a batch is written. Pure.

use connector::Error;
use serde_json::{Value, json};

use crate::book::Book;
use crate::layout::{KeyCells, Model};
use crate::schema::{MOST_CELLS, Schema};
use crate::setup::time_formats;

/// Rows that a tab grows by beyond what is needed, so that it need not grow with every batch.
const SPARE_ROWS: u64 = 1000;

/// Requests, and the spreadsheet as it is once they are done.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) book: Book,
    pub(super) requests: Vec<Value>,
}

impl Room {
    pub(super) fn new(book: &Book) -> Self {
        Self { book: book.clone(), requests: Vec::new() }
    }

    /// Makes room for the rows that a stream's tab gets.
    pub(super) fn make(
        &mut self,
        schema: &Schema,
        model: &Model,
        cells: &KeyCells,
    ) -> Result<(), Error> {
        let stream = &schema.stream;
        let total = self.book.cell_count();
        let Some(tab) = self.book.tab_of(stream).map(|(tab, _, _)| tab) else { return Ok(()) };
        let lacking = cells.next_row().saturating_sub(1).saturating_sub(tab.row_count);
        if lacking == 0 {
            return Ok(());
        }
        let room = MOST_CELLS.saturating_sub(total) / tab.column_count.max(1);
        if lacking > room {
            return Err(Error::data(format!(
                "writing stream `{stream}`: a spreadsheet may have {MOST_CELLS} cells; there is \
                 room for {room} more rows in this tab, not for {lacking}"
            ))
            .hint("choose columns with `fields`, or use a database"));
        }
        let length = lacking.saturating_add(SPARE_ROWS).min(room);
        // Rows that are added twice, after an answer that was lost, are only empty.
        self.requests.push(json!({"appendDimension": {
            "sheetId": tab.id, "dimension": "ROWS", "length": length,
        }}));
        self.requests.extend(time_formats(schema, tab.id, (&model.columns, tab.row_count)));
        let id = tab.id;
        for tab in self.book.tabs.iter_mut().filter(|tab| tab.id == id) {
            tab.row_count = tab.row_count.saturating_add(length);
        }
        Ok(())
    }

    /// Notes the engine's run with a stream's tab, unless it stands there.
    pub(super) fn note_run(&mut self, stream: &str, run: Option<&str>) {
        let Some(run) = run else { return };
        let tab = self.book.tab_of(stream).map(|(tab, _, _)| tab.id);
        let tab = self.book.tabs.iter_mut().find(|one| Some(one.id) == tab);
        if let Some((id, note)) = tab.and_then(|tab| tab.note.as_mut())
            && note.run.as_deref() != Some(run)
        {
            note.run = Some(run.to_owned());
            self.requests.push(note.update(*id));
        }
    }
}
