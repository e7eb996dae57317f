//! One property of an object, and its form in the data file: a few words.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One top-level property of a stream's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The property's name.
    pub name: String,
    /// The type of its values.
    pub kind: FieldKind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether every object has it (`required` of the file).
    pub required: bool,
    /// Whether its integers are unix seconds.
    pub unix_time: bool,
    /// Whether its value is the id of another object, or that object when it is expanded.
    pub expandable: bool,
}

/// The type of a property's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldKind {
    /// Text; also the id of an expandable reference.
    String,
    /// A whole number.
    Integer,
    /// A number that may have a fraction.
    Number,
    /// True or false.
    Boolean,
    /// A nested object, or a union that has objects in it.
    Object,
    /// A list of values.
    Array,
}

impl FieldKind {
    /// Its name in JSON Schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Object => "object",
            Self::Array => "array",
        }
    }
}

impl FromStr for FieldKind {
    type Err = FieldError;

    fn from_str(word: &str) -> Result<Self, FieldError> {
        match word {
            "string" => Ok(Self::String),
            "integer" => Ok(Self::Integer),
            "number" => Ok(Self::Number),
            "boolean" => Ok(Self::Boolean),
            "object" => Ok(Self::Object),
            "array" => Ok(Self::Array),
            unknown => Err(FieldError { word: unknown.to_owned() }),
        }
    }
}

/// A word in a catalogue file that describes no property.
#[derive(Debug, Error)]
#[error("reading a property's description: unknown word `{word}`; build the catalogue again")]
pub struct FieldError {
    word: String,
}

impl Field {
    fn from_words(name: String, words: &str) -> Result<Self, FieldError> {
        let mut words = words.split(' ');
        let kind = words.next().unwrap_or_default().parse()?;
        let (nullable, required, unix_time, expandable) = (false, false, false, false);
        let mut field = Self { name, kind, nullable, required, unix_time, expandable };
        for word in words {
            match word {
                "time" => field.unix_time = true,
                "expandable" => field.expandable = true,
                "nullable" => field.nullable = true,
                "required" => field.required = true,
                unknown => return Err(FieldError { word: unknown.to_owned() }),
            }
        }
        Ok(field)
    }
}

/// The words of a field: `integer time required`.
struct Words<'a>(&'a Field);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.as_str())?;
        let marks = [
            (self.0.unix_time, " time"),
            (self.0.expandable, " expandable"),
            (self.0.nullable, " nullable"),
            (self.0.required, " required"),
        ];
        marks.iter().filter(|(set, _)| *set).try_for_each(|(_, word)| f.write_str(word))
    }
}

/// Fields as a JSON object: name to words, in order.
pub(crate) mod as_map {
    use std::fmt;

    use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
    use serde::ser::Serializer;

    use super::{Field, Words};

    pub(crate) fn serialize<S: Serializer>(fields: &[Field], to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(fields.iter().map(|field| (&field.name, Words(field).to_string())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Field>, D::Error> {
        from.deserialize_map(FieldVisitor)
    }

    struct FieldVisitor;

    impl<'de> Visitor<'de> for FieldVisitor {
        type Value = Vec<Field>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of property names and their words")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some((name, words)) = map.next_entry::<String, &str>()? {
                fields.push(Field::from_words(name, words).map_err(A::Error::custom)?);
            }
            Ok(fields)
        }
    }
}
