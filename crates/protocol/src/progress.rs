//! Progress and the end of a run, as the engine tells them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ConnectionStatus, SyncState, Timestamp, WrittenCounts};

/// A closed span of time, `gte` inclusive and `lt` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// First moment that belongs to the range.
    pub gte: Timestamp,
    /// First moment after the range.
    pub lt: Timestamp,
}

/// Where a run stands as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Some stream has not ended.
    #[default]
    Started,
    /// Every stream completed or was skipped.
    Succeeded,
    /// A stream failed, or a connection did.
    Failed,
}

/// Where one stream stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamRunStatus {
    /// Nothing was heard of it.
    #[default]
    NotStarted,
    /// It is being read.
    Started,
    /// Done for this run.
    Completed,
    /// Not available to this account.
    Skipped,
    /// Tried and failed.
    Errored,
}

impl StreamRunStatus {
    /// Whether nothing more is expected of the stream in this run.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::NotStarted | Self::Started => false,
            Self::Completed | Self::Skipped | Self::Errored => true,
        }
    }
}

/// Progress of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamProgress {
    /// Where it stands.
    pub status: StreamRunStatus,
    /// States confirmed.
    pub state_count: u64,
    /// Records confirmed by the destination.
    pub record_count: u64,
    /// Why it failed or was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_range: Option<Range>,
    /// What has been read: sorted, merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_ranges: Option<Vec<Range>>,
    /// When the destination last confirmed that a row came, changed or went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// The moment before which nothing happened that the copy does not hold, where the source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Timestamp>,
    /// New rows.
    pub created_count: u64,
    /// Rows replaced by a newer version.
    pub updated_count: u64,
    /// Rows marked or removed.
    pub deleted_count: u64,
    /// Records equal to the row that is there.
    pub unchanged_count: u64,
    /// Records older than the row that is there.
    pub stale_count: u64,
    /// Records with a newer version in the same batch.
    pub superseded_count: u64,
    /// Records that could not be stored.
    pub refused_count: u64,
}

impl StreamProgress {
    /// Adds what a destination says it did.
    pub const fn add_written(&mut self, counts: &WrittenCounts) {
        self.created_count = self.created_count.saturating_add(counts.created);
        self.updated_count = self.updated_count.saturating_add(counts.updated);
        self.deleted_count = self.deleted_count.saturating_add(counts.deleted);
        self.unchanged_count = self.unchanged_count.saturating_add(counts.unchanged);
        self.stale_count = self.stale_count.saturating_add(counts.stale);
        self.superseded_count = self.superseded_count.saturating_add(counts.superseded);
        self.refused_count = self.refused_count.saturating_add(counts.refused);
        self.record_count = self.record_count.saturating_add(counts.total());
    }
}

/// What follows from the streams.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Derived {
    /// Where the run stands.
    pub status: RunStatus,
    /// Records a second since the start.
    pub records_per_second: f64,
    /// States a second since the start.
    pub states_per_second: f64,
    /// Records of all streams.
    pub total_record_count: u64,
    /// Stream states of all streams.
    pub total_state_count: u64,
}

/// A `progress` message; each replaces the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// When the first data came.
    pub started_at: Timestamp,
    /// Milliseconds since then.
    pub elapsed_ms: u64,
    /// Global states confirmed.
    pub global_state_count: u64,
    /// The last connection status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_status: Option<ConnectionStatus>,
    /// What follows from the streams.
    pub derived: Derived,
    /// Every stream of the run.
    pub streams: BTreeMap<String, StreamProgress>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started_at: Timestamp::EPOCH,
            elapsed_ms: 0,
            global_state_count: 0,
            connection_status: None,
            derived: Derived::default(),
            streams: BTreeMap::new(),
        }
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EofReason {
    /// Everything that was asked was tried.
    Complete,
    /// `--time-limit`.
    TimeLimit,
    /// `--state-limit`.
    StateLimit,
    /// SIGINT or SIGTERM.
    Signal,
    /// The source ended badly.
    SourceFailed,
    /// The destination ended badly.
    DestinationFailed,
    /// A connector owed an answer and gave none.
    Stalled,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EofError {
    /// A word for machines.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// An `eof` message: always last, always sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Eof {
    /// Where the run stands.
    pub status: RunStatus,
    /// Whether calling again goes on.
    pub has_more: bool,
    /// To be handed back unchanged next time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending_state: Option<SyncState>,
    /// Progress of the whole run.
    #[serde(default)]
    pub run_progress: Progress,
    /// Progress of this call.
    #[serde(default)]
    pub request_progress: Progress,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<EofReason>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<EofError>,
}
