//! Says whether the spreadsheet can be reached and could hold these streams.

use connector::Error;

use crate::book::Book;
use crate::client::Client;
use crate::config::Options;
use crate::quota::estimated_seconds;
use crate::schema::{MOST_CELLS, Schema};
use crate::setup;

/// Returns what a person wants to know. Makes nothing.
pub(crate) async fn check(options: &Options, schemas: &[Schema]) -> Result<String, Error> {
    let Some(spreadsheet) = &options.spreadsheet else {
        return Ok(format!("spreadsheet `{}`: to be made by setup", options.title));
    };
    let mut client = Client::impatient(options)?;
    let book = Book::read(&mut client, spreadsheet).await?;
    setup::check(&book, schemas)?;
    let there = schemas.iter().filter(|schema| book.tab_of(&schema.stream).is_some()).count();
    let to_make = schemas.len().saturating_sub(there);
    let widest = schemas.iter().map(|schema| schema.columns.len()).max().unwrap_or(20);
    let widest = u64::try_from(widest).unwrap_or(u64::MAX);
    let seconds = estimated_seconds(10_000, widest, options.requests_per_minute);
    let (title, cells) = (&book.title, book.cell_count());
    Ok(format!(
        "spreadsheet `{title}`: {there} tabs are there, {to_make} to be made, {cells} of \
         {MOST_CELLS} cells are used; 10,000 rows take about {seconds} s"
    ))
}
