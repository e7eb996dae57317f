//! Lists inside objects.

use serde_json::Value;

use super::document::{Document, is_v1_list, members};
use super::fields::is_expandable;

/// How many properties deep a list is looked for.
const MAX_DEPTH: usize = 4;

/// The dotted paths of the v1 lists in `schema`'s objects, in byte order.
pub(crate) fn nested_lists(document: &Document, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(document, schema, "", 0, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn walk(document: &Document, schema: &Value, at: &str, depth: usize, found: &mut Vec<String>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        if is_expandable(property) {
            continue;
        }
        for part in parts(document, property) {
            if is_v1_list(part) {
                found.push(path.clone());
            } else if depth + 1 < MAX_DEPTH && !is_whole_resource(part) {
                walk(document, part, &path, depth + 1, found);
            }
        }
    }
}

/// What may stand in a property: itself, or the members of its union.
fn parts<'a>(document: &'a Document, property: &'a Value) -> Vec<&'a Value> {
    let own = document.resolve(property);
    match members(own) {
        [] => vec![own],
        union => union.iter().map(|member| document.resolve(member)).collect(),
    }
}

/// A resource that stands inside another has a stream of its own, which keeps its lists.
fn is_whole_resource(schema: &Value) -> bool {
    schema.get("x-resourceId").is_some()
}
