//! Records gathered for one load, by stream and key, in order of arrival.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::{Receipt, WrittenCounts};

use crate::dead_letter::Refused;
use crate::plan::StreamPlan;
use crate::prune::{Prune, Prunes};
use crate::row::{Key, Row};
use crate::version::Stored;

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

/// What is known of a key's row before its batch is loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sight {
    /// Nobody has looked, or what was seen may have changed since.
    #[default]
    Unknown,
    /// There is no row.
    Absent,
    /// There is this row.
    Row(Stored),
}

/// What was seen of the rows that a batch is about: by stream, in the order of its keys.
pub type Seen = BTreeMap<String, Vec<Sight>>;

/// The records of one stream, all versions of a key together; keys in byte order, so that writers
/// that take rows in this order never deadlock.
#[derive(Debug, Clone)]
pub struct StreamBatch {
    /// The stream.
    pub plan: Arc<StreamPlan>,
    /// By key, the versions in order of arrival.
    pub keys: BTreeMap<Key, Vec<Row>>,
    /// What was seen of their rows ahead, in the same order; empty where nobody looked.
    pub sights: Vec<Sight>,
    /// Places of keys whose rows may change after they are looked at.
    doubtful: BTreeSet<usize>,
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
            sights: Vec::new(),
            doubtful: BTreeSet::new(),
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

    fn doubt(&mut self, before: &Self) {
        if !before.prunes.is_empty() {
            self.doubtful = (0..self.keys.len()).collect();
            return;
        }
        let mut others = before.keys.keys().peekable();
        for (place, key) in self.keys.keys().enumerate() {
            while others.next_if(|other| *other < key).is_some() {}
            if others.peek() == Some(&key) {
                self.doubtful.insert(place);
            }
        }
    }

    fn see(&mut self, mut sights: Vec<Sight>) {
        for place in &self.doubtful {
            if let Some(sight) = sights.get_mut(*place) {
                *sight = Sight::Unknown;
            }
        }
        self.sights = sights;
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

    /// Notes which rows a batch that is loaded before this one, but after a look at them, may change:
    /// those of its keys, and all of a stream whose children it says are gone.
    pub(crate) fn doubt(&mut self, before: &Self) {
        for (name, stream) in &mut self.streams {
            if let Some(before) = before.streams.get(name) {
                stream.doubt(before);
            }
        }
    }

    /// Takes in what was seen ahead, as far as it is beyond doubt.
    pub(crate) fn see(&mut self, seen: Seen) {
        for (name, sights) in seen {
            if let Some(stream) = self.streams.get_mut(&name) {
                stream.see(sights);
            }
        }
    }

    /// Bytes of documents, and of them those of the largest.
    pub(crate) const fn sizes(&self) -> (usize, usize) {
        (self.bytes, self.largest)
    }

    /// Whether another document goes into it beside batches of these sizes, together with which it
    /// has the room of one.
    pub(crate) const fn has_room_beside(
        &self,
        (waiting, largest): (usize, usize),
        limits: &BatchLimits,
    ) -> bool {
        let more = if self.largest > largest { self.largest } else { largest };
        waiting == 0 || waiting.saturating_add(self.bytes).saturating_add(more) <= limits.bytes
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
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn plan() -> StreamPlan {
        let stream = json!({"name": "a", "primary_key": [["id"]], "newer_than_field": "at"});
        let stream = serde_json::from_value(stream).unwrap();
        StreamPlan::new(&protocol::ConfiguredStream::new(stream)).unwrap()
    }

    fn of_keys(keys: &BTreeSet<u8>) -> Batch {
        let data = |key: &u8| format!(r#"{{"id":"{key}","at":1}}"#);
        let mut batch = Batch::default();
        for data in keys.iter().map(data) {
            let data = serde_json::value::RawValue::from_string(data).unwrap();
            let record = protocol::Record {
                stream: "a".into(),
                data: &data,
                emitted_at: "".into(),
                origin: None,
                prune: Vec::new(),
            };
            let (key, row) = crate::row::read_row(&plan(), &record).unwrap();
            batch.push(&Arc::new(plan()), key, row);
        }
        batch
    }

    fn of_sizes(sizes: &[usize]) -> Batch {
        let plan = plan();
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

    #[test]
    fn beside_batches_that_wait_there_is_room_for_what_is_left_of_one() {
        let limits = BatchLimits { bytes: 10_000, rows: 5, flush_ms: 1 };
        let of = |sizes: &[usize], waiting| of_sizes(sizes).has_room_beside(waiting, &limits);
        assert!(of(&[9_000], (0, 0)));
        assert!(of(&[], (6_000, 3_000)));
        assert!(!of(&[], (6_000, 5_000)));
        assert!(of(&[2_000], (5_000, 500)));
        assert!(!of(&[3_000], (5_000, 500)));
    }

    proptest! {
        #[test]
        fn what_was_seen_counts_but_for_keys_of_a_batch_that_is_loaded_first(
            ours in proptest::collection::btree_set(0..20_u8, 1..20),
            before in proptest::collection::btree_set(0..20_u8, 0..20),
        ) {
            let mut batch = of_keys(&ours);
            batch.doubt(&of_keys(&before));
            batch.see(Seen::from([("a".to_owned(), vec![Sight::Absent; ours.len()])]));
            let stream = &batch.streams["a"];
            for (key, sight) in stream.keys.keys().zip(&stream.sights) {
                let is_shared = before.contains(&key[0].parse().unwrap());
                prop_assert_eq!(*sight == Sight::Unknown, is_shared, "{:?}", key);
            }
        }
    }
}
