//! State: how far a source got, opaque to everyone else, and what the engine keeps around it.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{Progress, Timestamp};

/// What a state speaks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateScope {
    /// One stream.
    Stream(String),
    /// The whole source.
    Global,
}

/// A `source_state` message.
#[derive(Debug, Clone)]
pub struct StateMessage {
    /// One stream, or the whole source.
    pub scope: StateScope,
    /// The source's own data, never looked into by anyone else.
    pub data: Box<RawValue>,
    /// Records of that stream since its last state, when the source counts them.
    pub emitted: Option<u64>,
    /// What a destination did since the last state that carried this.
    pub written: Option<Written>,
}

/// What was done with a stream's records; the sum equals the records received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WrittenCounts {
    /// New rows.
    pub created: u64,
    /// Rows replaced by a newer version.
    pub updated: u64,
    /// Rows marked or removed.
    pub deleted: u64,
    /// Records equal to the row that is there.
    pub unchanged: u64,
    /// Records older than the row that is there.
    pub stale: u64,
    /// Records with a newer version in the same batch.
    pub superseded: u64,
    /// Records that could not be stored.
    pub refused: u64,
}

impl WrittenCounts {
    /// Adds another count to this one.
    pub const fn add(&mut self, other: &Self) {
        self.created = self.created.saturating_add(other.created);
        self.updated = self.updated.saturating_add(other.updated);
        self.deleted = self.deleted.saturating_add(other.deleted);
        self.unchanged = self.unchanged.saturating_add(other.unchanged);
        self.stale = self.stale.saturating_add(other.stale);
        self.superseded = self.superseded.saturating_add(other.superseded);
        self.refused = self.refused.saturating_add(other.refused);
    }

    /// All records counted here.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.created
            .saturating_add(self.updated)
            .saturating_add(self.deleted)
            .saturating_add(self.unchanged)
            .saturating_add(self.stale)
            .saturating_add(self.superseded)
            .saturating_add(self.refused)
    }
}

/// What was done, by stream.
pub type Written = BTreeMap<String, WrittenCounts>;

/// A source's whole state, as `--state` takes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SourceState {
    /// State by stream.
    #[serde(default)]
    pub streams: BTreeMap<String, Box<RawValue>>,
    /// State of the source as a whole; an empty object is none.
    #[serde(default, deserialize_with = "global_or_none", skip_serializing_if = "Option::is_none")]
    pub global: Option<Box<RawValue>>,
}

fn global_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    let global = Option::<Box<RawValue>>::deserialize(deserializer)?;
    let is_empty = |raw: &RawValue| raw.get().chars().filter(|c| !c.is_whitespace()).eq(['{', '}']);
    Ok(global.filter(|global| !is_empty(global)))
}

impl SourceState {
    /// Whether nothing is known yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.global.is_none()
    }
}

/// What the engine keeps of a run that can be continued.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SyncRun {
    /// The run's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Upper bound of time, frozen when the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ceiling: Option<Timestamp>,
    /// Progress of the run, over all its calls.
    #[serde(default)]
    pub progress: Progress,
}

/// Everything that a client hands back unchanged to go on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SyncState {
    /// The source's state.
    #[serde(default, serialize_with = "with_global")]
    pub source: SourceState,
    /// What the engine knows of the copy: the identity of each stream's place.
    #[serde(default)]
    pub destination: Map<String, Value>,
    /// The run.
    #[serde(default)]
    pub sync_run: SyncRun,
}

/// On the wire `global` is always an object, empty when there is none.
fn with_global<S: Serializer>(state: &SourceState, serializer: S) -> Result<S::Ok, S::Error> {
    let mut out = serializer.serialize_struct("SourceState", 2)?;
    out.serialize_field("streams", &state.streams)?;
    match &state.global {
        Some(global) => out.serialize_field("global", global)?,
        None => out.serialize_field("global", &Map::new())?,
    }
    out.end()
}
