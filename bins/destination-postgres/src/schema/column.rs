//! One property of a JSON Schema as one generated column.

use connector::PropertyType;
use pg::{Error, Ident, Literal};
use serde_json::Value;

/// Which properties become columns, and of which types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Columns {
    /// All, each of its own type.
    Typed,
    /// All, of the types that the TypeScript connector gives them: text for what may be null.
    Reference,
    /// Those of the key.
    None,
}

/// A column and what follows its name in DDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Ident,
    pub(crate) definition: String,
    /// The top-level property that it is generated from.
    pub(crate) property: Option<String>,
    /// Its type, as the server calls it.
    pub(crate) data_type: &'static str,
}

impl Column {
    /// A column whose type and what follows it are spelled out.
    pub(crate) fn plain(name: &str, data_type: &'static str, more: &str) -> Result<Self, Error> {
        let definition = format!("{data_type}{more}");
        Ok(Self { name: Ident::new(name)?, definition, property: None, data_type })
    }

    /// A part of the key: text, whatever the schema says.
    pub(crate) fn key(path: &[String]) -> Result<Self, Error> {
        let name = path.last().map(String::as_str).unwrap_or_default();
        Self::generated(name, "text", &format!("({})", text_at(path)?))
    }

    /// A top-level property; of more than one type beside null, it is text.
    pub(crate) fn property(name: &str, schema: &Value, columns: Columns) -> Result<Self, Error> {
        let key = Literal::new(name)?;
        let text = format!("_raw_data->>{key}");
        let is_reference = schema.get("x-expandable-reference") == Some(&Value::Bool(true));
        let kind = match columns {
            Columns::Reference if may_be_null(schema) => PropertyType::Text,
            Columns::Reference if is_reference => PropertyType::Json,
            Columns::Reference | Columns::Typed | Columns::None => PropertyType::of(schema),
        };
        let (data_type, expression) = match kind {
            // The id, whether the value is the id or the object with it.
            _ if is_reference && columns != Columns::Reference => {
                ("text", format!("COALESCE(_raw_data->{key}->>'id', {text})"))
            }
            PropertyType::Integer => ("bigint", format!("(NULLIF({text}, ''))::bigint")),
            PropertyType::Number => ("numeric", format!("(NULLIF({text}, ''))::numeric")),
            PropertyType::Boolean => ("boolean", format!("(NULLIF({text}, ''))::boolean")),
            PropertyType::Json if columns == Columns::Reference => {
                ("jsonb", format!("(_raw_data->{key})"))
            }
            PropertyType::Json => ("jsonb", format!("NULLIF(_raw_data->{key}, 'null'::jsonb)")),
            PropertyType::Text => ("text", format!("({text})")),
        };
        let column = Self::generated(name, data_type, &expression)?;
        Ok(Self { property: Some(name.to_owned()), ..column })
    }

    fn generated(name: &str, data_type: &'static str, expression: &str) -> Result<Self, Error> {
        Self::plain(name, data_type, &format!(" GENERATED ALWAYS AS ({expression}) STORED"))
    }
}

/// Whether null is one of the types that a value may have.
fn may_be_null(schema: &Value) -> bool {
    let is_null = |name: &Value| name.as_str() == Some("null");
    let named = schema.get("type").is_some_and(|names| {
        is_null(names) || names.as_array().is_some_and(|names| names.iter().any(is_null))
    });
    let choices = ["oneOf", "anyOf"].into_iter().filter_map(|word| schema.get(word)?.as_array());
    named || choices.flatten().any(may_be_null)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_key_is_read_along_its_path() {
        let column = Column::key(&["a".to_owned(), "it's".to_owned()]).unwrap();
        assert_eq!(column.name.name(), "it's");
        assert!(column.definition.contains("_raw_data->'a'->>'it''s'"), "{}", column.definition);
    }
}
