//! What a whole copy holds. No part of Stripe; nothing here is counted, slowed or refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::objects::{ChildList, Stream, World};
use crate::params;
use crate::render;

/// How many objects of each stream there are. `with=v2,children` adds the lists of API v2 and
/// those under a parent.
pub(crate) fn counts(world: &World, query: &str) -> Answer {
    let with = value(query, "with").unwrap_or_default();
    let is_with = |part: &str| with.split(',').any(|word| word == part);
    let count = |stream: &Stream| {
        let view = stream.now();
        let there = (0..view.len()).filter(|position| view.is_there(*position)).count();
        (stream.facts.name.clone(), there)
    };
    let mut counts: BTreeMap<String, usize> = world.streams().iter().map(count).collect();
    if is_with("v2") {
        counts.extend(world.v2_streams().iter().map(count));
    }
    if is_with("children") {
        let names = world.child_lists().iter().map(|list| list.name);
        for name in names.filter(|name| world.stream(name).is_none()) {
            counts.entry(name.to_owned()).or_insert_with(|| children(world, name).len());
        }
    }
    Answer::json(&json!(counts))
}

/// Every object of a stream, one a line. With `lists=whole` the lists inside them are whole, with
/// `deleted=with` the deleted ones are there too, as they were last, marked.
pub(crate) fn objects(stream: &Stream, query: &str) -> Answer {
    let is_whole = value(query, "lists").is_some_and(|value| value == "whole");
    let with_deleted = value(query, "deleted").is_some_and(|value| value == "with");
    let view = stream.now();
    let mut lines = Vec::new();
    for position in 0..view.len() {
        let is_deleted = view.is_deleted(position);
        if is_deleted && with_deleted {
            let mut object = view.whole(position);
            if let Value::Object(map) = &mut object {
                map.insert("deleted".to_owned(), json!(true));
            }
            lines.extend_from_slice(object.to_string().as_bytes());
        } else if is_deleted {
            continue;
        } else if is_whole {
            lines.extend_from_slice(view.whole(position).to_string().as_bytes());
        } else {
            render::minified(view.object(position), &mut lines);
        }
        lines.push(b'\n');
    }
    Answer::ok(lines)
}

/// Every object of the lists of that name, under all parents, one a line.
pub(crate) fn child_objects(world: &World, name: &str) -> Answer {
    let lines: Vec<String> =
        children(world, name).iter().map(|object| format!("{object}\n")).collect();
    Answer::ok(lines.concat().into_bytes())
}

fn children(world: &World, name: &str) -> Vec<Value> {
    let lists = world.child_lists().iter().filter(|list| list.name == name);
    let mut found: Vec<Value> = lists.flat_map(|list| under_all(world, list)).collect();
    // Two addresses of one list give the same objects.
    let mut seen = BTreeSet::new();
    found.retain(|object| seen.insert(object.to_string()));
    found
}

fn under_all(world: &World, list: &ChildList) -> Vec<Value> {
    let Some(parents) = world.stream(&list.parent.name) else { return Vec::new() };
    let view = parents.now();
    let there = (0..view.len()).filter(|position| view.is_there(*position));
    there.flat_map(|position| list.elements(world, &view, position)).collect()
}

fn value(query: &str, name: &str) -> Option<String> {
    params::pairs(query).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}
