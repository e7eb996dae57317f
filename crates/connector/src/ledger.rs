//! The commit rule: what may leave a destination, and when.
//!
//! Pure bookkeeping over positions. Every record that comes in takes the next position; every other
//! message waits in a queue behind all records that came before it, of any stream, and leaves once
//! those are durable. So messages leave in the order they came, and a state never speaks for a record
//! that is not stored.

use std::collections::{BTreeSet, VecDeque};

/// What a waiting line is, as far as the rule cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The state of one stream.
    State(String),
    /// The state of the source as a whole.
    GlobalState,
    /// That a stream is complete.
    Complete(String),
    /// Anything else.
    Other,
}

#[derive(Debug)]
struct Entry {
    /// Records that must be settled first.
    behind: u64,
    what: Waiting,
    line: Vec<u8>,
}

/// Counts records and holds back everything that must not overtake them.
#[derive(Debug, Default)]
pub struct Ledger {
    received: u64,
    settled: u64,
    queue: VecDeque<Entry>,
    queued_bytes: usize,
    failed: BTreeSet<String>,
}

impl Ledger {
    /// A record came in.
    pub const fn record(&mut self) {
        self.received = self.received.saturating_add(1);
    }

    /// A line came in that must not overtake the records before it.
    pub fn pass(&mut self, what: Waiting, line: Vec<u8>) {
        self.queued_bytes = self.queued_bytes.saturating_add(line.len());
        self.queue.push_back(Entry { behind: self.received, what, line });
    }

    /// The position up to which records came in: a batch that holds them all speaks for it.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.received
    }

    /// Every record up to `position` is durable, refused, or of a stream that has failed.
    pub fn settle(&mut self, position: u64) {
        self.settled = self.settled.max(position);
    }

    /// A stream failed here: its later states and its completion are dropped, and from now on no
    /// global state is released, because one would speak for the records that are missing.
    pub fn fail(&mut self, stream: &str) {
        self.failed.insert(stream.to_owned());
    }

    /// Whether a stream has failed here.
    #[must_use]
    pub fn has_failed(&self, stream: &str) -> bool {
        self.failed.contains(stream)
    }

    /// Whether what came last speaks for all that came before it: a state of the source as a whole.
    #[must_use]
    pub fn is_rounded_off(&self) -> bool {
        self.queue.back().is_some_and(|entry| {
            entry.what == Waiting::GlobalState && entry.behind == self.received
        })
    }

    /// Bytes of lines that wait.
    #[must_use]
    pub const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// The next line that may leave now.
    pub fn release(&mut self) -> Option<(Waiting, Vec<u8>)> {
        while self.queue.front().is_some_and(|entry| entry.behind <= self.settled) {
            let entry = self.queue.pop_front()?;
            self.queued_bytes = self.queued_bytes.saturating_sub(entry.line.len());
            if !self.is_dropped(&entry.what) {
                return Some((entry.what, entry.line));
            }
        }
        None
    }

    fn is_dropped(&self, what: &Waiting) -> bool {
        match what {
            Waiting::State(stream) | Waiting::Complete(stream) => self.has_failed(stream),
            Waiting::GlobalState => !self.failed.is_empty(),
            Waiting::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Record(u8),
        State(u8),
        Global,
        Complete(u8),
        /// A batch with everything so far starts to be written.
        Begin,
        /// It is written; the streams in the mask failed.
        End(u8),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..3_u8).prop_map(Step::Record),
            3 => (0..3_u8).prop_map(Step::State),
            1 => Just(Step::Global),
            1 => (0..3_u8).prop_map(Step::Complete),
            2 => Just(Step::Begin),
            2 => (0..8_u8).prop_map(Step::End),
        ]
    }

    /// A slow and plain account of what is durable.
    #[derive(Default)]
    struct Model {
        records: Vec<(u64, u8)>,
        durable: BTreeSet<u64>,
        failed: BTreeSet<u8>,
        clock: u64,
    }

    impl Model {
        fn check(&self, what: &Waiting, line: &[u8]) {
            let at: u64 = std::str::from_utf8(line).unwrap().parse().unwrap();
            for (position, stream) in self.records.iter().filter(|(p, _)| *p < at) {
                let is_settled = self.durable.contains(position) || self.failed.contains(stream);
                assert!(is_settled, "{what:?} at {at} overtook record {position}");
            }
            match what {
                Waiting::State(name) | Waiting::Complete(name) => {
                    assert!(!self.failed.contains(&name.parse().unwrap()));
                }
                Waiting::GlobalState => assert!(self.failed.is_empty()),
                Waiting::Other => {}
            }
        }
    }

    proptest! {
        #[test]
        fn no_state_leaves_before_the_records_it_covers_are_durable(
            steps in proptest::collection::vec(any_step(), 0..60),
        ) {
            let mut ledger = Ledger::default();
            let mut model = Model::default();
            let mut in_flight: Option<u64> = None;
            let mut last = 0;
            for step in steps {
                model.clock += 1;
                let line = model.clock.to_string().into_bytes();
                match step {
                    Step::Record(stream) => {
                        ledger.record();
                        model.records.push((model.clock, stream));
                    }
                    Step::State(stream) => ledger.pass(Waiting::State(stream.to_string()), line),
                    Step::Global => ledger.pass(Waiting::GlobalState, line),
                    Step::Complete(stream) => ledger.pass(Waiting::Complete(stream.to_string()), line),
                    Step::Begin => { in_flight.get_or_insert(ledger.position()); }
                    Step::End(mask) => if let Some(position) = in_flight.take() {
                        for stream in (0..3_u8).filter(|stream| mask & (1 << stream) != 0 && mask > 5) {
                            ledger.fail(&stream.to_string());
                            model.failed.insert(stream);
                        }
                        let count = usize::try_from(position).unwrap();
                        model.durable.extend(model.records.iter().take(count).map(|(at, _)| *at));
                        ledger.settle(position);
                    }
                }
                while let Some((what, line)) = ledger.release() {
                    model.check(&what, &line);
                    let at: u64 = std::str::from_utf8(&line).unwrap().parse().unwrap();
                    prop_assert!(at > last, "out of order");
                    last = at;
                }
            }
        }
    }

    #[test]
    fn a_failed_stream_holds_back_its_states_and_every_global_one() {
        let mut ledger = Ledger::default();
        ledger.record();
        ledger.pass(Waiting::State("a".to_owned()), b"a".to_vec());
        ledger.pass(Waiting::State("b".to_owned()), b"b".to_vec());
        ledger.pass(Waiting::GlobalState, b"g".to_vec());
        assert_eq!(ledger.release(), None);
        ledger.fail("a");
        ledger.settle(1);
        assert_eq!(ledger.release(), Some((Waiting::State("b".to_owned()), b"b".to_vec())));
        assert_eq!(ledger.release(), None);
    }
}
