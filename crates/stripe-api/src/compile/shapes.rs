//! The shapes of a document's objects: every schema that a list leads to, of v1 and v2, with a
//! parent or without.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::document::{Document, is_v1_list, members, reference};
use super::error::CompileError;
use super::fields::{choices, is_expandable, required_names};
use super::lists::{List, lists, resource};
use super::names::stream_name;
use super::streams::chosen;
use crate::shapes::{Property, Shape, Shapes};

/// Objects with more optional parts than this hold one part for each of many payment methods,
/// of which a real object has one.
const MANY_VARIANTS: usize = 10;

/// The payment methods whose parts are kept.
const KEPT_VARIANTS: [&str; 3] = ["card", "link", "us_bank_account"];

/// Names for names and unions of unions are followed this far.
const MAX_HOPS: usize = 8;

/// Stripe's longest enumerations, of trades and of countries, are cut to this many values:
/// enough to make one up.
const MAX_CHOICES: usize = 12;

/// Compiles Stripe's OpenAPI file to the shapes of the objects in its lists.
/// Fails if the text is not such a file.
pub fn compile_shapes(openapi: &str) -> Result<Shapes, CompileError> {
    let document = Document::parse(openapi)?;
    let lists = lists(&document);
    if chosen(&lists).values().all(|list| list.v2) {
        return Err(CompileError::NoStreams);
    }
    let roots = roots(&lists);
    let mut reader = Reader { document: &document, waiting: Vec::new(), schemas: BTreeMap::new() };
    for schema_name in roots.values() {
        reader.object(schema_name);
    }
    reader.read_all();
    Ok(Shapes { api_version: document.api_version().to_owned(), roots, schemas: reader.schemas })
}

