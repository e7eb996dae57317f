//! Removes what setup made, and nothing else.

use connector::Error;
use protocol::ConfiguredCatalog;
use serde_json::{Value, json};

use crate::book::Book;
use crate::client::Client;
use crate::config::Options;
use crate::values;

/// Removes the tabs of these streams, or all of ours; the spreadsheet only if setup made it and
/// nothing else would be left in it. Returns what was done, for a person.
pub(crate) async fn teardown(
    options: &Options,
    streams: Option<&ConfiguredCatalog>,
) -> Result<String, Error> {
    let Some(spreadsheet) = &options.spreadsheet else {
        return Ok("no `spreadsheet_id` is given: nothing removed".to_owned());
    };
    let mut client = Client::open(options)?;
    let book = Book::read(&mut client, spreadsheet).await?;
    let is_wanted = |stream: &str| {
        streams.is_none_or(|all| all.streams.iter().any(|one| one.stream.name == stream))
    };
    let is_left = |stream: &Option<String>| stream.as_deref().is_some_and(|name| !is_wanted(name));
    let any_left = book.ours().any(|(_, _, note)| is_left(&note.stream));
    let gone: Vec<_> = book
        .ours()
        .filter(|(_, _, note)| note.stream.as_deref().map_or(!any_left, is_wanted))
        .map(|(tab, _, _)| tab)
        .chain(book.letters().filter(|_| !any_left))
        .collect();
    if gone.is_empty() {
        return Ok(format!("nothing in `{}` was made by sync-engine: nothing removed", book.title));
    }
    if gone.len() == book.tabs.len() && book.is_made {
        client.delete(spreadsheet).await?;
        return Ok(format!("deleted spreadsheet `{}`", book.title));
    }
    let mut requests: Vec<Value> = Vec::new();
    if gone.len() == book.tabs.len() {
        // A spreadsheet must have a tab.
        requests.push(json!({"addSheet": {"properties": {"title": "Sheet1"}}}));
    }
    requests.extend(gone.iter().map(|tab| json!({"deleteSheet": {"sheetId": tab.id}})));
    values::restructure(&mut client, spreadsheet, &requests).await?;
    let names: Vec<&str> = gone.iter().map(|tab| tab.title.as_str()).collect();
    Ok(format!("removed from `{}`: {}", book.title, names.join(", ")))
}
