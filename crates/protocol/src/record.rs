//! Records: one version of one object.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Where a source got an object from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A page of a list, which may lag behind the truth.
    List,
    /// A change event.
    Event,
    /// The object itself, asked for by id.
    Fetch,
}

/// Children that no longer exist: all in `stream` that match `where`, except those in `keep`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prune {
    /// The children's stream.
    pub stream: String,
    /// Top-level fields and the values they must have.
    #[serde(rename = "where")]
    pub condition: Map<String, Value>,
    /// Ids of the children that are still there.
    pub keep: Vec<String>,
}

/// One version of one object, borrowed from its line; `data` keeps the bytes as they came.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// Name of its stream.
    pub stream: Cow<'a, str>,
    /// The object.
    pub data: &'a RawValue,
    /// When the source emitted it, RFC 3339.
    pub emitted_at: Cow<'a, str>,
    /// Where the object came from, when the source says so.
    pub origin: Option<Origin>,
    /// Children that no longer exist.
    pub prune: Vec<Prune>,
}

/// The payload as it stands on the wire.
#[derive(Deserialize)]
pub(crate) struct RecordPayload<'a> {
    #[serde(borrow)]
    pub(crate) stream: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
    #[serde(borrow, default)]
    pub(crate) emitted_at: Cow<'a, str>,
}
