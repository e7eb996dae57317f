//! The tab of dead letters: hidden, made with the first of them.

use connector::{DeadLetter, Error, Refused};
use serde_json::{Value, json};

use crate::book::{Book, LETTERS_KEY, Tab};
use crate::client::Client;
use crate::clock;
use crate::failure::Failure;
use crate::layout::letter::{self, LETTER_COLUMNS};
use crate::layout::{Changes, tail_range};
use crate::setup::{free_title, new_tab_id};
use crate::values::{self, Rows};

/// The tab's name, if it is free.
const TITLE: &str = "_dead_letters";
/// Rows of a new tab; it grows.
const ROWS: u64 = 100;

/// Keeps records that could not be stored, each with its stream.
pub(crate) async fn keep(
    client: &mut Client,
    spreadsheet: &str,
    refused: &[(&str, Refused)],
) -> Result<(), Error> {
    if refused.is_empty() {
        return Ok(());
    }
    let mut book = Book::read(client, spreadsheet).await?;
    if book.letters().is_none() {
        values::restructure(client, spreadsheet, &make(&book)).await?;
        book = Book::read(client, spreadsheet).await?;
    }
    let Some(tab) = book.letters() else {
        return Err(Error::unreachable("making a tab for dead letters: it is not there")
            .hint("nothing is lost: run again"));
    };
    let rows = read_rows(client, spreadsheet, tab).await?;
    let now = clock::now().to_string();
    let all = refused.iter().map(|(stream, refused)| (*stream, refused));
    let cells = letter::add(&rows, all, &now);
    let mut grow = Vec::new();
    for (dimension, needed, there) in [
        ("ROWS", cells.row_count, tab.row_count),
        ("COLUMNS", cells.column_count, tab.column_count),
    ] {
        if needed > there {
            grow.push(json!({"appendDimension": {
                "sheetId": tab.id, "dimension": dimension, "length": needed.saturating_sub(there),
            }}));
        }
    }
    values::restructure(client, spreadsheet, &grow).await?;
    write(client, spreadsheet, (tab, &cells.changes)).await
}

/// The letters of one stream or of all, with numbers greater than `after`.
pub(crate) async fn list(
    client: &mut Client,
    spreadsheet: &str,
    (stream, after): (Option<&str>, i64),
) -> Result<Vec<DeadLetter>, Error> {
    let book = Book::read(client, spreadsheet).await?;
    let Some(tab) = book.letters() else { return Ok(Vec::new()) };
    let mut letters = letter::letters(&read_rows(client, spreadsheet, tab).await?);
    letters.retain(|letter| {
        letter.number > after && stream.is_none_or(|stream| letter.stream == stream)
    });
    Ok(letters)
}

/// Removes letters that were not refused again since they were read.
pub(crate) async fn forget(
    client: &mut Client,
    spreadsheet: &str,
    gone: &[DeadLetter],
) -> Result<(), Error> {
    let book = Book::read(client, spreadsheet).await?;
    let Some(tab) = book.letters() else { return Ok(()) };
    let rows = read_rows(client, spreadsheet, tab).await?;
    write(client, spreadsheet, (tab, &letter::remove(&rows, gone))).await
}

async fn read_rows(client: &mut Client, spreadsheet: &str, tab: &Tab) -> Result<Rows, Failure> {
    if tab.row_count < 2 {
        return Ok(Rows::new());
    }
    let range = tail_range(&tab.title, tab.column_count, 2);
    Ok(values::read(client, spreadsheet, &[range]).await?.pop().unwrap_or_default())
}

async fn write(
    client: &mut Client,
    spreadsheet: &str,
    (tab, changes): (&Tab, &Changes),
) -> Result<(), Error> {
    Ok(values::write(client, spreadsheet, [(tab.title.as_str(), changes)]).await?)
}

/// The requests that make the tab.
fn make(book: &Book) -> Vec<Value> {
    let tab = new_tab_id();
    let columns = LETTER_COLUMNS.len();
    let grid = json!({"rowCount": ROWS, "columnCount": columns, "frozenRowCount": 1});
    let title = free_title(book, TITLE);
    let properties =
        json!({"sheetId": tab, "title": title, "hidden": true, "gridProperties": grid});
    vec![
        json!({"addSheet": {"properties": properties}}),
        json!({"createDeveloperMetadata": {"developerMetadata": {
            "metadataKey": LETTERS_KEY,
            "metadataValue": tab.to_string(),
            "location": {"sheetId": tab},
            "visibility": "DOCUMENT",
        }}}),
        values::fill(tab, (0, 0), &[LETTER_COLUMNS.map(Value::from).to_vec()]),
    ]
}
