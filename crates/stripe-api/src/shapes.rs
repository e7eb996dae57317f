//! What whole objects look like inside: what a fake needs to make them up. A program that never
//! asks for [`Shapes::embedded`] does not carry the file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

static EMBEDDED: LazyLock<Shapes> = LazyLock::new(|| {
    let text = include_str!("../data/2026-01-28.clover.shapes.json");
    #[expect(clippy::expect_used, reason = "the file is part of the program and a test reads it")]
    serde_json::from_str(text).expect("the embedded shapes are readable")
});

/// The shapes of one version's objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shapes {
    /// The version the shapes hold for.
    pub api_version: String,
    /// The schema of each stream's objects, of v1 and v2, with a parent or without: stream name
    /// to schema name.
    pub roots: BTreeMap<String, String>,
    /// The schemas that the roots lead to: schema name to properties by name.
    pub schemas: BTreeMap<String, BTreeMap<String, Property>>,
}

impl Shapes {
    /// The shapes that are part of this library, of the same version as the catalogue.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// The shapes as text, the same bytes for the same shapes.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        crate::text::pretty(self)
    }
}

/// One property of a schema. In a file it is a few words: `choice(day|month) nullable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// What stands in it.
    pub shape: Shape,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether every object has it.
    pub required: bool,
}

/// What stands in a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number that may have a fraction.
    Number,
    /// True or false.
    Boolean,
    /// Unix seconds.
    Time,
    /// Texts and values of the owner's making, by keys of the owner's making.
    Map,
    /// One of these texts.
    Choice(Vec<String>),
    /// The id of an object of one of these resources.
    Id(Vec<String>),
    /// A nested object of this schema.
    Object(String),
    /// Any number of these.
    Array(Box<Shape>),
    /// A v1 list of these, inside the object.
    List(Box<Shape>),
}

/// A description in a shapes file that describes nothing.
#[derive(Debug, Error)]
#[error("reading a property's shape: `{text}` describes nothing; build the shapes again")]
pub struct ShapeError {
    text: String,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Number => f.write_str("number"),
            Self::Boolean => f.write_str("boolean"),
            Self::Time => f.write_str("time"),
            Self::Map => f.write_str("map"),
            Self::Choice(values) => write!(f, "choice({})", values.join("|")),
            Self::Id(resources) => write!(f, "id({})", resources.join("|")),
            Self::Object(schema) => write!(f, "object({schema})"),
            Self::Array(item) => write!(f, "array({item})"),
            Self::List(item) => write!(f, "list({item})"),
        }
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let unknown = || ShapeError { text: text.to_owned() };
        let Some((kind, rest)) = text.split_once('(') else {
            return plain(text).ok_or_else(unknown);
        };
        let inner = rest.strip_suffix(')').ok_or_else(unknown)?;
        match kind {
            "choice" => Ok(Self::Choice(alternatives(inner))),
            "id" => Ok(Self::Id(alternatives(inner))),
            "object" => Ok(Self::Object(inner.to_owned())),
            "array" => Ok(Self::Array(Box::new(inner.parse()?))),
            "list" => Ok(Self::List(Box::new(inner.parse()?))),
            _ => Err(unknown()),
        }
    }
}

fn plain(word: &str) -> Option<Shape> {
    match word {
        "text" => Some(Shape::Text),
        "integer" => Some(Shape::Integer),
        "number" => Some(Shape::Number),
        "boolean" => Some(Shape::Boolean),
        "time" => Some(Shape::Time),
        "map" => Some(Shape::Map),
        _ => None,
    }
}

fn alternatives(inner: &str) -> Vec<String> {
    inner.split('|').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

const NULLABLE: &str = " nullable";
const REQUIRED: &str = " required";

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let nullable = if self.nullable { NULLABLE } else { "" };
        let required = if self.required { REQUIRED } else { "" };
        to.collect_str(&format_args!("{}{nullable}{required}", self.shape))
    }
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(from)?;
        let (text, required) = without_suffix(text, REQUIRED);
        let (text, nullable) = without_suffix(text, NULLABLE);
        let shape = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self { shape, nullable, required })
    }
}

fn without_suffix<'a>(text: &'a str, suffix: &str) -> (&'a str, bool) {
    text.strip_suffix(suffix).map_or((text, false), |rest| (rest, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_reads_back_as_it_was_written() {
        let texts = [
            "text",
            "choice(a|b) nullable",
            "id() nullable",
            "array(array(id(customer))) required",
            "list(object(line_item)) nullable required",
        ];
        for text in texts {
            let json = serde_json::to_string(text).unwrap();
            let property: Property = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&property).unwrap(), json);
        }
    }

    #[test]
    fn a_shape_that_describes_nothing_is_an_error() {
        for text in ["", "texts", "array(text", "choice", "list(nothing)"] {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }
}
