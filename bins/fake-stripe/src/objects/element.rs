//! The text of an object as an element of a page, and what is read from it and written into it.

use std::collections::BTreeMap;
use std::str;

use memchr::memmem;
use serde_json::Value;

use super::compose::SHOWN;

/// Between two objects of a page, the indent of the second included.
pub(crate) const SEPARATOR: &[u8] = b",\n    ";

/// Before a property of an element.
const INDENT: &str = "\n      ";

/// An element as a value; null if it is none.
pub(crate) fn read(element: &[u8]) -> Value {
    serde_json::from_slice(element).unwrap_or_default()
}

/// A value as an element of a page.
pub(crate) fn print(value: &Value) -> Vec<u8> {
    format!("{value:#}").replace('\n', "\n    ").into_bytes()
}

/// A property of an element that is a text without escapes, found without reading the rest.
pub(crate) fn text_property<'a>(element: &'a [u8], name: &str) -> Option<&'a str> {
    let start = format!("{INDENT}\"{name}\": \"");
    let at = memmem::find(element, start.as_bytes())?;
    let rest = element.get(at + start.len()..)?;
    let end = memchr::memchr(b'"', rest)?;
    str::from_utf8(rest.get(..end)?).ok()
}

/// Puts the elements that were not shown into the lists of an object.
pub(crate) fn complete(object: &mut Value, rest: BTreeMap<&str, Vec<Value>>) {
    for (name, elements) in rest {
        let Some(list) = object.get_mut(name) else { continue };
        if let Some(Value::Array(data)) = list.get_mut("data") {
            data.extend(elements);
        }
        set(list, "has_more", Value::Bool(false));
    }
}

/// The object as Stripe shows it: of each list no more than ten elements. None if nothing is
/// left out.
pub(crate) fn cut(object: &Value) -> Option<Value> {
    let mut shown = object.clone();
    let mut is_cut = false;
    for (_, list) in shown.as_object_mut()?.iter_mut().filter(|(_, value)| is_list(value)) {
        let Some(Value::Array(data)) = list.get_mut("data") else { continue };
        if data.len() > SHOWN {
            data.truncate(SHOWN);
            set(list, "has_more", Value::Bool(true));
            is_cut = true;
        }
    }
    is_cut.then_some(shown)
}

/// Whether a value is a list inside an object.
pub(crate) fn is_list(value: &Value) -> bool {
    value.get("object").is_some_and(|object| object == "list")
}

/// Sets a property of an object.
pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_property_is_found_where_it_stands_and_nowhere_deeper() {
        let element = print(&json!({"inner": {"status": "no"}, "status": "open", "id": "x"}));
        assert_eq!(text_property(&element, "status"), Some("open"));
        assert_eq!(text_property(&element, "id"), Some("x"));
        assert_eq!(text_property(&element, "inner"), None);
    }

    #[test]
    fn what_is_cut_is_completed_again() {
        let numbers: Vec<Value> = (0..12).map(Value::from).collect();
        let list = json!({"object": "list", "data": numbers, "has_more": false, "total_count": 12});
        let whole = json!({"lines": list, "few": {"object": "list", "data": [1]}});
        let mut shown = cut(&whole).unwrap();
        assert_eq!(shown["lines"]["data"].as_array().unwrap().len(), 10);
        assert_eq!(shown["lines"]["has_more"], true);
        assert_eq!(cut(&shown), None);
        complete(&mut shown, BTreeMap::from([("lines", vec![json!(10), json!(11)])]));
        assert_eq!(shown, whole);
    }
}
