//! One property of a JSON Schema as one generated column.

use std::collections::BTreeSet;

use pg::{Error, Ident, Literal};
use serde_json::Value;

/// A column and what follows its name in DDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Ident,
    pub(crate) definition: String,
}

impl Column {
    /// A column whose definition is spelled out.
    pub(crate) fn plain(name: &str, definition: impl Into<String>) -> Result<Self, Error> {
        Ok(Self { name: Ident::new(name)?, definition: definition.into() })
    }

    /// A part of the key: text, whatever the schema says.
    pub(crate) fn key(path: &[String]) -> Result<Self, Error> {
        let name = path.last().map(String::as_str).unwrap_or_default();
        Self::generated(name, "text", &format!("({})", text_at(path)?))
    }

    /// A top-level property: its type if the schema has exactly one beside null, else text.
    pub(crate) fn property(name: &str, schema: &Value) -> Result<Self, Error> {
        let key = Literal::new(name)?;
        let text = format!("_raw_data->>{key}");
        if schema.get("x-expandable-reference") == Some(&Value::Bool(true)) {
            // The id, whether the value is the id or the object with it.
            let id = format!("COALESCE(_raw_data->{key}->>'id', {text})");
            return Self::generated(name, "text", &id);
        }
        let (data_type, expression) = match kind(schema) {
            Kind::Integer => ("bigint", format!("(NULLIF({text}, ''))::bigint")),
            Kind::Number => ("numeric", format!("(NULLIF({text}, ''))::numeric")),
            Kind::Boolean => ("boolean", format!("(NULLIF({text}, ''))::boolean")),
            Kind::Json => ("jsonb", format!("NULLIF(_raw_data->{key}, 'null'::jsonb)")),
            Kind::Text => ("text", format!("({text})")),
        };
        Self::generated(name, data_type, &expression)
    }

    fn generated(name: &str, data_type: &str, expression: &str) -> Result<Self, Error> {
        let definition = format!("{data_type} GENERATED ALWAYS AS ({expression}) STORED");
        Self::plain(name, definition)
    }
}

fn text_at(path: &[String]) -> Result<String, Error> {
    let mut text = "_raw_data".to_owned();
    for (index, step) in path.iter().enumerate() {
        let arrow = if index + 1 == path.len() { "->>" } else { "->" };
        text.push_str(arrow);
        text.push_str(&Literal::new(step)?.to_string());
    }
    Ok(text)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Integer,
    Number,
    Boolean,
    Json,
    Text,
}

fn kind(schema: &Value) -> Kind {
    let mut kinds = BTreeSet::new();
    collect(schema, &mut kinds);
    if kinds == BTreeSet::from([Kind::Integer, Kind::Number]) {
        return Kind::Number;
    }
    match (kinds.pop_first(), kinds.is_empty()) {
        (Some(kind), true) => kind,
        _ => Kind::Text,
    }
}

/// Gathers the types that a value may have, null aside.
fn collect(schema: &Value, kinds: &mut BTreeSet<Kind>) {
    match schema.get("type") {
        Some(Value::String(name)) => kinds.extend(named(name)),
        Some(Value::Array(names)) => {
            kinds.extend(names.iter().filter_map(Value::as_str).filter_map(named));
        }
        _ => {}
    }
    for word in ["oneOf", "anyOf"] {
        let choices = schema.get(word).and_then(Value::as_array);
        choices.into_iter().flatten().for_each(|choice| collect(choice, kinds));
    }
}

fn named(name: &str) -> Option<Kind> {
    match name {
        "null" => None,
        "integer" => Some(Kind::Integer),
        "number" => Some(Kind::Number),
        "boolean" => Some(Kind::Boolean),
        "object" | "array" => Some(Kind::Json),
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
            (json!({"type": "integer"}), Kind::Integer),
            (json!({"type": ["integer", "null"]}), Kind::Integer),
            (json!({"oneOf": [{"type": "boolean"}, {"type": "null"}]}), Kind::Boolean),
            (json!({"anyOf": [{"type": "integer"}, {"type": "number"}]}), Kind::Number),
            (json!({"oneOf": [{"type": "object"}, {"type": "array"}]}), Kind::Json),
            (json!({"oneOf": [{"type": "object"}, {"type": "string"}]}), Kind::Text),
            (json!({"type": "string", "format": "unix-time"}), Kind::Text),
            (json!({}), Kind::Text),
        ];
        for (schema, expected) in table {
            assert_eq!(kind(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_nested_key_is_read_along_its_path() {
        let column = Column::key(&["a".to_owned(), "it's".to_owned()]).unwrap();
        assert_eq!(column.name.name(), "it's");
        assert!(column.definition.contains("_raw_data->'a'->>'it''s'"), "{}", column.definition);
    }
}
