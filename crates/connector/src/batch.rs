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
        let stream = self.grow(plan, row.document.len());
        stream.record_count = stream.record_count.saturating_add(1);
        match stream.keys.entry(key) {
            Entry::Vacant(entry) => drop(entry.insert(vec![row])),
            Entry::Occupied(entry) => entry.into_mut().push(row),
        }
        self.count(plan);
    }

    /// Adds that children of a stream are gone.
    pub fn prune(&mut self, plan: &Arc<StreamPlan>, prune: Prune) {
        let size = prune.keep.iter().map(String::len).sum();
        self.grow(plan, size).prunes.push(prune);
        self.count(plan);
    }

    /// Adds a record that cannot be a row.
    pub fn refuse(&mut self, plan: &Arc<StreamPlan>, refused: Refused) {
        self.grow(plan, refused.record.len()).refused.push(refused);
        self.count(plan);
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

    fn grow(&mut self, plan: &Arc<StreamPlan>, size: usize) -> &mut StreamBatch {
        self.bytes = self.bytes.saturating_add(size).saturating_add(256);
        self.streams.entry(plan.name().to_owned()).or_insert_with(|| StreamBatch {
            plan: Arc::clone(plan),
            keys: BTreeMap::new(),
            record_count: 0,
            prunes: Prunes::default(),
            refused: Vec::new(),
        })
    }

    fn count(&mut self, plan: &StreamPlan) {
        let Some(stream) = self.streams.get(plan.name()) else { return };
        let records = usize::try_from(stream.record_count).unwrap_or(usize::MAX);
        let others = stream.prunes.all().len().saturating_add(stream.refused.len());
        self.rows = self.rows.max(records.saturating_add(others));
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
    /// For people: which records were refused, and why.
    pub refusals: Vec<String>,
    /// What the rows do not hold as it came, since the last load.
    pub receipts: Vec<Receipt>,
}
