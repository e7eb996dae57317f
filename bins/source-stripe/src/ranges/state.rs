//! The state of a stream as it is kept, in a shape that the TypeScript engine reads too.

use protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How far a stream was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamState {
    /// The time that the ranges account for.
    pub(crate) accounted_range: Span,
    /// What of it is still to be read; nothing when it is done.
    pub(crate) remaining: Vec<Remaining>,
}

/// A span of time, `gte` inclusive and `lt` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// First moment that belongs to it.
    pub(crate) gte: Timestamp,
    /// First moment after it.
    pub(crate) lt: Timestamp,
}

/// A range that is still to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remaining {
    /// First moment that belongs to it.
    pub(crate) gte: Timestamp,
    /// First moment after it.
    pub(crate) lt: Timestamp,
    /// Id of the last object that was emitted, if one was.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
}

/// Reads a stored state. Foreign keys beside ours are left aside.
///
/// # Errors
///
/// When it is in another shape: the stream then starts afresh. A text for the warning.
pub(crate) fn parse(stored: &RawValue) -> Result<StreamState, String> {
    serde_json::from_str(stored.get()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use serde_json::{Value, json};

    use super::*;

    fn read(stored: &Value) -> Result<StreamState, String> {
        parse(&to_raw_value(stored).unwrap())
    }

    #[test]
    fn a_state_is_written_as_it_was_read() {
        let stored = json!({
            "accounted_range": {"gte": "2020-01-01T00:00:00.000Z", "lt": "2021-01-01T00:00:00.000Z"},
            "remaining": [
                {"gte": "2020-01-01T00:00:00.000Z", "lt": "2020-06-01T00:00:00.000Z", "cursor": null},
                {"gte": "2020-06-01T00:00:00.000Z", "lt": "2020-07-01T00:00:00.000Z", "cursor": "ch_1"}
            ]
        });
        assert_eq!(serde_json::to_value(read(&stored).unwrap()).unwrap(), stored);
    }

    #[test]
    fn times_with_offsets_are_the_same_times() {
        let stored = json!({
            "accounted_range": {"gte": "2020-01-01T09:00:00+09:00", "lt": "2021-01-01T00:00:00Z"},
            "remaining": [], "eventId": "evt_1"
        });
        let state = read(&stored).unwrap();
        assert_eq!(state.accounted_range.gte.to_string(), "2020-01-01T00:00:00.000Z");
    }

    #[test]
    fn other_shapes_are_refused() {
        for stored in [
            json!({"eventId": "evt_1", "eventCreated": 1}),
            json!({"remaining": []}),
            json!({"accounted_range": {"gte": "yesterday", "lt": "now"}, "remaining": []}),
            json!([]),
            Value::Null,
        ] {
            assert!(read(&stored).is_err(), "{stored}");
        }
    }
}
