//! Records gathered for one load, by stream and key, in order of arrival.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::WrittenCounts;

use crate::plan::StreamPlan;
use crate::row::{Key, Row};

/// How much is gathered before it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Bytes of documents over all streams.
    pub bytes: usize,
    /// Records of any one stream.
    pub rows: usize,
    /// Longest time, in milliseconds, that a state waits while input keeps coming.
    pub flush_ms: u64,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { bytes: 8 * 1024 * 1024, rows: 1000, flush_ms: 250 }
    }
}

/// The records of one stream, all versions of a key together; keys in byte order, so that writers
/// that take rows in this order never deadlock.
#[derive(Debug, Clone)]
pub struct StreamBatch {
    /// The stream.
    pub plan: Arc<StreamPlan>,
    /// By key, the versions in order of arrival.
    pub keys: BTreeMap<Key, Vec<Row>>,
    /// Records, all versions counted.
    pub record_count: u64,
}

/// What is loaded at once. Streams are independent of each other.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The streams that have records, by name.
    pub streams: BTreeMap<String, StreamBatch>,
    bytes: usize,
    rows: usize,
}

impl Batch {
    /// Adds a record.
    pub fn push(&mut self, plan: &Arc<StreamPlan>, key: Key, row: Row) {
        self.bytes = self.bytes.saturating_add(row.document.len()).saturating_add(256);
        let stream = self.streams.entry(plan.name().to_owned()).or_insert_with(|| StreamBatch {
            plan: Arc::clone(plan),
            keys: BTreeMap::new(),
            record_count: 0,
        });
        stream.record_count = stream.record_count.saturating_add(1);
        self.rows = self.rows.max(usize::try_from(stream.record_count).unwrap_or(usize::MAX));
        stream.keys.entry(key).or_default().push(row);
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether it has reached one of the limits.
    #[must_use]
    pub const fn is_full(&self, limits: &BatchLimits) -> bool {
        self.bytes >= limits.bytes || self.rows >= limits.rows
    }
}

/// What became of a batch, by stream; every stream of the batch is in here.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Durable, with what was done; or failed, and then nothing of the stream is acknowledged.
    pub streams: BTreeMap<String, Result<WrittenCounts, crate::Error>>,
}
