//! What an update does to an object.

use serde_json::{Value, json};

use crate::mix::{below, mix};
use crate::objects::{is_list, letters, set};

/// Texts that an owner edits.
const TEXTS: [&str; 5] = ["description", "name", "nickname", "email", "display_name"];

/// Switches that an owner turns.
const SWITCHES: [&str; 3] = ["active", "enabled", "paused"];

/// Edits an object as `random` decides: a text, a switch, its metadata, or a list inside it.
/// Tells whether there was anything to edit.
pub(crate) fn edit(object: &mut Value, random: u64) -> bool {
    let choice = below(mix(&[random]), 4);
    choice == 0 && edit_list(object, random)
        || choice == 1 && edit_text(object, random)
        || choice == 2 && turn_switch(object)
        || note(object, &format!("{random:016x}"))
        || edit_text(object, random)
        || turn_switch(object)
}

/// Turns something on that turning again puts back: a switch, else a note in the metadata.
/// Tells whether there was such a thing.
pub(crate) fn toggle(object: &mut Value) -> bool {
    if turn_switch(object) {
        return true;
    }
    let noted = object.pointer("/metadata/toggle").is_some_and(|note| note == "on");
    let note = if noted { "off" } else { "on" };
    match object.get_mut("metadata") {
        Some(metadata @ Value::Object(_)) => {
            set(metadata, "toggle", json!(note));
            true
        }
        _ => false,
    }
}

/// Ends a subscription. Tells whether it had not ended before.
pub(crate) fn cancel(object: &mut Value) -> bool {
    let is_alive = object.get("status").is_some_and(|status| status != "canceled");
    if is_alive {
        set(object, "status", json!("canceled"));
    }
    is_alive
}

/// Signs a link anew.
pub(crate) fn rotate(object: &mut Value, field: &str, random: u64) {
    if object.get(field).is_some_and(Value::is_string) {
        let url = format!("https://rotated.example.com/{}", word(random, 24));
        set(object, field, json!(url));
    }
}

fn note(object: &mut Value, text: &str) -> bool {
    match object.get_mut("metadata") {
        Some(metadata @ Value::Object(_)) => {
            set(metadata, "change", json!(text));
            true
        }
        _ => false,
    }
}

fn edit_text(object: &mut Value, random: u64) -> bool {
    let is_there = |name: &&&str| object.get(**name).is_some_and(Value::is_string);
    let Some(name) = TEXTS.iter().find(is_there) else { return false };
    set(object, name, json!(format!("edited “{}”", word(random, 6))));
    true
}

fn turn_switch(object: &mut Value) -> bool {
    let switch = SWITCHES.iter().find_map(|name| Some((*name, object.get(*name)?.as_bool()?)));
    let Some((name, value)) = switch else { return false };
    set(object, name, json!(!value));
    true
}

/// Takes an element out of a list inside the object, or puts one in.
fn edit_list(object: &mut Value, random: u64) -> bool {
    let Value::Object(map) = object else { return false };
    let Some((_, list)) = map.iter_mut().find(|(_, value)| is_list(value)) else { return false };
    let Some(Value::Array(data)) = list.get_mut("data") else { return false };
    let Some(last) = data.last().cloned() else { return false };
    if data.len() > 1 && random.is_multiple_of(2) {
        let count = u64::try_from(data.len()).unwrap_or(1);
        data.remove(usize::try_from(below(random, count)).unwrap_or(0));
    } else {
        data.push(renamed(last, random));
    }
    let count = data.len();
    if list.get("total_count").is_some() {
        set(list, "total_count", json!(count));
    }
    true
}

/// The same element with an id of its own.
fn renamed(mut element: Value, random: u64) -> Value {
    let id = element.get("id").and_then(Value::as_str).unwrap_or_default();
    let kept: String = id.chars().take(id.chars().count().saturating_sub(10)).collect();
    let id = format!("{kept}{}", word(random, 10));
    set(&mut element, "id", json!(id));
    element
}

fn word(random: u64, length: usize) -> String {
    let mut text = Vec::new();
    letters(mix(&[random]), length, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toggling_twice_puts_it_back() {
        for start in
            [json!({"active": true, "metadata": {}}), json!({"metadata": {"toggle": "off"}})]
        {
            let mut object = start.clone();
            assert!(toggle(&mut object));
            assert_ne!(object, start);
            assert!(toggle(&mut object));
            assert_eq!(object, start);
        }
        assert!(!toggle(&mut json!({"id": "x"})));
    }

    #[test]
    fn every_edit_changes_something_and_lists_grow_and_shrink() {
        let list = json!({"object": "list", "data": [{"id": "si_0123456789ab"}], "total_count": 1});
        let mut object = json!({"id": "sub_1", "items": list, "metadata": {}, "name": "a"});
        let mut lengths = std::collections::BTreeSet::new();
        for random in 0..200 {
            let before = object.clone();
            assert!(edit(&mut object, random));
            assert_ne!(object, before, "{random}");
            let data = object["items"]["data"].as_array().unwrap();
            assert_eq!(object["items"]["total_count"], data.len());
            lengths.insert(data.len());
        }
        assert!(lengths.len() > 2, "{lengths:?}");
    }
}
