//! The properties of a schema, and what may stand in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{Document, enum_values, members};
use crate::field::{Field, FieldKind};

/// Unions in unions are followed this far.
const MAX_DEPTH: usize = 4;

/// The top-level properties of `schema`, by name, those of its union's members included.
pub(crate) fn fields(document: &Document, schema: &Value) -> Vec<Field> {
    let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    collect(document, schema, 0, &mut found);
    let required: BTreeSet<&str> = required_names(schema).collect();
    let field = |(name, schemas): (&&str, &Vec<&Value>)| {
        field(document, name, schemas, required.contains(*name))
    };
    found.iter().map(field).collect()
}

/// The names in a schema's `required`.
pub(crate) fn required_names(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    names.iter().filter_map(Value::as_str)
}

fn collect<'a>(
    document: &'a Document,
    schema: &'a Value,
    depth: usize,
    found: &mut BTreeMap<&'a str, Vec<&'a Value>>,
) {
    let schema = document.resolve(schema);
    for (name, property) in
        schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        found.entry(name).or_default().push(property);
    }
    if depth < MAX_DEPTH {
        for member in members(schema) {
            collect(document, member, depth + 1, found);
        }
    }
}

fn field(document: &Document, name: &str, schemas: &[&Value], required: bool) -> Field {
    let expandable = schemas.iter().any(|schema| is_expandable(schema));
    let kinds = schemas.iter().flat_map(|schema| kinds(document, schema, 0)).collect();
    Field {
        name: name.to_owned(),
        kind: if expandable { FieldKind::String } else { merge(&kinds) },
        nullable: schemas.iter().any(|schema| is_nullable(document, schema, 0)),
        required,
        unix_time: schemas.iter().any(|schema| is_unix_time(document, schema, 0)),
        expandable,
    }
}

/// Whether a property holds an id that `expand` turns into the object.
pub(crate) fn is_expandable(schema: &Value) -> bool {
    let is_text = |member: &Value| member.get("type").and_then(Value::as_str) == Some("string");
    schema.get("x-expansionResources").is_some() && members(schema).iter().any(is_text)
}

/// The types that may stand in a property.
fn kinds(document: &Document, schema: &Value, depth: usize) -> Vec<FieldKind> {
    let schema = document.resolve(schema);
    let union = members(schema);
    if !union.is_empty() && depth < MAX_DEPTH {
        return union.iter().flat_map(|member| kinds(document, member, depth + 1)).collect();
    }
    vec![own_kind(schema)]
}

fn own_kind(schema: &Value) -> FieldKind {
    let named = schema.get("type").and_then(Value::as_str).and_then(|word| word.parse().ok());
    if let Some(kind) = named {
        return kind;
    }
    let has_properties =
        schema.get("properties").is_some() || schema.get("additionalProperties").is_some();
    if has_properties { FieldKind::Object } else { FieldKind::String }
}

/// The one type that all of `kinds` fit: what is nested stays nested, whole numbers are numbers,
/// anything else is text.
fn merge(kinds: &BTreeSet<FieldKind>) -> FieldKind {
    let mut rest = kinds.iter();
    let (first, second) = (rest.next(), rest.next());
    match (first, second) {
        (Some(only), None) => *only,
        (Some(FieldKind::Integer), Some(FieldKind::Number)) if kinds.len() == 2 => {
            FieldKind::Number
        }
        _ if kinds.contains(&FieldKind::Object) => FieldKind::Object,
        _ if kinds.contains(&FieldKind::Array) => FieldKind::Array,
        _ => FieldKind::String,
    }
}

fn is_nullable(document: &Document, schema: &Value, depth: usize) -> bool {
    let own = document.resolve(schema);
    let says = |value: &Value| value.get("nullable").and_then(Value::as_bool).unwrap_or(false);
    let of_member = |member: &Value| is_nullable(document, member, depth + 1);
    says(schema) || says(own) || depth < MAX_DEPTH && members(own).iter().any(of_member)
}

fn is_unix_time(document: &Document, schema: &Value, depth: usize) -> bool {
    let schema = document.resolve(schema);
    let of_member = |member: &Value| is_unix_time(document, member, depth + 1);
    schema.get("format").and_then(Value::as_str) == Some("unix-time")
        || depth < MAX_DEPTH && members(schema).iter().any(of_member)
}

/// The values that a text property may have, none if any may.
pub(crate) fn choices(schema: &Value) -> Vec<String> {
    enum_values(schema).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}
