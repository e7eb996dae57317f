//! What a destination has to know of a stream to keep its records.

use protocol::{ConfiguredCatalog, ConfiguredStream, Stream};
use serde_json::Value;

use crate::error::Error;
use crate::fields::Fields;
use crate::shape::Shape;

/// A configured stream, checked and prepared for writing.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamPlan {
    /// The stream and what is asked of it.
    pub configured: ConfiguredStream,
    /// Paths to the key's values.
    pub key: Vec<Vec<String>>,
    /// Top-level fields that change without the object changing, such as rotating URLs.
    pub volatile: Vec<String>,
    /// Top-level fields whose values are limited, with the values allowed (`_account_id`).
    pub enums: Vec<(String, Vec<String>)>,
    /// How the destination keeps documents; from [`crate::Destination::shape`].
    shape: Shape,
    /// What each field is to us; made from all the others.
    pub(crate) fields: Fields,
}

impl StreamPlan {
    /// Checks a configured stream.
    ///
    /// # Errors
    ///
    /// When it has no name, no key or no `newer_than_field`, or the one in the other.
    pub fn new(configured: &ConfiguredStream) -> Result<Self, Error> {
        let stream = &configured.stream;
        if stream.name.is_empty() {
            return Err(Error::config("reading the catalog: a stream without a name"));
        }
        let key = stream.primary_key.clone();
        if key.is_empty() || key.iter().any(Vec::is_empty) {
            return Err(Error::config(format!(
                "reading the catalog: stream `{}` has no primary key",
                stream.name
            ))
            .hint("give `primary_key` as paths, such as [[\"id\"]]"));
        }
        if stream.newer_than_field.is_empty() {
            return Err(Error::config(format!(
                "reading the catalog: stream `{}` has no `newer_than_field`",
                stream.name
            )));
        }
        if key.iter().any(|path| path.first() == Some(&stream.newer_than_field)) {
            return Err(Error::config(format!(
                "reading the catalog: stream `{}` has its `newer_than_field` `{}` in its primary key",
                stream.name, stream.newer_than_field
            ))
            .hint("a key has to stay the same when the object changes"));
        }
        let plan = Self {
            key,
            volatile: volatile(stream),
            enums: enums(stream),
            shape: Shape::default(),
            fields: Fields::default(),
            configured: configured.clone(),
        };
        Ok(plan.with_shape(Shape::default()))
    }

    /// The same stream, its documents kept in this way.
    #[must_use]
    pub fn with_shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self.fields = Fields::of(&self);
        self
    }

    /// How the destination keeps documents.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.configured.stream.name
    }

    /// The stream as discovered.
    #[must_use]
    pub const fn stream(&self) -> &Stream {
        &self.configured.stream
    }

    /// Names of the key's columns: the last part of each path.
    #[must_use]
    pub fn key_columns(&self) -> Vec<&str> {
        self.key.iter().filter_map(|path| path.last()).map(String::as_str).collect()
    }
}

/// Checks every stream of a catalog; each name may stand there once.
///
/// # Errors
///
/// See [`StreamPlan::new`].
pub fn plans(catalog: &ConfiguredCatalog) -> Result<Vec<StreamPlan>, Error> {
    let plans: Vec<StreamPlan> =
        catalog.streams.iter().map(StreamPlan::new).collect::<Result<_, _>>()?;
    let mut names: Vec<&str> = plans.iter().map(StreamPlan::name).collect();
    names.sort_unstable();
    let twice = names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b);
    if let Some((twice, _)) = twice {
        return Err(Error::config(format!("reading the catalog: stream `{twice}` is there twice")));
    }
    Ok(plans)
}

fn volatile(stream: &Stream) -> Vec<String> {
    let names = stream.metadata.as_ref().and_then(|metadata| metadata.get("volatile"));
    strings(names)
}

/// Only `_account_id` is enforced: other enums grow at the source before they do here.
fn enums(stream: &Stream) -> Vec<(String, Vec<String>)> {
    const FIELD: &str = "_account_id";
    let property = stream
        .json_schema
        .as_ref()
        .and_then(|schema| schema.get("properties"))
        .and_then(|properties| properties.get(FIELD));
    let allowed = strings(property.and_then(|property| property.get("enum")));
    if allowed.is_empty() { Vec::new() } else { vec![(FIELD.to_owned(), allowed)] }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(stream: Value) -> String {
        let stream = serde_json::from_value(stream).unwrap();
        StreamPlan::new(&ConfiguredStream::new(stream)).unwrap_err().report()
    }

    #[test]
    fn a_stream_that_no_record_could_be_kept_of_is_refused_with_the_reason() {
        let stream = |name: &str, key: Value, newer_than: &str| json!({"name": name, "primary_key": key, "newer_than_field": newer_than});
        assert!(refused(stream("", json!([["id"]]), "at")).contains("without a name"));
        assert!(refused(stream("a", json!([]), "at")).contains("no primary key"));
        assert!(refused(stream("a", json!([["id"]]), "")).contains("no `newer_than_field`"));
        assert_eq!(
            refused(stream("a", json!([["id"], ["at"]]), "at")),
            "reading the catalog: stream `a` has its `newer_than_field` `at` in its primary key; \
             a key has to stay the same when the object changes"
        );
    }
}
