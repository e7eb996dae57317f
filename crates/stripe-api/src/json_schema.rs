//! What a stream's records look like, as JSON Schema.

use serde_json::{Map, Value, json};

use crate::catalogue::StreamFacts;
use crate::field::Field;

impl StreamFacts {
    /// The JSON Schema of the stream's records: `id`, the other properties in byte order
    /// (`deleted` among them), then `_account_id`, held to `account_id` where one is given, and
    /// `_updated_at` in unix seconds. A nullable property is a `oneOf` of its type and null;
    /// `x-expandable-reference` stands beside it.
    pub fn json_schema(&self, account_id: Option<&str>) -> Value {
        let mut properties = Map::new();
        properties.insert("id".to_owned(), json!({"type": "string"}));
        for (name, schema) in columns(&self.fields) {
            properties.insert(name.to_owned(), schema);
        }
        properties.insert("_account_id".to_owned(), account_schema(account_id));
        properties.insert("_updated_at".to_owned(), json!({"type": "integer"}));
        json!({"type": "object", "properties": properties, "required": required(&self.fields)})
    }
}

fn columns(fields: &[Field]) -> Vec<(&str, Value)> {
    let deleted = json!({"oneOf": [{"type": "boolean"}, {"type": "null"}]});
    let mut columns = vec![("deleted", deleted)];
    let own = fields.iter().filter(|field| field.name != "id" && field.name != "deleted");
    columns.extend(own.map(|field| (field.name.as_str(), property(field))));
    columns.sort_unstable_by_key(|(name, _)| *name);
    columns
}

fn property(field: &Field) -> Value {
    let mut value = json!({"type": field.kind.as_str()});
    if field.unix_time {
        insert(&mut value, "format", json!("unix-time"));
    }
    if field.nullable {
        value = json!({"oneOf": [value, {"type": "null"}]});
    }
    if field.expandable {
        insert(&mut value, "x-expandable-reference", json!(true));
    }
    value
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

fn account_schema(account_id: Option<&str>) -> Value {
    match account_id {
        Some(id) => json!({"type": "string", "enum": [id]}),
        None => json!({"type": "string"}),
    }
}

fn required(fields: &[Field]) -> Vec<&str> {
    let mut names: Vec<&str> = fields
        .iter()
        .filter(|field| field.required && field.name != "id" && field.name != "deleted")
        .map(|field| field.name.as_str())
        .collect();
    names.sort_unstable();
    names.insert(0, "id");
    names.extend(["_account_id", "_updated_at"]);
    names
}
