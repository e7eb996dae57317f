//! The OpenAPI file as a document: its paths, its schemas, its references.

use serde_json::{Map, Value};

use super::error::CompileError;

const SCHEMA_PREFIX: &str = "#/components/schemas/";

/// References to references are followed this far; Stripe's files have none that are longer.
const MAX_REFERENCES: usize = 8;

/// A parsed OpenAPI file that has the parts everything else asks for.
pub(crate) struct Document {
    api_version: String,
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
}

impl Document {
    pub(crate) fn parse(text: &str) -> Result<Self, CompileError> {
        let mut root: Value = serde_json::from_str(text).map_err(|why| unreadable(text, why))?;
        if root.get("openapi").and_then(Value::as_str).is_none() {
            return Err(CompileError::Missing { part: "openapi" });
        }
        let api_version = root
            .pointer("/info/version")
            .and_then(Value::as_str)
            .ok_or(CompileError::Missing { part: "info.version" })?
            .to_owned();
        let paths = take_map(&mut root, "/paths", "paths")?;
        let schemas = take_map(&mut root, "/components/schemas", "components.schemas")?;
        Ok(Self { api_version, paths, schemas })
    }

    pub(crate) fn api_version(&self) -> &str {
        &self.api_version
    }

    /// The `GET` operations that are in use, with their paths.
    pub(crate) fn reads(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.paths.iter().filter_map(|(path, item)| Some((path.as_str(), item.get("get")?)))
    }

    pub(crate) fn path(&self, path: &str) -> Option<&Value> {
        self.paths.get(path)
    }

    pub(crate) fn schemas(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.schemas.iter().map(|(name, schema)| (name.as_str(), schema))
    }

    pub(crate) fn schema(&self, name: &str) -> Option<&Value> {
        self.schemas.get(name)
    }

    /// What `schema` stands for: itself, or what its reference leads to. A reference that leads
    /// nowhere stands for itself, which says nothing about its type.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut current = schema;
        for _ in 0..MAX_REFERENCES {
            let Some(target) = reference(current).and_then(|name| self.schema(name)) else { break };
            current = target;
        }
        current
    }
}

fn unreadable(text: &str, why: serde_json::Error) -> CompileError {
    if text.trim_start().starts_with('<') {
        CompileError::WebPage
    } else if why.is_eof() && !text.trim().is_empty() {
        CompileError::Cut
    } else {
        CompileError::NotJson(why)
    }
}

fn take_map(
    root: &mut Value,
    pointer: &str,
    part: &'static str,
) -> Result<Map<String, Value>, CompileError> {
    match root.pointer_mut(pointer).map(Value::take) {
        Some(Value::Object(map)) => Ok(map),
        _ => Err(CompileError::Missing { part }),
    }
}

/// The name of the schema that `schema` refers to.
pub(crate) fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(SCHEMA_PREFIX)
}

/// The members of a union: of its `anyOf`, `oneOf` or `allOf`, whichever it has.
pub(crate) fn members(schema: &Value) -> &[Value] {
    ["anyOf", "oneOf", "allOf"]
        .iter()
        .find_map(|key| schema.get(*key)?.as_array())
        .map_or(&[], Vec::as_slice)
}

/// The values that an `enum` allows, where it allows texts.
pub(crate) fn enum_values(schema: &Value) -> impl Iterator<Item = &str> {
    let values = schema.get("enum").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    values.iter().filter_map(Value::as_str)
}

/// Whether `schema` describes a v1 list: an object whose `object` is always `list`.
pub(crate) fn is_v1_list(schema: &Value) -> bool {
    let object = schema.pointer("/properties/object");
    object.is_some_and(|object| enum_values(object).any(|value| value == "list"))
}
