//! Makes what is missing: the spreadsheet, tabs, columns. All tabs come in one request, whole or not
//! at all.

use connector::{Emitter, Error};
use protocol::{Control, Level, Place, Places};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::book::{Book, MADE_KEY, Note, Tab};
use crate::client::Client;
use crate::config::Options;
use crate::failure::Failure;
use crate::layout::{column_range, header_range, missing};
use crate::overview;
use crate::schema::{Content, Kind, MOST_CELLS, MOST_TABS, Schema};
use crate::values;

/// Rows of a new tab.
const ROWS: u64 = 1000;
/// Times to look again when the spreadsheet has changed under our hands.
const ROUNDS: u32 = 3;

/// Makes the spreadsheet if there is none, and what is missing in it; gives its id.
pub(crate) async fn setup(
    options: &Options,
    schemas: &[Schema],
    out: &mut Emitter,
) -> Result<(), Error> {
    let mut client = Client::open(options)?;
    let spreadsheet = match &options.spreadsheet {
        Some(id) => id.clone(),
        None => make(&mut client, options, out).await?,
    };
    let mut round = 1;
    let plan = loop {
        let book = Book::read(&mut client, &spreadsheet).await?;
        let plan = plan(&mut client, &spreadsheet, (&book, schemas)).await?;
        match values::restructure(&mut client, &spreadsheet, &plan.requests).await {
            Ok(()) => break plan,
            Err(failure) if failure.is_refusal() && round < ROUNDS => round += 1,
            Err(failure) => return Err(failure.error),
        }
    };
    for warning in plan.warnings {
        out.log(Level::Warn, warning).await?;
    }
    let count = plan.places.len();
    let tabs = if count == 1 { "tab is" } else { "tabs are" };
    let said = format!("{count} {tabs} ready in spreadsheet `{spreadsheet}`");
    out.places(&said, plan.places).await
}

/// What setup would do, a line each; makes nothing.
pub(crate) async fn planned(options: &Options, schemas: &[Schema]) -> Result<Vec<String>, Error> {
    let tab = |schema: &Schema| {
        format!("add tab `{}` with {} columns and {ROWS} rows", schema.stream, width(schema))
    };
    let Some(spreadsheet) = &options.spreadsheet else {
        let made = format!("make spreadsheet `{}`", options.title);
        return Ok(std::iter::once(made).chain(schemas.iter().map(tab)).collect());
    };
    let mut client = Client::open(options)?;
    let book = Book::read(&mut client, spreadsheet).await?;
    let plan = plan(&mut client, spreadsheet, (&book, schemas)).await?;
    let new = schemas.iter().filter(|schema| book.tab_of(&schema.stream).is_none());
    let mut said: Vec<String> = new.map(tab).chain(plan.warnings).collect();
    if book.overview().is_none() {
        said.push(format!("add tab `{}`", free_title(&book, overview::TITLE)));
    }
    Ok(said)
}

/// Makes a spreadsheet and tells its id at once, so that it is not lost whatever comes.
async fn make(client: &mut Client, options: &Options, out: &mut Emitter) -> Result<String, Error> {
    let tab = new_tab_id();
    let location = json!({"spreadsheet": true});
    let made = json!({
        "properties": {"title": options.title},
        "sheets": [{"properties": {"sheetId": tab, "title": overview::TITLE}}],
        "developerMetadata": [{
            "metadataKey": MADE_KEY, "metadataValue": "", "location": location,
            "visibility": "DOCUMENT",
        }],
    });
    let answer = client.create(&made).await?;
    let id = answer.get("spreadsheetId").and_then(Value::as_str).map(str::to_owned);
    let id =
        id.ok_or_else(|| Error::unreachable("making a spreadsheet: an answer without its id"))?;
    let mut config = options.whole.clone();
    config.insert("spreadsheet_id".to_owned(), id.as_str().into());
    out.control(Control::DestinationConfig { destination_config: config }).await?;
    let said = format!("made spreadsheet https://docs.google.com/spreadsheets/d/{id}/edit");
    out.log(Level::Info, said).await?;
    Ok(id)
}

/// What has to be done, and how it will be.
#[derive(Debug, Default)]
struct Plan {
    requests: Vec<Value>,
    places: Places,
    warnings: Vec<String>,
    notes: Vec<Note>,
}

async fn plan(
    client: &mut Client,
    spreadsheet: &str,
    (book, schemas): (&Book, &[Schema]),
) -> Result<Plan, Failure> {
    check(book, schemas)?;
    let there: Vec<&Tab> = schemas
        .iter()
        .filter_map(|schema| book.tab_of(&schema.stream))
        .map(|(tab, _, _)| tab)
        .collect();
    let mut ranges: Vec<String> = there.iter().map(|tab| header_range(&tab.title)).collect();
    ranges.extend(book.overview().map(|tab| column_range(&tab.title, 0, 1)));
    let read = values::read(client, spreadsheet, &ranges).await?;
    let mut headers = read.iter();
    let mut plan = Plan::default();
    for schema in schemas {
        let note = match book.tab_of(&schema.stream) {
            Some(found) => {
                let header = headers.next().and_then(|rows| rows.first());
                plan.complete(schema, found, header.map_or(&[], Vec::as_slice))
            }
            None => plan.add(schema),
        };
        let place = Place { id: note.place.clone(), run: note.run.clone() };
        plan.places.insert(schema.stream.clone(), place);
        plan.notes.push(note);
    }
    plan.overview(book, headers.next().map_or(&[], Vec::as_slice));
    Ok(plan)
}

