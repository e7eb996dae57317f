//! What a cell holds.

use serde_json::{Value, json};

/// Most characters of a cell.
pub(super) const MOST_CHARACTERS: usize = 50_000;

/// A cell's content.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Cell {
    #[default]
    Empty,
    Text(String),
    Number(serde_json::Number),
    Truth(bool),
    /// Evaluated: what tests look for when they show that nothing is.
    Formula(String),
}

impl Cell {
    /// A value as it is. `None` leaves what stands there.
    pub(super) fn raw(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(truth) => Some(Self::Truth(*truth)),
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::String(text) if text.is_empty() => Some(Self::Empty),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(_) | Value::Object(_) => Some(Self::Text(value.to_string())),
        }
    }

    /// A value as if a person had typed it.
    pub(super) fn typed(value: &Value) -> Option<Self> {
        let Value::String(text) = value else { return Self::raw(value) };
        if text.starts_with('=') {
            return Some(Self::Formula(text.clone()));
        }
        if let Some(rest) = text.strip_prefix('\'') {
            return Self::raw(&json!(rest));
        }
        let plain = text.trim().trim_start_matches('+');
        if let Some(number) = plain.parse().ok().and_then(serde_json::Number::from_f64) {
            return Some(Self::Number(number));
        }
        match text.to_ascii_lowercase().as_str() {
            "true" => Some(Self::Truth(true)),
            "false" => Some(Self::Truth(false)),
            _ => Self::raw(value),
        }
    }

    /// A value as a structural request gives it.
    pub(super) fn extended(value: Option<&Value>) -> Self {
        let of = |name: &str| value.and_then(|value| value.get(name));
        if let Some(formula) = of("formulaValue").and_then(Value::as_str) {
            return Self::Formula(formula.to_owned());
        }
        let plain = of("stringValue").or_else(|| of("numberValue")).or_else(|| of("boolValue"));
        plain.and_then(Self::raw).unwrap_or_default()
    }

    /// What an answer says of it: as it is, or as it is shown.
    pub(super) fn shown(&self, is_formatted: bool) -> Value {
        match self {
            Self::Empty => json!(""),
            Self::Text(text) => json!(text),
            Self::Number(number) if is_formatted => json!(number.to_string()),
            Self::Number(number) => json!(number),
            Self::Truth(truth) if is_formatted => json!(truth.to_string().to_uppercase()),
            Self::Truth(truth) => json!(truth),
            Self::Formula(_) => json!("#EVALUATED"),
        }
    }

    pub(super) fn is_too_long(&self) -> bool {
        matches!(self, Self::Text(text) if text.len() > MOST_CHARACTERS
            && text.encode_utf16().count() > MOST_CHARACTERS)
    }
}
