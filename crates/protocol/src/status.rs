//! Statuses, control messages and logs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{TimeRange, Timestamp, Written};

/// Who has to act on a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The configuration is wrong.
    Config,
    /// The key or password is wrong.
    Credentials,
    /// A permission is missing.
    Permission,
    /// The other side cannot be reached.
    Unreachable,
    /// The data does not fit.
    Data,
    /// A fault of the connector, or of something it did not expect.
    Internal,
}

/// Whether a connection works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Succeeded,
    /// It does not; the connector ends.
    Failed,
}

/// A `connection_status` message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStatus {
    /// The outcome.
    pub status: Status,
    /// What was tried, what came back, what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who has to act; in the envelope as `_class`.
    #[serde(skip)]
    pub class: Option<Class>,
}

/// A `stream_status` message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// Name of the stream.
    pub stream: String,
    /// What happened to it.
    #[serde(flatten)]
    pub kind: StreamStatusKind,
    /// Who has to act on an error; in the envelope as `_class`.
    #[serde(skip)]
    pub class: Option<Class>,
}

/// What happened to a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum StreamStatusKind {
    /// Active in this request.
    Start {
        /// What is going to be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time_range: Option<TimeRange>,
    },
    /// A part was read; telemetry only.
    RangeComplete {
        /// The part.
        range_complete: TimeRange,
    },
    /// Done for this run.
    Complete,
    /// Tried and failed; the other streams go on.
    Error {
        /// What was tried, what came back, what to do.
        error: String,
    },
    /// Not available to this account; no failure.
    Skip {
        /// Why.
        reason: String,
    },
}

impl StreamStatusKind {
    /// Whether the stream ends with this.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Complete | Self::Error { .. } | Self::Skip { .. } => true,
            Self::Start { .. } | Self::RangeComplete { .. } => false,
        }
    }
}

/// A `control` message: the whole new configuration, never a difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "control_type", rename_all = "snake_case")]
pub enum Control {
    /// For the source.
    SourceConfig {
        /// The configuration.
        source_config: Map<String, Value>,
    },
    /// For the destination.
    DestinationConfig {
        /// The configuration.
        destination_config: Map<String, Value>,
    },
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For who writes the connector.
    Debug,
    /// For who watches the run.
    Info,
    /// Somebody should look at it some time.
    Warn,
    /// Somebody has to act.
    Error,
}

/// The identity of the table, tab or file that holds a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Made with the place and kept with it.
    pub id: String,
    /// Last run that wrote there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// Places by stream.
pub type Places = BTreeMap<String, Place>;

/// Something that a copy does not hold as it is at the source, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// The stream; `None` where it concerns the source or the destination as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Why, as one word of small letters and `_`, such as `gap` or `cut_cells`.
    pub reason: String,
    /// Records or values concerned since the last receipt for the same; 0 where nobody can know.
    pub count: u64,
    /// More about it, for people; the latest one counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A `log` message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// How much it matters.
    pub level: Level,
    /// For people.
    pub message: String,
    /// For machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
    /// Identity of each stream's place, from a destination's `setup`; in the envelope as `_places`.
    #[serde(skip)]
    pub places: Option<Places>,
    /// Counts that no state carried; in the envelope as `_written`.
    #[serde(skip)]
    pub written: Option<Written>,
    /// What the copy does not hold and why, for summary and run log; in the envelope as
    /// `_receipts`.
    #[serde(skip)]
    pub receipts: Vec<Receipt>,
    /// Requests that a source made since the last log that carried this, by path; in the envelope
    /// as `_requests`.
    #[serde(skip)]
    pub requests: BTreeMap<String, u64>,
    /// By stream, the moment before which nothing happened that was not emitted before this log; in
    /// the envelope as `_up_to`.
    #[serde(skip)]
    pub up_to: BTreeMap<String, Timestamp>,
}

impl Log {
    /// A log line with a level and a text.
    #[must_use]
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            level,
            message: message.into(),
            data: None,
            places: None,
            written: None,
            receipts: Vec::new(),
            requests: BTreeMap::new(),
            up_to: BTreeMap::new(),
        }
    }
}
