//! One property of a JSON Schema as one virtual generated column.
//!
//! Every expression is total: no document makes it fail, not even one that SQLite cannot parse
//! (more than 1,000 levels of nesting). A value that does not fit its column is null there, and
//! stands in the document as it came. Only functions of SQLite 3.31 are used, the first version with
//! generated columns, so that old tools can open the file.

use std::collections::BTreeSet;

use serde_json::Value;

use super::table::RAW;
use crate::sql::{literal, quoted};

/// A column and what follows its name in DDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) definition: String,
}

impl Column {
    /// The column named `name` for the top-level property `property`.
    pub(crate) fn property(name: String, property: &str, schema: &Value) -> Self {
        let document = quoted(RAW);
        let path = path(&[property]);
        let value = format!("json_extract({document},{path})");
        let kind = format!("json_type({document},{path})");
        let (data_type, inner) = if schema.get("x-expandable-reference") == Some(&Value::Bool(true))
        {
            let id = self::path(&[property, "id"]);
            ("TEXT", text(&format!("coalesce(json_extract({document},{id}),{value})")))
        } else {
            match Kind::of(schema) {
                Kind::Integer => ("INTEGER", integer(&kind, &value)),
                Kind::Number => {
                    ("NUMERIC", format!("WHEN {kind} IN ('integer','real') THEN {value}"))
                }
                Kind::Boolean => {
                    ("BOOLEAN", format!("WHEN {kind} IN ('true','false') THEN {value}"))
                }
                Kind::Text => ("TEXT", text(&value)),
            }
        };
        let definition = format!(
            "{data_type} GENERATED ALWAYS AS \
             (CASE WHEN json_valid({document}) THEN CASE {inner} END END) VIRTUAL"
        );
        Self { name, definition }
    }
}

/// An integer beyond 64 bits comes out as a rounded real, which would be a quiet change.
fn integer(kind: &str, value: &str) -> String {
    format!("WHEN {kind}='integer' AND typeof({value})='integer' THEN {value}")
}

/// A lone surrogate comes out as bytes that are no UTF-8, over which many readers stumble. SQLite
/// itself reads such bytes as U+FFFD, which is how they are told from text, real U+FFFD aside.
fn text(value: &str) -> String {
    format!("WHEN replace({value},'\u{FFFD}','') NOT GLOB '*[\u{FFFD}]*' THEN {value}")
}

/// A JSON path as an SQL literal; names are escaped as JSON strings are.
fn path(names: &[&str]) -> String {
    let steps: String = names.iter().map(|name| format!(".{}", Value::from(*name))).collect();
    literal(&format!("${steps}"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Integer,
    Number,
    Boolean,
    /// Text; objects and arrays are text too, as JSON.
    Text,
}

impl Kind {
    /// The one type that a schema has beside null, else text.
    fn of(schema: &Value) -> Self {
        let mut kinds = BTreeSet::new();
        collect(schema, &mut kinds);
        let is_one = kinds.len() == 1;
        match (kinds.pop_first(), kinds.first()) {
            (Some(kind), None) if is_one => kind,
            (Some(Self::Integer), Some(Self::Number)) if kinds.len() == 1 => Self::Number,
            _ => Self::Text,
        }
    }
}

fn collect(schema: &Value, kinds: &mut BTreeSet<Kind>) {
    let names = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().collect(),
        Some(name) => vec![name],
        None => Vec::new(),
    };
    kinds.extend(names.into_iter().filter_map(Value::as_str).filter_map(named));
    for word in ["oneOf", "anyOf"] {
        let choices = schema.get(word).and_then(Value::as_array);
        for choice in choices.into_iter().flatten() {
            collect(choice, kinds);
        }
    }
}

fn named(name: &str) -> Option<Kind> {
    match name {
        "null" => None,
        "integer" => Some(Kind::Integer),
        "number" => Some(Kind::Number),
        "boolean" => Some(Kind::Boolean),
        _ => Some(Kind::Text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_found_behind_null_and_unions() {
        let table = [
            (json!({"type": "integer", "format": "unix-time"}), Kind::Integer),
            (json!({"type": ["integer", "null"]}), Kind::Integer),
            (json!({"oneOf": [{"type": "boolean"}, {"type": "null"}]}), Kind::Boolean),
            (json!({"anyOf": [{"type": "integer"}, {"type": "number"}]}), Kind::Number),
            (json!({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}), Kind::Text),
            (json!({"oneOf": [{"type": "object"}, {"type": "string"}]}), Kind::Text),
            (json!({"type": "array"}), Kind::Text),
            (json!({}), Kind::Text),
        ];
        for (schema, expected) in table {
            assert_eq!(Kind::of(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_path_survives_quotes_dots_and_control_characters() {
        assert_eq!(path(&["a.b"]), r#"'$."a.b"'"#);
        assert_eq!(path(&["it's \"x\"\0", "id"]), r#"'$."it''s \"x\"\u0000"."id"'"#);
    }
}