/// Fails where these streams may not come: where other data is, or where there is no room.
pub(crate) fn check(book: &Book, schemas: &[Schema]) -> Result<(), Error> {
    let title = &book.title;
    let doing = |why: String| Error::config(format!("writing to spreadsheet `{title}`: {why}"));
    let is_new = |schema: &&Schema| book.tab_of(&schema.stream).is_none();
    for schema in schemas {
        let other = book.ours().find(|(_, _, note)| {
            schema.mode.is_some() && note.mode.is_some() && note.mode != schema.mode
        });
        if let (Some((tab, _, _)), Some(mode)) = (other, &schema.mode) {
            let why =
                format!("tab `{}` holds data of the other mode, this is {mode} data", tab.title);
            return Err(doing(why).hint("use another spreadsheet for it"));
        }
        let account = book.tab_of(&schema.stream).and_then(|(_, _, note)| note.account.as_ref());
        if let (Some(there), Some(here)) = (account, &schema.account)
            && there != here
        {
            let why = format!(
                "tab `{}` holds data of account `{there}`, this is of `{here}`",
                schema.stream
            );
            return Err(doing(why).hint("use another spreadsheet for it"));
        }
    }
    let foreign = |schema: &&Schema| book.has_title(&schema.stream);
    if let Some(schema) = schemas.iter().filter(is_new).find(foreign) {
        return Err(doing(format!("tab `{}` is there and not ours", schema.stream))
            .hint("rename it or delete it"));
    }
    let new: Vec<&Schema> = schemas.iter().filter(is_new).collect();
    let tabs = book.tabs.len().saturating_add(new.len());
    if tabs > MOST_TABS {
        return Err(doing(format!("a spreadsheet may have {MOST_TABS} tabs, this needs {tabs}"))
            .hint("choose fewer streams"));
    }
    let cells = new.iter().map(|schema| width(schema).saturating_mul(ROWS));
    let cells = cells.fold(book.cell_count(), u64::saturating_add);
    if cells > MOST_CELLS {
        let why = format!("a spreadsheet may have {MOST_CELLS} cells, this needs {cells}");
        return Err(doing(why).hint("choose fewer streams, or columns with `fields`"));
    }
    Ok(())
}

fn width(schema: &Schema) -> u64 {
    u64::try_from(schema.columns.len()).unwrap_or(u64::MAX)
}

impl Plan {
    /// Adds a stream's tab.
    fn add(&mut self, schema: &Schema) -> Note {
        let (tab, width) = (new_tab_id(), width(schema));
        let note = Note {
            stream: Some(schema.stream.clone()),
            tab,
            place: Uuid::new_v4().to_string(),
            run: None,
            account: schema.account.clone(),
            mode: schema.mode.clone(),
            values: schema.value_mode.name().to_owned(),
        };
        let grid = json!({"rowCount": ROWS, "columnCount": width, "frozenRowCount": 1});
        let properties = json!({"sheetId": tab, "title": schema.stream, "gridProperties": grid});
        self.requests.push(json!({"addSheet": {"properties": properties}}));
        self.requests.push(note.create());
        let header: Vec<Value> = schema.names().into_iter().map(Value::from).collect();
        self.requests.push(values::fill(tab, (0, 0), &[header]));
        self.requests.push(protection(tab, (0, width)));
        let columns: Vec<u64> = (0..width).collect();
        self.requests.extend(time_formats(schema, tab, (&columns, 1)));
        note
    }

    /// Adds the columns that a stream's tab lacks, at its right end.
    fn complete(
        &mut self,
        schema: &Schema,
        (tab, id, note): (&Tab, i64, &Note),
        header: &[Value],
    ) -> Note {
        let names = schema.names();
        let lacking = missing(header, &names);
        let mode = schema.value_mode.name();
        if lacking.is_empty() && note.values == mode {
            return note.clone();
        }
        let used = u64::try_from(header.len()).unwrap_or(u64::MAX);
        let count = u64::try_from(lacking.len()).unwrap_or(u64::MAX);
        let needed = used.saturating_add(count);
        if needed > tab.column_count {
            let length = needed.saturating_sub(tab.column_count);
            self.requests.push(json!({"appendDimension": {
                "sheetId": tab.id, "dimension": "COLUMNS", "length": length,
            }}));
        }
        if !lacking.is_empty() {
            let texts = lacking.iter().map(|name| json!(name)).collect();
            self.requests.push(values::fill(tab.id, (0, used), &[texts]));
            self.requests.push(protection(tab.id, (used, needed)));
        }
        let hash = crate::layout::columns(header, &names).get(schema.hash_column).copied();
        if let Some(at) = hash.flatten() {
            // Without its hash a row is written again when it comes again, with all of its columns.
            self.requests.push(json!({"updateCells": {
                "range": {
                    "sheetId": tab.id, "startRowIndex": 1,
                    "startColumnIndex": at, "endColumnIndex": at.saturating_add(1),
                },
                "fields": "userEnteredValue",
            }}));
        }
        let (stream, lacking) = (&schema.stream, lacking.join(", "));
        self.warnings.push(format!(
            "tab `{stream}`: columns added ({lacking}) or values to be written as {mode}; \
             the stream is read again to fill them"
        ));
        let place = Uuid::new_v4().to_string();
        let note = Note { place, values: mode.to_owned(), ..note.clone() };
        self.requests.push(note.update(id));
        note
    }

