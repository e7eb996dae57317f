//! Which events were taken in a moment ago: a reading overlaps the one before, and events of one
//! second that come apart are tied. Kept in this process only; pure.

use std::collections::{BTreeMap, BTreeSet};

use super::collapse::Key;
use super::event::Event;

/// For how long the events of an object are remembered, in seconds.
const REMEMBERED_SECONDS: i64 = 300;

/// Events of the last minutes.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Those that a poll need not take in again, by second; each stream has its own, and what is for
    /// none stands under none.
    settled: BTreeMap<i64, BTreeSet<(Option<usize>, String)>>,
    /// The ids of the events of an object by its newest second.
    newest: BTreeMap<Key, (i64, BTreeSet<String>)>,
}

impl Memory {
    /// A poll need not take this event in again for this stream. True if it was not so before.
    pub(crate) fn settle(&mut self, stream: Option<usize>, event: &Event) -> bool {
        self.settled.entry(event.created).or_default().insert((stream, event.id.clone()))
    }

    /// Notes the events of an object in one second. True if another one of it was noted before.
    pub(crate) fn note(&mut self, key: &Key, second: i64, ids: &BTreeSet<String>) -> bool {
        let entry = self.newest.entry(key.clone()).or_insert_with(|| (second, BTreeSet::new()));
        if entry.0 < second {
            *entry = (second, BTreeSet::new());
        }
        if entry.0 > second {
            return false;
        }
        let is_tied = entry.1.difference(ids).next().is_some();
        entry.1.extend(ids.iter().cloned());
        is_tied
    }

    /// Forgets what is older than the next reading looks back, and what nobody asks about any more.
    pub(crate) fn forget(&mut self, looks_back_to: i64, now: i64) {
        self.settled = self.settled.split_off(&looks_back_to);
        let oldest = now.saturating_sub(REMEMBERED_SECONDS);
        self.newest.retain(|_, (second, _)| *second >= oldest);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: &str, created: i64) -> Event {
        let event = json!({"id": id, "type": "a.updated", "created": created, "data": {"object": {"object": "a"}}});
        Event::parse(&event.to_string()).unwrap()
    }

    #[test]
    fn events_of_one_second_are_tied_and_the_same_event_twice_is_not() {
        let (mut memory, key) = (Memory::default(), (0, "x".to_owned()));
        let note = |memory: &mut Memory, id: &str, at| {
            memory.note(&key, at, &BTreeSet::from([id.to_owned()]))
        };
        assert!(!note(&mut memory, "a", 7));
        assert!(!note(&mut memory, "a", 7));
        assert!(note(&mut memory, "b", 7));
        assert!(!note(&mut memory, "c", 8));
        assert!(!note(&mut memory, "d", 7), "an older one is beaten by its stamp");
        memory.forget(0, 1000);
        assert!(!note(&mut memory, "e", 8));
    }

    #[test]
    fn what_a_reading_sees_again_is_known_until_it_looks_no_further_back() {
        let mut memory = Memory::default();
        let settle = |memory: &mut Memory, stream, id, at| memory.settle(stream, &event(id, at));
        assert!(settle(&mut memory, Some(0), "a", 7) && settle(&mut memory, Some(0), "b", 8));
        memory.forget(8, 8);
        assert!(!settle(&mut memory, Some(0), "b", 8) && settle(&mut memory, Some(0), "a", 7));
        assert!(settle(&mut memory, Some(1), "b", 8), "another stream of these objects may lag");
    }
}
