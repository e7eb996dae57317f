//! Children that are gone: which rows are meant, found by the values of the columns that are asked.

use std::collections::BTreeMap;

use connector::version::Version;
use connector::{Key, Prunes, reference};
use serde_json::Value;

use super::tab::{Held, KeyCells, Model, decide, text};
use crate::schema::Schema;

/// Columns by the field that they hold, each from row 2 on.
pub(crate) type Facts = BTreeMap<String, Vec<Value>>;

/// The fields that conditions name and that are no part of the key.
pub(crate) fn asked_fields(schema: &Schema, prunes: &Prunes) -> Vec<String> {
    let mut fields: Vec<String> = prunes
        .all()
        .iter()
        .flat_map(|prune| prune.condition.keys())
        .filter(|field| schema.key_part(field).is_none())
        .cloned()
        .collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// The cells that mark the children that are gone.
pub(crate) fn prune_cells(
    schema: &Schema,
    model: &Model,
    (prunes, facts): (&Prunes, &Facts),
    into: &mut KeyCells,
) {
    let mut versions: BTreeMap<&Key, Vec<Version>> = BTreeMap::new();
    let mut indexes: BTreeMap<Vec<&String>, BTreeMap<Vec<String>, Vec<&Key>>> = BTreeMap::new();
    for prune in prunes.all() {
        let fields: Vec<&String> = prune.condition.keys().collect();
        let index = indexes.entry(fields).or_insert_with_key(|fields| {
            let mut index: BTreeMap<Vec<String>, Vec<&Key>> = BTreeMap::new();
            for (key, held) in &model.rows {
                let values = fields.iter().map(|field| value(schema, (key, held), facts, field));
                index.entry(values.collect()).or_default().push(key);
            }
            index
        });
        let wanted: Vec<String> = prune.condition.values().cloned().collect();
        for key in index.get(&wanted).into_iter().flatten() {
            if key.first().is_none_or(|id| !prune.keep.contains(id)) {
                versions.entry(key).or_default().push(prune.version());
            }
        }
    }
    for (key, versions) in versions {
        decide(schema, model, key, (&versions, &|_| "{}"), into);
    }
}

fn value(schema: &Schema, (key, held): (&Key, &Held), facts: &Facts, field: &str) -> String {
    if let Some(part) = schema.key_part(field) {
        return key.get(part).cloned().unwrap_or_default();
    }
    let at = usize::try_from(held.row.saturating_sub(2)).unwrap_or(usize::MAX);
    let cell = text(facts.get(field).and_then(|column| column.get(at)));
    if !cell.starts_with('{') {
        return cell;
    }
    // An object in place of its id.
    reference(&format!("{{\"it\":{cell}}}"), "it").unwrap_or(cell)
}
