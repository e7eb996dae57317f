//! Records gathered for one load, by stream and key, in order of arrival.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use protocol::{Receipt, WrittenCounts};

use crate::dead_letter::Refused;
use crate::plan::StreamPlan;
use crate::prune::{Prune, Prunes};
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
    /// Children that are gone; to be applied after every row of `keys`.
    pub prunes: Prunes,
    /// Records that cannot be rows, for the dead-letter place; they are counted already.
    pub refused: Vec<Refused>,
}

impl StreamBatch {
    fn new(plan: &Arc<StreamPlan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            keys: BTreeMap::new(),
            record_count: 0,
            prunes: Prunes::default(),
            refused: Vec::new(),
        }
    }

    /// Everything that it holds.
    fn len(&self) -> usize {
        let records = usize::try_from(self.record_count).unwrap_or(usize::MAX);
        let others = self.prunes.all().len().saturating_add(self.refused.len());
        records.saturating_add(others)
    }
}

/// What is loaded at once. Streams are independent of each other.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The streams that have records, by name.
    pub streams: BTreeMap<String, StreamBatch>,
    bytes: usize,
    /// Of them, those of the largest.
    largest: usize,
    rows: usize,
}

impl Batch {
    /// Adds a record.
    pub fn push(&mut self, plan: &Arc<StreamPlan>, key: Key, row: Row) {
        self.add(plan, row.document.len(), |stream| {
            stream.record_count = stream.record_count.saturating_add(1);
            match stream.keys.entry(key) {
                Entry::Vacant(entry) => drop(entry.insert(vec![row])),
                Entry::Occupied(entry) => entry.into_mut().push(row),
            }
        });
    }

    /// Adds that children of a stream are gone.
    pub fn prune(&mut self, plan: &Arc<StreamPlan>, prune: Prune) {
        let size = prune.keep.iter().map(String::len).sum();
        self.add(plan, size, |stream| stream.prunes.push(prune));
    }

    /// Adds a record that cannot be a row.
    pub fn refuse(&mut self, plan: &Arc<StreamPlan>, refused: Refused) {
        self.add(plan, refused.record.len(), |stream| stream.refused.push(refused));
    }

    /// Whether a record may not come into this batch, because children that are gone are applied
    /// after its rows and this is one of them, come back.
    #[must_use]
    pub fn must_be_loaded_before(&self, stream: &str, key: &Key, row: &Row) -> bool {
        let id = key.first().map_or("", String::as_str);
        self.streams.get(stream).is_some_and(|batch| {
            !batch.prunes.is_empty() && batch.prunes.concern(id, &row.document)
        })
    }

    fn add(&mut self, plan: &Arc<StreamPlan>, size: usize, change: impl FnOnce(&mut StreamBatch)) {
        let size = size.saturating_add(256);
        self.bytes = self.bytes.saturating_add(size);
        self.largest = self.largest.max(size);
        if let Some(stream) = self.streams.get_mut(plan.name()) {
            change(stream);
            self.rows = self.rows.max(stream.len());
            return;
        }
        let mut stream = StreamBatch::new(plan);
        change(&mut stream);
        self.rows = self.rows.max(stream.len());
        self.streams.insert(plan.name().to_owned(), stream);
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether it has reached one of the limits, or would go beyond it with another document as large
    /// as the largest: of huge ones, one more counts.
    #[must_use]
    pub const fn is_full(&self, limits: &BatchLimits) -> bool {
        self.bytes.saturating_add(self.largest) > limits.bytes || self.rows >= limits.rows
    }
}

/// What became of a batch, by stream; every stream of the batch is in here.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Durable, with what was done; or failed, and then nothing of the stream is acknowledged.
    pub streams: BTreeMap<String, Result<WrittenCounts, crate::Error>>,
    /// For people: which records were refused, and why.
    pub refusals: Vec<String>,
    /// What the rows do not hold as it came, since the last load.
    pub receipts: Vec<Receipt>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_sizes(sizes: &[usize]) -> Batch {
        let stream = json!({"name": "a", "primary_key": [["id"]], "newer_than_field": "at"});
        let stream = serde_json::from_value(stream).unwrap();
        let plan = StreamPlan::new(&protocol::ConfiguredStream::new(stream)).unwrap();
        let mut batch = Batch::default();
        for size in sizes {
            let refused =
                Refused { key: Vec::new(), error: String::new(), record: "x".repeat(*size) };
            batch.refuse(&Arc::new(plan.clone()), refused);
        }
        batch
    }

    #[test]
    fn a_batch_is_full_when_another_as_large_as_the_largest_would_be_too_much() {
        let limits = BatchLimits { bytes: 10_000, rows: 5, flush_ms: 1 };
        assert!(!of_sizes(&[]).is_full(&limits));
        assert!(!of_sizes(&[4_000]).is_full(&limits));
        assert!(of_sizes(&[6_000]).is_full(&limits));
        assert!(of_sizes(&[20_000]).is_full(&limits));
        assert!(!of_sizes(&[100; 4]).is_full(&limits));
        assert!(of_sizes(&[100; 5]).is_full(&limits));
    }
}