    /// Makes the overview, or adds what it does not list.
    fn overview(&mut self, book: &Book, rows: &[Vec<Value>]) {
        let ours =
            book.ours().map(|(_, _, note)| note.clone()).filter(|note| note.stream.is_some());
        let mut notes: Vec<Note> = ours.collect();
        for note in &self.notes {
            if !notes.iter().any(|other| other.stream == note.stream) {
                notes.push(note.clone());
            }
        }
        if let Some(tab) = book.overview() {
            let listed = overview::listed(rows);
            let lines = overview::missing(&listed, &notes);
            let at = u64::try_from(listed.len()).unwrap_or(0).max(overview::HEAD);
            if lines.is_empty() {
                return;
            }
            let needed = at.saturating_add(u64::try_from(lines.len()).unwrap_or(0));
            if needed > tab.row_count {
                self.requests.push(json!({"appendDimension": {
                    "sheetId": tab.id, "dimension": "ROWS",
                    "length": needed.saturating_sub(tab.row_count),
                }}));
            }
            self.requests.push(values::fill(tab.id, (at, 0), &lines));
            return;
        }
        // A spreadsheet that was just made has the tab, but no note of it.
        let empty = book.tabs.iter().find(|tab| book.is_made && tab.title == overview::TITLE);
        let tab = empty.map_or_else(new_tab_id, |tab| tab.id);
        if empty.is_none() {
            let mut properties = json!({
                "sheetId": tab, "title": free_title(book, overview::TITLE), "index": 0,
                "gridProperties": {"rowCount": 210, "columnCount": overview::COLUMNS},
            });
            if let (Some(found), true) = (properties.as_object_mut(), book.tabs.is_empty()) {
                found.remove("index");
            }
            self.requests.push(json!({"addSheet": {"properties": properties}}));
        }
        let note = Note {
            stream: None,
            tab,
            place: Uuid::new_v4().to_string(),
            run: None,
            account: None,
            mode: None,
            values: String::new(),
        };
        self.requests.push(note.create());
        self.requests.push(values::fill(tab, (0, 0), &overview::whole(&notes)));
        self.requests.push(protection(tab, (0, overview::COLUMNS)));
    }
}

/// A name for a tab beside the streams' that nobody has: this one, or one with a number.
pub(crate) fn free_title(book: &Book, title: &str) -> String {
    let is_free = |title: &String| !book.has_title(title);
    let others = (2..1000).map(|number| format!("{title} {number}"));
    let mut all = std::iter::once(title.to_owned()).chain(others);
    all.find(is_free).unwrap_or_else(|| Uuid::new_v4().to_string())
}

/// Columns that warn who types in them; it is no lock.
fn protection(tab: i64, (first, end): (u64, u64)) -> Value {
    json!({"addProtectedRange": {"protectedRange": {
        "range": {"sheetId": tab, "startColumnIndex": first, "endColumnIndex": end},
        "description": "written by sync-engine",
        "warningOnly": true,
    }}})
}

/// Shows times as such in the columns that hold them, from a row (from 0) on.
pub(crate) fn time_formats(
    schema: &Schema,
    tab: i64,
    (columns, from): (&[u64], u64),
) -> Vec<Value> {
    let is_time = |content: Content| content == Content::Property(Kind::Time);
    let pairs = schema.columns.iter().zip(columns);
    let times = pairs.filter(|(column, _)| is_time(column.content)).map(|(_, at)| at);
    let request = |at: &u64| {
        json!({"repeatCell": {
            "range": {
                "sheetId": tab, "startRowIndex": from,
                "startColumnIndex": at, "endColumnIndex": at.saturating_add(1),
            },
            "cell": {"userEnteredFormat": {"numberFormat": {
                "type": "DATE_TIME", "pattern": "yyyy-mm-dd hh:mm:ss",
            }}},
            "fields": "userEnteredFormat.numberFormat",
        }})
    };
    if schema.value_mode == crate::layout::ValueMode::Text {
        return Vec::new();
    }
    times.map(request).collect()
}

/// Chosen here, so that one request can make a tab and fill it. The API takes 31 bits.
pub(crate) fn new_tab_id() -> i64 {
    fastrand::i64(1..=i64::from(i32::MAX))
}
