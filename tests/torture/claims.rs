//! What a stored state says is done; pure.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Timestamp;
use serde_json::Value;

/// What the rows of `_sync_state` say together.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    streams: BTreeMap<String, Claim>,
    global: Value,
}

/// What is known of an object's past; unix seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Life {
    pub(crate) created: Option<i64>,
    /// When an event last told of it, since the first call began.
    pub(crate) told: Option<i64>,
    /// Whether it was created when events were already read.
    pub(crate) is_new: bool,
}

impl Life {
    /// What is known of an object of which an event last told at `told`. Before `since`, when the
    /// first call began, the account rested; in that very second it may change already.
    /// `watched_from` is the first events cursor that was seen.
    pub(crate) fn of(
        object: &Value,
        told: Option<i64>,
        since: i64,
        watched_from: Option<i64>,
    ) -> Self {
        let created = object["created"].as_i64();
        let is_new = created > watched_from && watched_from.is_some();
        Self { created, told: told.filter(|told| *told >= since), is_new }
    }
}

/// What the state of one stream says.
#[derive(Debug)]
struct Claim {
    /// Objects created before this are accounted for, but for what remains; unix seconds.
    until: i64,
    /// From, inclusive, and up to, exclusive.
    remaining: Vec<(i64, i64)>,
}

/// Polling reads so many seconds before its cursor again: what happened in them may be missing.
const OVERLAP: i64 = 60;

impl Claims {
    /// Reads rows of stream and state.
    pub(crate) fn of(states: &BTreeMap<String, Value>) -> Self {
        let mut claims = Self::default();
        for (stream, state) in states {
            if stream == "_global" {
                claims.global = state.clone();
            } else {
                claims.streams.insert(stream.clone(), Claim::of(state));
            }
        }
        claims
    }

    /// The streams that say anything.
    pub(crate) fn streams(&self) -> BTreeSet<&str> {
        self.streams.keys().map(String::as_str).collect()
    }

    /// Up to when events were read, in unix seconds.
    pub(crate) fn cursor(&self) -> Option<i64> {
        self.global["events_cursor"].as_i64()
    }

    /// Whether an object of a stream must be in the copy as it is.
    pub(crate) fn hold(&self, stream: &str, life: Life) -> bool {
        let Some(claim) = self.streams.get(stream) else { return false };
        let is_listed = claim.covers(life.created);
        match life.told {
            None => is_listed,
            // What was created while somebody looked comes by its event, whatever is listed.
            Some(told) => {
                (is_listed || life.is_new)
                    && self.read_up_to(stream).is_some_and(|read| told < read)
            }
        }
    }

    /// Up to when a stream's events are in the copy; none if the state says nothing of it.
    fn read_up_to(&self, stream: &str) -> Option<i64> {
        let behind = self.global["lagging"][stream].as_i64();
        let in_gap = self.global["gap"]["streams"]
            .as_array()
            .is_some_and(|streams| streams.iter().any(|gone| gone == stream));
        if in_gap { None } else { Some(behind.or(self.cursor())? - OVERLAP) }
    }
}

impl Claim {
    fn of(state: &Value) -> Self {
        let seconds = |text: &Value| -> i64 {
            text.as_str().unwrap().parse::<Timestamp>().unwrap().seconds_floor()
        };
        let accounted = &state["accounted_range"];
        let (from, until) = (seconds(&accounted["gte"]), seconds(&accounted["lt"]));
        let ranges = state["remaining"].as_array().unwrap();
        let remaining = ranges.iter().map(|range| {
            let (gte, lt) = (seconds(&range["gte"]), seconds(&range["lt"]));
            // Both ends of what is accounted for are open.
            (if gte <= from { i64::MIN } else { gte }, if lt >= until { i64::MAX } else { lt })
        });
        Self { until, remaining: remaining.collect() }
    }

    /// An object of unknown age is covered when nothing remains.
    fn covers(&self, created: Option<i64>) -> bool {
        let Some(created) = created else { return self.remaining.is_empty() };
        created < self.until
            && !self.remaining.iter().any(|(gte, lt)| (*gte..*lt).contains(&created))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(global: Value) -> Claims {
        let state = json!({
            "accounted_range": {"gte": "1970-01-01T00:00:00.000Z", "lt": "1970-01-01T00:16:40.000Z"},
            "remaining": [{"gte": "1970-01-01T00:03:20.000Z", "lt": "1970-01-01T00:05:00.000Z", "cursor": "x"}],
        });
        let states = [("charges".to_owned(), state), ("_global".to_owned(), global)];
        Claims::of(&states.into())
    }

    fn life(created: i64, told: Option<i64>) -> Life {
        Life { created: Some(created), told, is_new: false }
    }

    #[test]
    fn what_remains_or_came_later_is_not_claimed() {
        let claims = claims(Value::Null);
        let held = |created| claims.hold("charges", life(created, None));
        let expected = [true, false, false, true, true, false];
        assert_eq!([199, 200, 299, 300, 999, 1000].map(held), expected);
        let ageless = Life { created: None, ..life(0, None) };
        assert!(!claims.hold("charges", ageless), "something remains");
        assert!(!claims.hold("refunds", life(5, None)), "there is no state of that stream");
    }

    #[test]
    fn a_change_in_the_second_in_which_the_first_call_begins_is_not_claimed_by_a_list() {
        let life = |told| Life::of(&json!({"created": 5}), Some(told), 100, None);
        let held = |told| claims(json!({"events_cursor": 101})).hold("charges", life(told));
        assert_eq!([99, 100, 101].map(held), [true, false, false]);
    }

    #[test]
    fn an_event_is_claimed_once_the_cursor_is_well_past_it() {
        let held =
            |global, created, told| claims(global).hold("charges", life(created, Some(told)));
        assert!(!held(Value::Null, 5, 10));
        let cursor = || json!({"events_cursor": 100});
        assert!(held(cursor(), 5, 39) && !held(cursor(), 5, 40) && !held(cursor(), 1000, 39));
        let new = Life { is_new: true, ..life(1000, Some(39)) };
        assert!(claims(cursor()).hold("charges", new));
        assert!(!held(json!({"events_cursor": 500, "lagging": {"charges": 100}}), 5, 200));
        assert!(!held(json!({"events_cursor": 500, "gap": {"streams": ["charges"]}}), 5, 10));
    }
}
