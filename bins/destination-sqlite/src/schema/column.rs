//! One property of a JSON Schema as one virtual generated column.
//!
//! Virtual columns take no room, but SQLite computes them at every insert all the same, so each is as
//! few calls as can be: a check by `json_valid` alone, which parses the whole document each time,
//! made inserts five times slower (measured). What could fail is kept out before, see
//! [`crate::readable`]. A value that does not fit its column is null there, and stands in the
//! document as it came. Only functions of SQLite 3.31 are used, the first version with generated
//! columns, so that old tools can open the file.

use std::collections::BTreeSet;

use serde_json::Value;

use super::table::{RAW, READABLE};
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
        let value = extract(&[property]);
        let (data_type, expression) = if is_reference(schema) {
            // The id, whether the value is the id or the object with it.
            ("TEXT", format!("coalesce({},{value})", extract(&[property, "id"])))
        } else {
            match Kind::of(schema) {
                // One beyond 64 bits comes out as a rounded real, which would be a quiet change.
                Kind::Integer => {
                    ("INTEGER", format!("CASE typeof({value}) WHEN 'integer' THEN {value} END"))
                }
                Kind::Number => (
                    "NUMERIC",
                    format!("CASE WHEN typeof({value}) IN ('integer','real') THEN {value} END"),
                ),
                Kind::Boolean => {
                    ("BOOLEAN", format!("CASE WHEN {value} IN (0,1) THEN {value} END"))
                }
                Kind::Text => ("TEXT", value),
            }
        };
        let definition = format!("{data_type} GENERATED ALWAYS AS ({expression}) VIRTUAL");
        Self { name, definition }
    }
}

fn is_reference(schema: &Value) -> bool {
    schema.get("x-expandable-reference") == Some(&Value::Bool(true))
}

fn extract(names: &[&str]) -> String {
    let (readable, raw) = (quoted(READABLE), quoted(RAW));
    format!("json_extract(ifnull({readable},{raw}),{})", path(names))
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
