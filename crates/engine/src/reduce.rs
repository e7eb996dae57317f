//! The state of a run, folded from what comes out of the destination; pure.

use std::collections::BTreeMap;

use protocol::{
    Message, Places, Progress, SourceState, StateMessage, StateScope, SyncState, Timestamp, Written,
};
use serde_json::value::RawValue;

use crate::progress;
use crate::tally::Tally;

/// What was confirmed since the store was last written, to be saved in one step.
///
/// A later state of the same scope has taken the place of an earlier one, which is sound because
/// the whole is saved at once.
#[derive(Debug, Clone, Default)]
pub struct Unsaved {
    /// States by stream.
    pub streams: BTreeMap<String, Box<RawValue>>,
    /// State of the source as a whole.
    pub global: Option<Box<RawValue>>,
    /// Whether what is kept of the pipeline itself is new, such as the last run of a place.
    pub pipeline: bool,
}

impl Unsaved {
    /// Whether there is nothing to save.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.global.is_none() && !self.pipeline
    }
}

/// A run so far.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// What a client hands back to go on; its progress is the run's.
    pub state: SyncState,
    /// The identity of each stream's place and the last run known to have written there.
    pub places: Places,
    /// What has to be saved before it may be shown.
    pub unsaved: Unsaved,
    /// The run's own id, with which places are marked.
    pub run_id: String,
    /// What the store has: where a new pair of processes begins.
    pub saved: SourceState,
    /// Progress of this call alone.
    pub request: Progress,
    /// What connectors gave account of, over all calls of the run.
    pub tally: Tally,
}

impl Run {
    /// Takes in one message that the engine saw at `ts`.
    pub fn fold(&mut self, message: &Message, ts: Timestamp) {
        progress::fold(&mut self.state.sync_run.progress, message, ts);
        progress::fold(&mut self.request, message, ts);
        match message {
            Message::SourceState(state) => {
                self.keep(state);
                self.mark(state.written.as_ref());
            }
            Message::Log(log) => {
                self.mark(log.written.as_ref());
                self.tally.fold(log, ts);
            }
            Message::Spec(_)
            | Message::ConnectionStatus(_)
            | Message::Catalog(_)
            | Message::StreamStatus(_)
            | Message::Control(_)
            | Message::Progress(_)
            | Message::Eof(_) => {}
        }
    }

    /// Takes in what the source opens with, before any record: there is nothing that a destination
    /// would have to confirm first. Rows will depend on it, so that it is saved as what is kept of
    /// the pipeline is: no crash of the store's server may forget it.
    pub(crate) fn open(&mut self, state: &StateMessage) {
        self.keep(state);
        self.unsaved.pipeline = true;
    }

    /// Takes in a record that the destination echoed at `ts`.
    pub fn fold_echo(&mut self, stream: &str, ts: Timestamp) {
        progress::fold_echo(&mut self.state.sync_run.progress, stream, ts);
        progress::fold_echo(&mut self.request, stream, ts);
    }

    /// Takes in that it is `now`.
    pub fn advance(&mut self, now: Timestamp) {
        progress::advance(&mut self.state.sync_run.progress, now);
        progress::advance(&mut self.request, now);
    }

    /// Takes in that the store has it now.
    pub fn confirm(&mut self, saved: Unsaved) {
        self.saved.streams.extend(saved.streams);
        if saved.global.is_some() {
            self.saved.global = saved.global;
        }
    }

    /// What is not saved yet; from here on it counts as taken.
    pub fn take_unsaved(&mut self) -> Unsaved {
        std::mem::take(&mut self.unsaved)
    }

    fn keep(&mut self, message: &StateMessage) {
        replace(&mut self.state.source, message);
        match &message.scope {
            StateScope::Stream(stream) => {
                self.unsaved.streams.insert(stream.clone(), message.data.clone());
            }
            StateScope::Global => self.unsaved.global = Some(message.data.clone()),
        }
    }

