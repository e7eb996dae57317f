//! States on their way through the destination: what it may confirm; pure but for its lock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use protocol::{StateMessage, StateScope};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::gate::Passed;

/// States of one scope that are remembered; a destination that is further behind is believed.
const REMEMBERED: usize = 10_000;

/// What was sent, shared by the pump that sends and the leg that hears.
#[derive(Debug, Default)]
pub(crate) struct Sent(Mutex<BTreeMap<StateScope, Way>>);

#[derive(Debug, Default)]
struct Way {
    /// The oldest first; the one confirmed last stays, as it may be confirmed again.
    states: VecDeque<(Box<RawValue>, u64)>,
    forgot: bool,
}

impl Sent {
    /// Takes in states that are about to be sent, in order.
    pub(crate) fn push(&self, states: impl IntoIterator<Item = Passed>) {
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Passed { scope, data, records } in states {
            ways.entry(scope).or_default().push(data, records);
        }
    }

    /// How many records of its stream went before a state, if it was sent and is not older than
    /// what was confirmed before it.
    pub(crate) fn confirm(&self, state: &StateMessage) -> Option<u64> {
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.get_mut(&state.scope)?.confirm(&state.data)
    }
}

impl Way {
    fn push(&mut self, state: Box<RawValue>, records: u64) {
        // Which of two equal ones comes back cannot be known: the first asks for less.
        if self.states.back().is_some_and(|(last, _)| last.get() == state.get()) {
            return;
        }
        if self.states.len() >= REMEMBERED {
            self.states.pop_front();
            self.forgot = true;
        }
        self.states.push_back((state, records));
    }

    fn confirm(&mut self, data: &RawValue) -> Option<u64> {
        let Some(at) = self.states.iter().position(|(sent, _)| same(sent, data)) else {
            return self.forgot.then_some(0);
        };
        self.states.drain(..at);
        self.states.front().map(|(_, records)| *records)
    }
}

/// The same value, whatever its spelling: another program may have written it anew.
pub(crate) fn same(left: &RawValue, right: &RawValue) -> bool {
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    left.get() == right.get() || value(left).is_some_and(|left| Some(left) == value(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn state(stream: &str, data: &str) -> StateMessage {
        let scope = StateScope::Stream(stream.to_owned());
        StateMessage { scope, data: raw(data), emitted: None, written: None }
    }

    fn sent(states: &[(&str, &str)]) -> Sent {
        let sent = Sent::default();
        sent.push(states.iter().zip(1..).map(|((stream, data), records)| {
            let StateMessage { scope, data, .. } = state(stream, data);
            Passed { scope, data, records }
        }));
        sent
    }

    #[test]
    fn only_what_was_sent_may_be_confirmed_and_in_order() {
        let sent = sent(&[("a", "1"), ("a", "2"), ("b", "9"), ("a", "3"), ("a", "3")]);
        assert_eq!(sent.confirm(&state("a", "9")), None, "that was another stream's");
        assert_eq!(sent.confirm(&state("a", "2")), Some(2), "an earlier one may be left out");
        assert_eq!(sent.confirm(&state("a", "2")), Some(2), "the same may be said again");
        assert_eq!(sent.confirm(&state("a", "1")), None, "time does not go back");
        assert_eq!(sent.confirm(&state("a", "3")), Some(4), "of equal ones the first");
        assert_eq!(sent.confirm(&state("c", "3")), None);
    }

    #[test]
    fn another_spelling_is_the_same_state() {
        let sent = sent(&[("a", r#"{"x": [1, 2], "y": null}"#)]);
        assert!(sent.confirm(&state("a", r#"{"y":null,"x":[1,2]}"#)).is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let sent = Sent::default();
        let scope = StateScope::Global;
        sent.push((0..REMEMBERED + 5).map(|n| {
            let (scope, data) = (scope.clone(), raw(&n.to_string()));
            Passed { scope, data, records: 7 }
        }));
        let message = |data| StateMessage { scope: StateScope::Global, ..state("", data) };
        assert_eq!(sent.confirm(&message("3")), Some(0), "it may have been sent");
        assert_eq!(sent.confirm(&message("10004")), Some(7));
    }
}
