//! The API's paths over one collection of spreadsheets. No network, no clock.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::book::{Book, Tab};
use super::grid::Grid;
use super::requests;
use super::traffic::Effect;

/// An answer that is no success.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    is_grant: bool,
}

impl Refusal {
    pub(super) fn new(status: u16, message: &str) -> Self {
        Self { status, message: message.to_owned(), is_grant: false }
    }

    pub(super) fn invalid(message: &str) -> Self {
        Self::new(400, message)
    }

    /// A refusal of the token endpoint, which has a form of its own.
    pub(super) fn grant(why: &str) -> Self {
        Self { is_grant: true, ..Self::new(400, why) }
    }

    pub(super) fn body(&self) -> Value {
        let Self { status, message, is_grant } = self;
        if *is_grant {
            return json!({"error": "invalid_grant", "error_description": message});
        }
        let name = match status {
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        json!({"error": {"code": status, "message": message, "status": name}})
    }
}

/// A request as the API sees it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Decoded.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
    /// How much of it takes effect.
    pub(super) effect: Effect,
}

/// Spreadsheets by id.
pub(super) type Books = BTreeMap<String, Book>;

impl Asked {
    fn one(&self, name: &str) -> &str {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    fn is_formatted(&self) -> bool {
        self.one("valueRenderOption") != "UNFORMATTED_VALUE"
    }
}

fn raw(option: &str) -> Result<bool, Refusal> {
    match option {
        "RAW" => Ok(true),
        "USER_ENTERED" => Ok(false),
        _ => Err(Refusal::invalid("'valueInputOption' is required but not specified")),
    }
}

/// Answers a request.
pub(super) fn answer(books: &mut Books, asked: &Asked) -> Result<Value, Refusal> {
    let unknown = || Refusal::new(404, "Requested entity was not found.");
    if let Some(id) = asked.path.strip_prefix("/drive/v3/files/") {
        return books.remove(id).map(|_| Value::Null).ok_or_else(unknown);
    }
    let Some(rest) = asked.path.strip_prefix("/v4/spreadsheets") else { return Err(unknown()) };
    if rest.is_empty() && asked.method == "POST" {
        return create(books, &asked.body);
    }
    let rest = rest.strip_prefix('/').unwrap_or_default();
    let end = rest.find(['/', ':']).unwrap_or(rest.len());
    let (id, action) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let book = books.get_mut(id).ok_or_else(unknown)?;
    match (asked.method.as_str(), action) {
        ("GET", "") => Ok(describe(id, book)),
        ("POST", ":batchUpdate") => batch_update(id, book, asked),
        ("GET", "/values:batchGet") => batch_get(book, asked),
        ("POST", "/values:batchUpdate") => values_batch_update(book, asked),
        _ => Err(unknown()),
    }
}

fn create(books: &mut Books, body: &Value) -> Result<Value, Refusal> {
    let mut book = Book::default();
    let title = body.pointer("/properties/title").and_then(Value::as_str);
    title.unwrap_or("Untitled spreadsheet").clone_into(&mut book.title);
    let list = |name: &str| body.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for sheet in list("sheets") {
        requests::add_sheet(&mut book, sheet.get("properties").unwrap_or(&Value::Null))?;
    }
    if book.tabs.is_empty() {
        book.add(Tab::new(0, "Sheet1", Grid::new(1000, 26)), None)?;
    }
    for metadata in list("developerMetadata") {
        requests::create_metadata(&mut book, &json!({"developerMetadata": metadata}))?;
    }
    let id = format!("fake-spreadsheet-{}", books.len().saturating_add(1));
    books.insert(id.clone(), book);
    Ok(json!({"spreadsheetId": id}))
}

fn describe(id: &str, book: &Book) -> Value {
    let sheet = |tab: &Tab| {
        let mut properties = json!({
            "title": tab.title,
            "gridProperties": {"rowCount": tab.grid.row_count, "columnCount": tab.grid.column_count},
        });
        // What is zero is left out.
        if let (true, Some(found)) = (tab.id != 0, properties.as_object_mut()) {
            found.insert("sheetId".to_owned(), json!(tab.id));
        }
        let mut sheet = json!({"properties": properties});
        if let (false, Some(found)) = (tab.metadata.is_empty(), sheet.as_object_mut()) {
            found.insert("developerMetadata".to_owned(), json!(tab.metadata));
        }
        sheet
    };
    let sheets: Vec<Value> = book.tabs.iter().map(sheet).collect();
    json!({
        "spreadsheetId": id,
        "properties": {"title": book.title},
        "developerMetadata": book.metadata,
        "sheets": sheets,
    })
}

fn batch_update(id: &str, book: &mut Book, asked: &Asked) -> Result<Value, Refusal> {
    let list = asked.body.get("requests").and_then(Value::as_array);
    let list = list.filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Refusal::invalid("Must specify at least one request."))?;
    *book = requests::apply(book, list)?;
    Ok(json!({"spreadsheetId": id, "replies": []}))
}

fn range_of(range: &str, values: Vec<Vec<Value>>) -> Value {
    if values.is_empty() {
        return json!({"range": range, "majorDimension": "ROWS"});
    }
    json!({"range": range, "majorDimension": "ROWS", "values": values})
}

fn batch_get(book: &mut Book, asked: &Asked) -> Result<Value, Refusal> {
    let ranges = asked.query.iter().filter(|(name, _)| name == "ranges");
    let mut read = Vec::new();
    for (_, range) in ranges {
        read.push(range_of(range, book.read(range, asked.is_formatted())?));
    }
    Ok(json!({"valueRanges": read}))
}

fn values_batch_update(book: &mut Book, asked: &Asked) -> Result<Value, Refusal> {
    let option = asked.body.get("valueInputOption").and_then(Value::as_str);
    let is_raw = raw(option.unwrap_or_default())?;
    let data = asked.body.get("data").and_then(Value::as_array);
    let data = data.map(Vec::as_slice).unwrap_or_default();
    let mut changed = book.clone();
    let take = match asked.effect {
        Effect::Half => data.len().div_ceil(2),
        Effect::Nothing | Effect::Everything => data.len(),
    };
    let mut rows = 0_usize;
    for range in data.iter().take(take) {
        let name = range.get("range").and_then(Value::as_str).unwrap_or_default();
        let values = range.get("values").and_then(Value::as_array);
        let values = values.map(Vec::as_slice).unwrap_or_default();
        rows = rows.saturating_add(changed.write(name, values, is_raw)?);
    }
    *book = changed;
    Ok(json!({"totalUpdatedRows": rows}))
}
