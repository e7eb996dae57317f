//! The spreadsheet as it is: tabs, their sizes, and which of them are ours.
//!
//! What is ours is noted in developer metadata, which people do not see and which stays with a tab
//! when it is renamed or moved.

use connector::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;

/// The key of what is noted with a tab.
pub(crate) const TAB_KEY: &str = "sync-engine.tab";
/// The key of what is noted with the tab of dead letters; its value is the tab's number.
pub(crate) const LETTERS_KEY: &str = "sync-engine.dead-letters";
/// The key of what is noted with a spreadsheet that setup made.
pub(crate) const MADE_KEY: &str = "sync-engine.made";

/// A spreadsheet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    pub(crate) title: String,
    pub(crate) tabs: Vec<Tab>,
    /// Whether setup made it.
    pub(crate) is_made: bool,
}

/// A tab.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) row_count: u64,
    pub(crate) column_count: u64,
    /// With the number of the metadata that it stands in, if the tab is ours.
    pub(crate) note: Option<(i64, Note)>,
    /// Whether it holds dead letters.
    pub(crate) holds_letters: bool,
}

/// What is noted with a tab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The stream; none is the overview.
    pub(crate) stream: Option<String>,
    /// The tab that was meant: a copy of a tab keeps the note but is another.
    pub(crate) tab: i64,
    /// Identity of the place.
    pub(crate) place: String,
    /// The last run that wrote here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// `live` or `test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<String>,
    /// `typed` or `text`.
    #[serde(default)]
    pub(crate) values: String,
}

impl Note {
    /// The request that notes it with a new tab.
    pub(crate) fn create(&self) -> Value {
        json!({"createDeveloperMetadata": {"developerMetadata": {
            "metadataKey": TAB_KEY,
            "metadataValue": self.text(),
            "location": {"sheetId": self.tab},
            "visibility": "DOCUMENT",
        }}})
    }

    /// The request that replaces metadata number `id`.
    pub(crate) fn update(&self, id: i64) -> Value {
        json!({"updateDeveloperMetadata": {
            "dataFilters": [{"developerMetadataLookup": {"metadataId": id}}],
            "developerMetadata": {"metadataValue": self.text()},
            "fields": "metadataValue",
        }})
    }

    fn text(&self) -> String {
        json!(self).to_string()
    }
}

/// What the API says of a spreadsheet, as far as it is asked.
const FIELDS: &str = "?fields=properties.title,developerMetadata,sheets(properties(sheetId,title,gridProperties),developerMetadata)";

impl Book {
    /// Reads it.
    pub(crate) async fn read(client: &mut Client, spreadsheet: &str) -> Result<Self, Failure> {
        let doing = format!("looking at spreadsheet `{spreadsheet}`");
        let answer = client.get(&doing, spreadsheet, FIELDS).await?;
        let answer: Answer = serde_json::from_value(answer).map_err(|error| {
            Error::unreachable(format!("{doing}: an answer in another form")).caused_by(error)
        })?;
        Ok(Self::of(answer))
    }

    fn of(answer: Answer) -> Self {
        Self {
            title: answer.properties.title,
            is_made: answer.developer_metadata.iter().any(|noted| noted.metadata_key == MADE_KEY),
            tabs: answer.sheets.into_iter().map(Tab::of).collect(),
        }
    }

    /// The tab of a stream; a copy that somebody made of it is none.
    pub(crate) fn tab_of(&self, stream: &str) -> Option<(&Tab, i64, &Note)> {
        self.ours().find(|(_, _, note)| note.stream.as_deref() == Some(stream))
    }

    /// The overview.
    pub(crate) fn overview(&self) -> Option<&Tab> {
        self.ours().find(|(_, _, note)| note.stream.is_none()).map(|(tab, _, _)| tab)
    }

    /// The tab of dead letters.
    pub(crate) fn letters(&self) -> Option<&Tab> {
        self.tabs.iter().find(|tab| tab.holds_letters)
    }

    /// Every tab that is ours, but for that of dead letters.
    pub(crate) fn ours(&self) -> impl Iterator<Item = (&Tab, i64, &Note)> {
        self.tabs.iter().filter_map(|tab| {
            let (id, note) = tab.note.as_ref()?;
            Some((tab, *id, note))
        })
    }

    /// Whether a tab has this name; names that differ in nothing but case are one.
    pub(crate) fn has_title(&self, title: &str) -> bool {
        let title = title.to_lowercase();
        self.tabs.iter().any(|tab| tab.title.to_lowercase() == title)
    }

    /// Cells of all tabs, whether anything stands in them or not: that is what is limited.
    pub(crate) fn cell_count(&self) -> u64 {
        let cells = self.tabs.iter().map(|tab| tab.row_count.saturating_mul(tab.column_count));
        cells.fold(0, u64::saturating_add)
    }
}

impl Tab {
    fn of(sheet: Sheet) -> Self {
        let SheetProperties { sheet_id, title, grid_properties: grid } = sheet.properties;
        let note = sheet.developer_metadata.iter().find_map(|noted| {
            let note: Note = serde_json::from_str(&noted.metadata_value).ok()?;
            let is_ours = noted.metadata_key == TAB_KEY && note.tab == sheet_id;
            is_ours.then_some((noted.metadata_id, note))
        });
        let holds_letters = sheet.developer_metadata.iter().any(|noted| {
            noted.metadata_key == LETTERS_KEY && noted.metadata_value == sheet_id.to_string()
        });
        Self {
            id: sheet_id,
            holds_letters,
            title,
            row_count: grid.row_count,
            column_count: grid.column_count,
            note,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    properties: Titled,
    developer_metadata: Vec<Noted>,
    sheets: Vec<Sheet>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Titled {
    title: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sheet {
    properties: SheetProperties,
    #[serde(default)]
    developer_metadata: Vec<Noted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SheetProperties {
    /// The API leaves out what is zero.
    #[serde(default)]
    sheet_id: i64,
    title: String,
    #[serde(default)]
    grid_properties: Grid,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Grid {
    row_count: u64,
    column_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Noted {
    #[serde(default)]
    metadata_id: i64,
    metadata_key: String,
    #[serde(default)]
    metadata_value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_tab_is_not_ours() {
        let note = json!({"stream": "customers", "tab": 7, "place": "p", "values": "typed"});
        let sheet = |id: i64, title: &str| {
            let noted =
                json!({"metadataId": 1, "metadataKey": TAB_KEY, "metadataValue": note.to_string()});
            json!({
                "properties": {"sheetId": id, "title": title, "gridProperties": {"rowCount": 10, "columnCount": 3}},
                "developerMetadata": [noted],
            })
        };
        let answer = json!({"sheets": [sheet(8, "Copy of customers"), sheet(7, "renamed")]});
        let book = Book::of(serde_json::from_value(answer).unwrap());
        assert_eq!(book.tab_of("customers").unwrap().0.title, "renamed");
        assert_eq!((book.ours().count(), book.cell_count()), (1, 60));
    }
}
