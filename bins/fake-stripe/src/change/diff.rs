//! What an update changed, as an event's `previous_attributes` tells it.

use serde_json::{Map, Value};

/// The former values of what differs: inside objects only what differs there; null for what was
/// not there before.
pub(crate) fn previous(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return before.clone() };
    let mut previous = Map::new();
    for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
        match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) if before == after => {}
            (Some(before), Some(after)) => {
                previous.insert(name.clone(), self::previous(before, after));
            }
            (before, _) => {
                previous.insert(name.clone(), before.cloned().unwrap_or_default());
            }
        }
    }
    Value::Object(previous)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let before = json!({"a": 1, "b": {"x": 1, "y": 2}, "c": [1], "gone": 5});
        let after = json!({"a": 1, "b": {"x": 1, "y": 3, "z": 4}, "c": [2]});
        let expected = json!({"b": {"y": 2, "z": null}, "c": [1], "gone": 5});
        assert_eq!(previous(&before, &after), expected);
    }
}
