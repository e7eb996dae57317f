//! The catalogue of a document: which list serves which stream, and the facts of each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::Document;
use super::error::CompileError;
use super::lists::{List, is_deprecated, lists};
use super::{events, exceptions, fields, keyed, names, nested};
use crate::catalogue::{Catalogue, ChildStream, Freshness, ListParams, ParentKeyed, StreamFacts};

/// Compiles Stripe's OpenAPI file (`spec3.json` of its openapi repository) to a catalogue.
/// Fails if the text is not such a file.
pub fn compile(openapi: &str) -> Result<Catalogue, CompileError> {
    let document = Document::parse(openapi)?;
    let lists = lists(&document);
    let events = events::by_resource(&document);
    let facts = |list: &&List<'_>| stream_facts(&document, list, &events);
    let (v2_streams, streams): (Vec<_>, Vec<_>) =
        chosen(&lists).values().map(facts).partition(|stream| stream.v2);
    if streams.is_empty() {
        return Err(CompileError::NoStreams);
    }
    let parent_keyed = parent_keyed(&lists);
    let plain: Vec<&StreamFacts> = streams.iter().chain(&v2_streams).collect();
    let keyed = keyed::keyed(&document, &lists, &plain, &events);
    Ok(Catalogue {
        api_version: document.api_version().to_owned(),
        children: children(&document, &lists, &streams),
        streams,
        v2_streams,
        parent_keyed,
        keyed,
    })
}

/// The streams that are fed from a list inside another's objects. A copy learns of them as it
/// learns of their parents.
fn children(document: &Document, lists: &[List<'_>], streams: &[StreamFacts]) -> Vec<ChildStream> {
    let child = |list: &List<'_>| {
        let (parent, property, key) = exceptions::child_of(list.path)?;
        let parent = streams.iter().find(|stream| stream.name == parent)?;
        let facts = stream_facts(document, list, &BTreeMap::new());
        let is_there = parent.nested_lists.iter().any(|name| name == property)
            && facts.fields.iter().any(|field| field.name == key);
        is_there.then(|| ChildStream {
            parent: parent.name.clone(),
            list: property.to_owned(),
            key: key.to_owned(),
            facts: StreamFacts { freshness: parent.freshness, ..facts },
        })
    };
    let mut found: Vec<ChildStream> = lists.iter().filter_map(child).collect();
    found.sort_unstable_by(|a, b| a.facts.name.cmp(&b.facts.name));
    found
}

/// The list of each stream that needs no parent. Of several, the path that is called what the
/// stream is called; else the shortest, else the first by its letters.
pub(crate) fn chosen<'a, 'd>(lists: &'a [List<'d>]) -> BTreeMap<String, &'a List<'d>> {
    let mut chosen: BTreeMap<String, &List<'d>> = BTreeMap::new();
    for list in lists.iter().filter(|list| list.required_params().is_empty()) {
        let name = names::stream_name(list.resource);
        let rank = |list: &List<'_>| {
            (!names::spells(list.path, &name), list.path.len(), list.path.to_owned())
        };
        let better = chosen.get(&name).is_none_or(|current| rank(list) < rank(current));
        if better {
            chosen.insert(name, list);
        }
    }
    chosen
}

fn parent_keyed(lists: &[List<'_>]) -> Vec<ParentKeyed> {
    let mut found: Vec<ParentKeyed> = lists
        .iter()
        .map(|list| ParentKeyed {
            name: names::stream_name(list.resource),
            resource: list.resource.to_owned(),
            path: list.path.to_owned(),
            required_params: list.required_params(),
        })
        .filter(|list| !list.required_params.is_empty())
        .collect();
    found.sort_unstable_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    found
}

pub(crate) fn stream_facts(
    document: &Document,
    list: &List<'_>,
    events: &BTreeMap<String, Vec<String>>,
) -> StreamFacts {
    let event_types = events.get(list.resource).cloned().unwrap_or_default();
    let volatile = exceptions::volatile(list.resource);
    StreamFacts {
        name: names::stream_name(list.resource),
        resource: list.resource.to_owned(),
        object: list.object().to_owned(),
        path: list.path.to_owned(),
        v2: list.v2,
        accepts: ListParams {
            created: list.accepts("created"),
            limit: list.accepts("limit"),
            starting_after: list.accepts("starting_after"),
            ending_before: list.accepts("ending_before"),
        },
        filters: list.filters(),
        sort_field: sort_field(list),
        fixed_params: list.widening(),
        freshness: freshness(list.resource, &event_types),
        volatile: volatile.iter().map(|name| (*name).to_owned()).collect(),
        retrieve_path: retrieve_path(document, list),
        event_types,
        nested_lists: nested::nested_lists(document, list.schema),
        fields: fields::fields(document, list.schema),
    }
}

/// Lists are sorted by when their objects were made. Most call that `created`; where the
/// `created` filter is accepted and there is no such property, it means `date`.
fn sort_field(list: &List<'_>) -> Option<String> {
    let format = if list.v2 { "date-time" } else { "unix-time" };
    let is_time = |name: &&str| {
        let property = list.schema.pointer(&format!("/properties/{name}/format"));
        property.and_then(Value::as_str) == Some(format)
    };
    let candidates: &[&str] =
        if list.accepts("created") { &["created", "date"] } else { &["created"] };
    candidates.iter().copied().find(|name| is_time(name)).map(str::to_owned)
}

fn freshness(resource: &str, event_types: &[String]) -> Freshness {
    if exceptions::is_immutable(resource) {
        Freshness::Immutable
    } else if event_types.is_empty() || exceptions::has_partial_events(resource) {
        Freshness::Relist
    } else {
        Freshness::Events
    }
}

/// The operation whose path is the list's with one parameter more.
fn retrieve_path(document: &Document, list: &List<'_>) -> Option<String> {
    let is_retrieve = |path: &str| {
        path.strip_prefix(list.path)
            .and_then(|rest| rest.strip_prefix("/{"))
            .and_then(|rest| rest.split_once('}'))
            .is_some_and(|(_, after)| after.is_empty())
    };
    document
        .reads()
        .any(|(path, operation)| is_retrieve(path) && !is_deprecated(path, operation))
        .then(|| format!("{}/{{id}}", list.path))
}
