//! The streams that are read list by list, one for each object of another stream.

use std::collections::BTreeMap;

use super::document::Document;
use super::lists::List;
use super::streams::stream_facts;
use super::{exceptions, names};
use crate::catalogue::{KeyedStream, NoneIf, StreamFacts};

/// A list under a parent, and what its requests have to name.
struct Found<'l, 'd> {
    list: &'l List<'d>,
    parent: &'l StreamFacts,
    params: Vec<(String, String)>,
}

/// Every list that needs a parent, if its parents are a stream and no other list has its objects.
pub(crate) fn keyed(
    document: &Document,
    lists: &[List<'_>],
    plain: &[&StreamFacts],
    events: &BTreeMap<String, Vec<String>>,
) -> Vec<KeyedStream> {
    let apart = lists.iter().filter(|list| is_apart(list, plain));
    let found: Vec<Found<'_, '_>> = apart
        .filter_map(|list| {
            let parent = parent(list, plain)?;
            Some(Found { list, parent, params: params(list, parent)? })
        })
        .collect();
    let is_only = |list: &List<'_>| {
        let same = found.iter().filter(|other| other.list.resource == list.resource);
        same.count() == 1 && !plain.iter().any(|stream| stream.resource == list.resource)
    };
    let stream = |Found { list, parent, params }: &Found<'_, '_>| {
        let name = match is_only(list) {
            true => names::stream_name(list.resource),
            false => names::under_parent(&parent.object, list.path),
        };
        let facts = facts(document, list, events, name);
        KeyedStream {
            parent: parent.name.clone(),
            key: key(&facts, list, parent),
            params: params.clone(),
            shown: shown(list, parent),
            none_if: none_if(list),
            ids_repeat: exceptions::has_repeating_ids(list.resource),
            facts,
        }
    };
    let mut streams: Vec<KeyedStream> = found.iter().map(stream).collect();
    streams.sort_unstable_by(|a, b| a.facts.name.cmp(&b.facts.name));
    streams
}

/// Whether a list has objects that no other stream has.
fn is_apart(list: &List<'_>, plain: &[&StreamFacts]) -> bool {
    let is_plain = plain.iter().any(|stream| stream.resource == list.resource);
    !list.required_params().is_empty()
        && exceptions::child_of(list.path).is_none()
        && !exceptions::is_other_address(list.path)
        && (!is_plain || exceptions::is_listed_apart(list.resource))
}

/// The stream of a list's parents. Where the path names none, the one whose objects are called what
/// the first parameter is called, and of several that of the same product.
fn parent<'a>(list: &List<'_>, plain: &[&'a StreamFacts]) -> Option<&'a StreamFacts> {
    if let Some((before, _)) = list.path.split_once("/{") {
        return plain.iter().find(|stream| stream.path == before).copied();
    }
    let parameter = list.required_params().into_iter().next()?;
    let product = |path: &str| path.split('/').nth(2).map(str::to_owned);
    let named: Vec<&StreamFacts> = plain
        .iter()
        .copied()
        .filter(|stream| names::last_segment(&stream.object) == parameter)
        .collect();
    let near = named.iter().find(|stream| product(&stream.path) == product(list.path));
    near.or(named.first()).copied()
}

/// What a request has to name, and the property of the parent that says it: the parent's id first.
fn params(list: &List<'_>, parent: &StreamFacts) -> Option<Vec<(String, String)>> {
    let mut required = list.required_params().into_iter();
    let first = (required.next()?, "id".to_owned());
    let rest = required.map(|name| {
        let is_there = parent.fields.iter().any(|field| field.name == name);
        is_there.then(|| (name.clone(), name))
    });
    std::iter::once(Some(first)).chain(rest).collect()
}

fn facts(
    document: &Document,
    list: &List<'_>,
    events: &BTreeMap<String, Vec<String>>,
    name: String,
) -> StreamFacts {
    let facts = stream_facts(document, list, events);
    let retrieve_path = facts.retrieve_path.filter(|path| path.matches('{').count() == 1);
    StreamFacts { name, retrieve_path, ..facts }
}

/// The property with which an object names its parent.
fn key(facts: &StreamFacts, list: &List<'_>, parent: &StreamFacts) -> Option<String> {
    let required = list.required_params();
    let parameter = required.first().map(String::as_str).filter(|name| *name != "id");
    let called = [
        exceptions::parent_property(list.resource),
        parameter,
        Some(names::last_segment(&parent.object)),
    ];
    let mut called = called.into_iter().flatten();
    called.find(|name| facts.fields.iter().any(|field| field.name == *name)).map(str::to_owned)
}

/// The property in which the parent always shows the beginning of the list.
fn shown(list: &List<'_>, parent: &StreamFacts) -> Option<String> {
    let after = list.path.split_once("}/").map(|(_, after)| after);
    let name = exceptions::shown_as(list.path).or(after)?;
    let is_always = parent.fields.iter().any(|field| field.name == name && field.required);
    let is_list = parent.nested_lists.iter().any(|nested| nested == name);
    (is_always && is_list).then(|| name.to_owned())
}

fn none_if(list: &List<'_>) -> Option<NoneIf> {
    let (field, says) = exceptions::none_if(list.path)?;
    Some(NoneIf { field: field.to_owned(), says: says.to_owned() })
}
