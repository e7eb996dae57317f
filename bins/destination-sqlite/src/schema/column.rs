//! One property of a JSON Schema as one virtual generated column.
//!
//! Virtual columns take no room, but SQLite computes them at every insert all the same, so each is as
//! few calls as can be: a check by `json_valid` alone, which parses the whole document each time,
//! made inserts five times slower (measured). What could fail is kept out before, see
//! [`crate::readable`]. A value that does not fit its column is null there, and stands in the
//! document as it came. Only functions of SQLite 3.31 are used, the first version with generated
//! columns, so that old tools can open the file.

use connector::PropertyType;
use protocol::SystemColumn;
use serde_json::Value;

use super::table::{RAW, READABLE};
use crate::sql::{literal, quoted};

/// A column and what follows its name in DDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) definition: String,
    pub(crate) is_indexed: bool,
}

impl Column {
    /// The column named `name` for the top-level property `property`.
    pub(crate) fn property(name: String, property: &str, schema: &Value) -> Self {
        let value = extract(&[property]);
        let (data_type, expression) = if is_reference(schema) {
            // The id, whether the value is the id or the object with it.
            ("TEXT", format!("coalesce({},{value})", extract(&[property, "id"])))
        } else {
            match PropertyType::of(schema) {
                // One beyond 64 bits comes out as a rounded real, which would be a quiet change.
                PropertyType::Integer => {
                    ("INTEGER", format!("CASE typeof({value}) WHEN 'integer' THEN {value} END"))
                }
                PropertyType::Number => (
                    "NUMERIC",
                    format!("CASE WHEN typeof({value}) IN ('integer','real') THEN {value} END"),
                ),
                PropertyType::Boolean => {
                    ("BOOLEAN", format!("CASE WHEN {value} IN (0,1) THEN {value} END"))
                }
                // Objects and arrays are text too, as JSON.
                PropertyType::Json | PropertyType::Text => ("TEXT", value),
            }
        };
        let definition = format!("{data_type} GENERATED ALWAYS AS ({expression}) VIRTUAL");
        Self { name, definition, is_indexed: false }
    }

    /// A column that the engine fills; nothing of a document is in it.
    pub(crate) fn system(name: String, wanted: &SystemColumn) -> Self {
        // The catalog is input: only types that are known here get into a statement.
        let definition = match wanted.data_type.to_ascii_lowercase().as_str() {
            "bigint" | "integer" => "INTEGER",
            "numeric" => "NUMERIC",
            "double precision" => "REAL",
            "boolean" => "BOOLEAN",
            _ => "TEXT",
        };
        Self { name, definition: definition.to_owned(), is_indexed: wanted.index }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_arrays_are_text() {
        for name in ["object", "array"] {
            let schema = serde_json::json!({"type": name});
            let column = Column::property("a".to_owned(), "a", &schema);
            assert!(column.definition.starts_with("TEXT "), "{}", column.definition);
        }
    }

    #[test]
    fn a_path_survives_quotes_dots_and_control_characters() {
        assert_eq!(path(&["a.b"]), r#"'$."a.b"'"#);
        assert_eq!(path(&["it's \"x\"\0", "id"]), r#"'$."it''s \"x\"\u0000"."id"'"#);
    }
}
