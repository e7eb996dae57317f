//! What a property's JSON Schema says of its values, as far as a column needs it.

use std::collections::BTreeSet;

use serde_json::Value;

/// The one type that a property's values have beside null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PropertyType {
    /// Whole numbers.
    Integer,
    /// Numbers, whole or not.
    Number,
    /// True or false.
    Boolean,
    /// Objects or arrays.
    Json,
    /// Strings; also values of more than one type, and of none that is known.
    Text,
}

impl PropertyType {
    /// The type that a schema names, behind null and unions.
    #[must_use]
    pub fn of(schema: &Value) -> Self {
        let mut types = BTreeSet::new();
        collect(schema, &mut types);
        if types == BTreeSet::from([Self::Integer, Self::Number]) {
            return Self::Number;
        }
        match (types.pop_first(), types.is_empty()) {
            (Some(one), true) => one,
            _ => Self::Text,
        }
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "null" => None,
            "integer" => Some(Self::Integer),
            "number" => Some(Self::Number),
            "boolean" => Some(Self::Boolean),
            "object" | "array" => Some(Self::Json),
            _ => Some(Self::Text),
        }
    }
}

/// Gathers the types that a value may have, null aside.
fn collect(schema: &Value, types: &mut BTreeSet<PropertyType>) {
    match schema.get("type") {
        Some(Value::String(name)) => types.extend(PropertyType::named(name)),
        Some(Value::Array(names)) => {
            types.extend(names.iter().filter_map(Value::as_str).filter_map(PropertyType::named));
        }
        _ => {}
    }
    for word in ["oneOf", "anyOf"] {
        let choices = schema.get(word).and_then(Value::as_array);
        choices.into_iter().flatten().for_each(|choice| collect(choice, types));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_found_behind_null_and_unions() {
        let table = [
            (json!({"type": "integer"}), PropertyType::Integer),
            (json!({"type": "integer", "format": "unix-time"}), PropertyType::Integer),
            (json!({"type": ["integer", "null"]}), PropertyType::Integer),
            (json!({"oneOf": [{"type": "boolean"}, {"type": "null"}]}), PropertyType::Boolean),
            (json!({"anyOf": [{"type": "integer"}, {"type": "number"}]}), PropertyType::Number),
            (json!({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}), PropertyType::Text),
            (json!({"oneOf": [{"type": "object"}, {"type": "array"}]}), PropertyType::Json),
            (json!({"oneOf": [{"type": "object"}, {"type": "string"}]}), PropertyType::Text),
            (json!({"type": "array"}), PropertyType::Json),
            (json!({"type": "string", "format": "unix-time"}), PropertyType::Text),
            (json!({}), PropertyType::Text),
        ];
        for (schema, expected) in table {
            assert_eq!(PropertyType::of(&schema), expected, "{schema}");
        }
    }
}
