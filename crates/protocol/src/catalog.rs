//! Streams, and what a run asks of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Timestamp;

/// One kind of object that a source can read; in a database, one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// Unique in its catalog; a destination's table or tab has this name.
    pub name: String,
    /// Paths to the values that together identify a record, such as `[["id"],["_account_id"]]`.
    pub primary_key: Vec<Vec<String>>,
    /// Top-level field, a number that never falls, that decides which of two versions is newer.
    pub newer_than_field: String,
    /// JSON Schema of the record's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<Map<String, Value>>,
    /// Facts for people and connectors; no meaning on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Top-level boolean field that says the object was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_delete_field: Option<String>,
}

/// What a source can read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The streams, each name once.
    pub streams: Vec<Stream>,
}

/// How a source is asked to read. Carried for other engines; our connectors resume from state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncMode {
    /// Everything, from state where there is one.
    #[default]
    FullRefresh,
    /// What is new.
    Incremental,
}

/// How a destination is asked to write. Carried for other engines; our destinations upsert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationSyncMode {
    /// Add.
    #[default]
    Append,
    /// Replace the whole.
    Overwrite,
    /// Add, the newest version of a key wins.
    AppendDedup,
}

/// A column that the engine asks a destination to keep beside the record's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemColumn {
    /// Column name.
    pub name: String,
    /// Type in the destination's words; `text` when absent.
    #[serde(rename = "type", default = "text")]
    pub data_type: String,
    /// Whether an index is wanted.
    #[serde(default)]
    pub index: bool,
}

fn text() -> String {
    "text".to_owned()
}

/// A span of time, `gte` inclusive and `lt` exclusive; an absent bound is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    /// First moment that belongs to the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gte: Option<Timestamp>,
    /// First moment after the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lt: Option<Timestamp>,
}

/// A stream and what this run wants of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfiguredStream {
    /// The stream as discovered.
    pub stream: Stream,
    /// See [`SyncMode`].
    #[serde(default)]
    pub sync_mode: SyncMode,
    /// See [`DestinationSyncMode`].
    #[serde(default)]
    pub destination_sync_mode: DestinationSyncMode,
    /// Path of the field a source may use as its cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor_field: Option<Vec<String>>,
    /// Columns for the engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub system_columns: Vec<SystemColumn>,
    /// Top-level fields to keep; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Most records to read in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill_limit: Option<u64>,
    /// Whether a time range may be asked of this stream; absent means yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supports_time_range: Option<bool>,
    /// Span of time to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_range: Option<TimeRange>,
    /// Whether `time_range.lt` is only where the run ends, by the clock of whoever runs it: so far
    /// the calls of a run account for objects, and nobody asked to leave out what is newer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open_end: bool,
}

impl ConfiguredStream {
    /// A stream with nothing asked beyond reading it.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            sync_mode: SyncMode::default(),
            destination_sync_mode: DestinationSyncMode::default(),
            cursor_field: None,
            system_columns: Vec::new(),
            fields: None,
            backfill_limit: None,
            supports_time_range: None,
            time_range: None,
            open_end: false,
        }
    }

    /// The time whose objects are wanted: `time_range` without an end that is only the run's.
    #[must_use]
    pub fn wanted_time(&self) -> TimeRange {
        let range = self.time_range.unwrap_or_default();
        TimeRange { lt: range.lt.filter(|_| !self.open_end), ..range }
    }
}

/// The streams of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfiguredCatalog {
    /// The streams, each name once.
    pub streams: Vec<ConfiguredStream>,
}