/// The schema of each stream's objects. Several lists of one resource have one schema.
fn roots(lists: &[List<'_>]) -> BTreeMap<String, String> {
    let root = |list: &List<'_>| (stream_name(list.resource), list.schema_name.to_owned());
    lists.iter().map(root).collect()
}

/// Reads schemas until none is left that an earlier one leads to.
struct Reader<'a> {
    document: &'a Document,
    waiting: Vec<(String, &'a Value)>,
    schemas: BTreeMap<String, BTreeMap<String, Property>>,
}

impl<'a> Reader<'a> {
    fn read_all(&mut self) {
        while let Some((name, schema)) = self.waiting.pop() {
            let properties = self.properties(&name, schema);
            self.schemas.insert(name, properties);
        }
    }

    /// The shape of a named schema's objects, which is read later.
    fn object(&mut self, name: &str) -> Shape {
        match self.document.schema(name) {
            Some(schema) => self.later(name.to_owned(), schema),
            None => Shape::Map,
        }
    }

    fn later(&mut self, name: String, schema: &'a Value) -> Shape {
        if !self.schemas.contains_key(&name) {
            self.schemas.insert(name.clone(), BTreeMap::new());
            self.waiting.push((name.clone(), schema));
        }
        Shape::Object(name)
    }

    fn properties(&mut self, name: &str, schema: &'a Value) -> BTreeMap<String, Property> {
        let Some(all) = schema.get("properties").and_then(Value::as_object) else {
            return BTreeMap::new();
        };
        let required: Vec<&str> = required_names(schema).collect();
        let variants = all.iter().filter(|(name, property)| {
            !required.contains(&name.as_str()) && self.is_object(property)
        });
        let by_method = variants.count() > MANY_VARIANTS && !is_settings(schema);
        let mut properties = BTreeMap::new();
        for (key, property) in all {
            let required = required.contains(&key.as_str());
            let is_variant = by_method && !required && self.is_object(property);
            if is_variant && !KEPT_VARIANTS.contains(&key.as_str()) {
                continue;
            }
            let shape = self.shape(property, &format!("{name}.{key}"), 0);
            properties
                .insert(key.clone(), Property { shape, nullable: nullable(property), required });
        }
        properties
    }

    fn is_object(&self, property: &Value) -> bool {
        let part = self.document.resolve(property);
        let part = members(part).first().map_or(part, |member| self.document.resolve(member));
        part.get("properties").is_some() && !is_v1_list(part)
    }

    /// The shape of what stands at `place`, which names it if it is an object without a name.
    fn shape(&mut self, property: &'a Value, place: &str, hops: usize) -> Shape {
        if hops == MAX_HOPS {
            return Shape::Map;
        }
        if is_expandable(property) {
            return Shape::Id(self.resources(property));
        }
        if let Some(name) = reference(property) {
            return match self.document.schema(name) {
                Some(target) if is_structured(target) => self.object(name),
                Some(target) => self.shape(target, name, hops + 1),
                None => Shape::Map,
            };
        }
        if let Some(member) = preferred(self.document, members(property)) {
            return self.shape(member, place, hops + 1);
        }
        self.plain_shape(property, place, hops)
    }

    fn plain_shape(&mut self, property: &'a Value, place: &str, hops: usize) -> Shape {
        match property.get("type").and_then(Value::as_str) {
            Some("boolean") => Shape::Boolean,
            Some("number") => Shape::Number,
            Some("integer") if property.get("format").is_some_and(|f| f == "unix-time") => {
                Shape::Time
            }
            Some("integer") => Shape::Integer,
            Some("array") => Shape::Array(Box::new(self.items(property.get("items"), place, hops))),
            Some("object") => self.object_shape(property, place, hops),
            _ => text_shape(property),
        }
    }

    fn items(&mut self, items: Option<&'a Value>, place: &str, hops: usize) -> Shape {
        items.map_or(Shape::Text, |items| self.shape(items, place, hops + 1))
    }

    fn object_shape(&mut self, property: &'a Value, place: &str, hops: usize) -> Shape {
        if is_v1_list(property) {
            let items = property.pointer("/properties/data/items");
            return Shape::List(Box::new(self.items(items, place, hops)));
        }
        match property.get("properties").and_then(Value::as_object).map(Map::is_empty) {
            Some(false) => self.later(place.to_owned(), property),
            _ => Shape::Map,
        }
    }

    /// The resources that an expandable reference may lead to, those that are gone left out.
    fn resources(&self, property: &Value) -> Vec<String> {
        let targets = property.get("x-expansionResources").map_or(&[][..], members);
        let names = targets.iter().filter_map(reference).filter(|name| !is_stub(name));
        let resource_of =
            |name: &str| self.document.schema(name).and_then(resource).map(str::to_owned);
        names.filter_map(resource_of).collect()
    }
}

fn text_shape(property: &Value) -> Shape {
    let mut values = choices(property);
    values.truncate(MAX_CHOICES);
    if values.is_empty() { Shape::Text } else { Shape::Choice(values) }
}

/// Whether a schema's many parts are all there at once: a configuration of payment methods.
fn is_settings(schema: &Value) -> bool {
    schema.get("x-resourceId").is_some() && schema.pointer("/properties/type").is_none()
}

/// Whether a schema is an object with properties, not a name for a plain type or a union.
fn is_structured(schema: &Value) -> bool {
    schema.get("properties").is_some() && !is_v1_list(schema)
}

/// What remains of a deleted object has a schema of its own.
fn is_stub(name: &str) -> bool {
    name.starts_with("deleted_")
}

/// The member of a union that objects mostly have: the first that is nested, else the first.
fn preferred<'a>(document: &Document, union: &'a [Value]) -> Option<&'a Value> {
    let is_nested = |member: &&Value| {
        reference(member).is_none_or(|name| !is_stub(name))
            && document.resolve(member).get("properties").is_some()
    };
    union.iter().find(is_nested).or(union.first())
}

fn nullable(property: &Value) -> bool {
    property.get("nullable").and_then(Value::as_bool).unwrap_or(false)
}
