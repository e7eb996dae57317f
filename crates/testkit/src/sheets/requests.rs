//! Structural requests: all of them, or none.

use serde_json::{Map, Value, json};

use super::api::Refusal;
use super::book::{Book, Tab};
use super::cell::Cell;
use super::grid::Grid;

/// Applies the requests in order to a copy, which is the result if none is refused.
pub(super) fn apply(book: &Book, requests: &[Value]) -> Result<Book, Refusal> {
    let mut changed = book.clone();
    for (at, request) in requests.iter().enumerate() {
        let single = request.as_object().and_then(|request| request.iter().next());
        let Some((name, body)) = single else {
            return Err(Refusal::invalid(&format!("Invalid requests[{at}]: No request set.")));
        };
        one(&mut changed, name, body).map_err(|refusal| {
            Refusal::invalid(&format!("Invalid requests[{at}].{name}: {}", refusal.message))
        })?;
    }
    changed.check_size()?;
    if changed.tabs.is_empty() {
        return Err(Refusal::invalid("You can't remove all the sheets in a document."));
    }
    Ok(changed)
}

fn one(book: &mut Book, name: &str, body: &Value) -> Result<(), Refusal> {
    match name {
        "addSheet" => add_sheet(book, body.get("properties").unwrap_or(&Value::Null)),
        "deleteSheet" => {
            let id = number(body, "/sheetId").unwrap_or_default();
            book.by_id(id)?;
            book.tabs.retain(|tab| tab.id != id);
            Ok(())
        }
        "createDeveloperMetadata" => create_metadata(book, body),
        "updateDeveloperMetadata" => update_metadata(book, body),
        "updateCells" => update_cells(book, body),
        "addProtectedRange" => {
            let range = body.get("protectedRange").cloned().unwrap_or_default();
            let tab = book.by_id(number(&range, "/range/sheetId").unwrap_or_default())?;
            tab.protected.push(range);
            Ok(())
        }
        "repeatCell" => {
            let tab = book.by_id(number(body, "/range/sheetId").unwrap_or_default())?;
            tab.formats.push(body.clone());
            Ok(())
        }
        "appendDimension" => append_dimension(book, body),
        _ => Err(Refusal::invalid("Unknown name: cannot find field.")),
    }
}

fn number(body: &Value, path: &str) -> Option<i64> {
    body.pointer(path).and_then(Value::as_i64)
}

fn count(body: &Value, path: &str) -> Option<usize> {
    number(body, path).and_then(|number| usize::try_from(number).ok())
}

fn text<'a>(body: &'a Value, path: &str) -> &'a str {
    body.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn add_sheet(book: &mut Book, properties: &Value) -> Result<(), Refusal> {
    let fallback = book.number();
    let id = number(properties, "/sheetId").unwrap_or(fallback);
    let rows = count(properties, "/gridProperties/rowCount").unwrap_or(1000);
    let columns = count(properties, "/gridProperties/columnCount").unwrap_or(26);
    let title = match text(properties, "/title") {
        "" => format!("Sheet{fallback}"),
        title => title.to_owned(),
    };
    let is_hidden = properties.get("hidden").and_then(Value::as_bool).unwrap_or_default();
    let tab = Tab { is_hidden, ..Tab::new(id, &title, Grid::new(rows, columns)) };
    book.add(tab, count(properties, "/index"))
}

pub(super) fn create_metadata(book: &mut Book, body: &Value) -> Result<(), Refusal> {
    let mut metadata: Map<String, Value> =
        body.get("developerMetadata").and_then(Value::as_object).cloned().unwrap_or_default();
    metadata.insert("metadataId".to_owned(), json!(book.number()));
    let metadata = Value::Object(metadata);
    match number(&metadata, "/location/sheetId") {
        Some(id) => book.by_id(id)?.metadata.push(metadata),
        None => book.metadata.push(metadata),
    }
    Ok(())
}

fn update_metadata(book: &mut Book, body: &Value) -> Result<(), Refusal> {
    let wanted = number(body, "/dataFilters/0/developerMetadataLookup/metadataId");
    let all = book.tabs.iter_mut().flat_map(|tab| tab.metadata.iter_mut());
    let mut hits =
        all.filter(|one| wanted.is_some() && number(one, "/metadataId") == wanted).peekable();
    if hits.peek().is_none() {
        return Err(Refusal::invalid("No developer metadata matched."));
    }
    for metadata in hits {
        if let Some(value) = metadata.get_mut("metadataValue") {
            *value = json!(text(body, "/developerMetadata/metadataValue"));
        }
    }
    Ok(())
}

fn update_cells(book: &mut Book, body: &Value) -> Result<(), Refusal> {
    let place = if body.get("range").is_some() { "/range" } else { "/start" };
    let names = if place == "/range" {
        ["/startRowIndex", "/startColumnIndex"]
    } else {
        ["/rowIndex", "/columnIndex"]
    };
    let at = |name: &str| count(body, &format!("{place}{name}")).unwrap_or_default();
    let [first_row, first_column] = names.map(at);
    let tab = book.by_id(number(body, &format!("{place}/sheetId")).unwrap_or_default())?;
    if place == "/range" {
        let end_row = count(body, "/range/endRowIndex").unwrap_or(tab.grid.used_rows());
        let end_column = count(body, "/range/endColumnIndex").unwrap_or(tab.grid.column_count);
        for row in first_row..end_row {
            for column in first_column..end_column {
                tab.grid.set(row, column, Cell::Empty);
            }
        }
    }
    let rows = body.get("rows").and_then(Value::as_array);
    for (row, values) in (first_row..).zip(rows.into_iter().flatten()) {
        let values = values.get("values").and_then(Value::as_array);
        for (column, value) in (first_column..).zip(values.into_iter().flatten()) {
            if row >= tab.grid.row_count || column >= tab.grid.column_count {
                return Err(Refusal::invalid("Attempting to write outside the grid."));
            }
            let cell = Cell::extended(value.get("userEnteredValue"));
            if cell.is_too_long() {
                return Err(Refusal::invalid("more than the maximum of 50000 characters"));
            }
            tab.grid.set(row, column, cell);
        }
    }
    Ok(())
}

fn append_dimension(book: &mut Book, body: &Value) -> Result<(), Refusal> {
    let length = count(body, "/length").unwrap_or_default();
    let grid = &mut book.by_id(number(body, "/sheetId").unwrap_or_default())?.grid;
    if text(body, "/dimension") == "COLUMNS" {
        grid.column_count = grid.column_count.saturating_add(length);
    } else {
        grid.row_count = grid.row_count.saturating_add(length);
    }
    Ok(())
}
