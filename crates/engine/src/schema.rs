//! The part of JSON Schema that specs of connectors use: types, enums, properties, items.
//!
//! Specs are flat and closed, so nothing here follows references or resolves conditions; a keyword
//! that is not known constrains nothing.

use serde_json::{Map, Value};

/// Types that a schema allows, in the schema's words; empty means any.
pub(crate) fn types(schema: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    match schema.get("type") {
        Some(Value::String(name)) => found.push(name.as_str()),
        Some(Value::Array(names)) => found.extend(names.iter().filter_map(Value::as_str)),
        _ => {}
    }
    for alternatives in ["anyOf", "oneOf"] {
        let branches = schema.get(alternatives).and_then(Value::as_array);
        found.extend(branches.into_iter().flatten().flat_map(types));
    }
    found
}

/// The schema's properties, by name.
pub(crate) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

/// Names in `required`.
pub(crate) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether keys beyond `properties` are refused.
pub(crate) fn is_closed(schema: &Value) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
}

/// Why a value does not fit a schema, without showing the value.
pub(crate) fn misfit(schema: &Value, value: &Value) -> Option<String> {
    let allowed = types(schema);
    if !allowed.is_empty() && !allowed.iter().any(|name| is_a(name, value)) {
        return Some(format!("expected {}, found {}", allowed.join(" or "), type_of(value)));
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        return Some(format!("expected one of {}", choices.join(", ")));
    }
    match value {
        Value::Object(object) => misfit_of_object(schema, object),
        Value::Array(items) => {
            let schema = schema.get("items")?;
            items.iter().find_map(|item| misfit(schema, item))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn misfit_of_object(schema: &Value, object: &Map<String, Value>) -> Option<String> {
    if let Some(key) = required(schema).find(|key| !object.contains_key(*key)) {
        return Some(format!("`{key}` is missing"));
    }
    let properties = properties(schema)?;
    object.iter().find_map(|(key, value)| match properties.get(key) {
        Some(schema) => misfit(schema, value).map(|why| format!("`{key}`: {why}")),
        None if is_closed(schema) => Some(format!("unknown key `{key}`")),
        None => None,
    })
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => other == type_of(value),
    }
}

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_in_another_shape_is_seen() {
        let schema = json!({"type": "object", "required": ["remaining"], "additionalProperties": false,
            "properties": {"remaining": {"type": "array", "items": {"type": "object",
                "properties": {"cursor": {"type": ["string", "null"]}}}}}});
        assert_eq!(misfit(&schema, &json!({"remaining": [{"cursor": null}]})), None);
        assert!(misfit(&schema, &json!({"eventId": "evt_1"})).is_some());
        assert!(misfit(&schema, &json!({"remaining": [{"cursor": 1}]})).is_some());
        assert!(misfit(&schema, &json!({"remaining": [], "x": 1})).unwrap().contains("`x`"));
    }

    #[test]
    fn a_misfit_never_shows_the_value() {
        let why = misfit(&json!({"type": "integer"}), &json!("sk_live_canary")).unwrap();
        assert!(!why.contains("canary"), "{why}");
    }
}