    /// A run that changed rows is from then on the last one that wrote there.
    fn mark(&mut self, written: Option<&Written>) {
        for (stream, counts) in written.into_iter().flatten() {
            let changed = counts.created > 0 || counts.updated > 0 || counts.deleted > 0;
            let Some(place) = self.places.get_mut(stream).filter(|_| changed) else { continue };
            if place.run.as_ref() != Some(&self.run_id) {
                place.run = Some(self.run_id.clone());
                self.unsaved.pipeline = true;
            }
        }
    }
}

/// Puts a state where it belongs; the one before is gone.
pub fn replace(state: &mut SourceState, message: &StateMessage) {
    match &message.scope {
        StateScope::Stream(stream) => {
            state.streams.insert(stream.clone(), message.data.clone());
        }
        StateScope::Global => state.global = Some(message.data.clone()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::{Place, WrittenCounts};

    use super::*;

    fn state(scope: u8, value: u64) -> Message {
        let scope = match scope {
            0 => StateScope::Global,
            n => StateScope::Stream(format!("stream{n}")),
        };
        let data = RawValue::from_string(value.to_string()).unwrap();
        Message::SourceState(StateMessage { scope, data, emitted: None, written: None })
    }

    fn show(state: &SourceState) -> String {
        serde_json::to_string(state).unwrap()
    }

    fn save(store: &mut SourceState, unsaved: Unsaved) {
        store.streams.extend(unsaved.streams);
        store.global = unsaved.global.or_else(|| store.global.take());
    }

    proptest! {
        /// Messages come, now and then they are saved, now and then everything in memory is lost.
        /// Whoever then goes on from the store and is told again what was lost ends where one
        /// fold over the whole history ends, and the store is never ahead of what was told.
        #[test]
        fn any_history_with_crashes_at_any_step_ends_in_the_same_state(
            history in prop::collection::vec((0_u8..4, 0_u64..1000), 1..60),
            saves in prop::collection::btree_set(0_usize..60, 0..20),
            crashes in prop::collection::btree_set(0_usize..60, 0..10),
        ) {
            let mut whole = Run::default();
            let mut run = Run::default();
            let mut store = SourceState::default();
            let mut saved_to = 0;
            let mut at = 0;
            let mut crashes = crashes;
            while at < history.len() {
                if crashes.remove(&at) {
                    run = Run::default();
                    run.state.source = store.clone();
                    at = saved_to;
                    continue;
                }
                let (scope, value) = history[at];
                run.fold(&state(scope, value), Timestamp::EPOCH);
                at += 1;
                if saves.contains(&at) {
                    save(&mut store, run.take_unsaved());
                    saved_to = at;
                    let mut told = Run::default();
                    for (scope, value) in &history[..at] {
                        told.fold(&state(*scope, *value), Timestamp::EPOCH);
                    }
                    prop_assert_eq!(show(&store), show(&told.state.source));
                }
            }
            for (scope, value) in history {
                whole.fold(&state(scope, value), Timestamp::EPOCH);
            }
            prop_assert_eq!(show(&run.state.source), show(&whole.state.source));
            save(&mut store, run.take_unsaved());
            prop_assert_eq!(show(&store), show(&whole.state.source));
        }
    }

    #[test]
    fn a_place_is_marked_by_rows_that_changed_only() {
        let mut run = Run { run_id: "r2".to_owned(), ..Run::default() };
        run.places.insert("a".to_owned(), Place { id: "x".to_owned(), run: Some("r1".to_owned()) });
        let mut fold = |counts: WrittenCounts| {
            let Message::SourceState(mut message) = state(1, 1) else { panic!("a state") };
            message.written = Some(Written::from([("a".to_owned(), counts)]));
            run.fold(&Message::SourceState(message), Timestamp::EPOCH);
            (run.places["a"].run.clone().unwrap(), run.take_unsaved().pipeline)
        };
        let unchanged = WrittenCounts { unchanged: 5, ..WrittenCounts::default() };
        assert_eq!(fold(unchanged), ("r1".to_owned(), false));
        let created = WrittenCounts { created: 5, ..WrittenCounts::default() };
        assert_eq!(fold(created), ("r2".to_owned(), true));
        assert_eq!(fold(created), ("r2".to_owned(), false));
    }
}
