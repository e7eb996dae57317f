//! Several events of one object become one: the newest. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::event::Event;

/// A stream of the run, and the id of one of its objects.
pub(crate) type Key = (usize, String);

/// What happened to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Which object.
    pub(crate) key: Key,
    /// The newest event that tells of it.
    pub(crate) event: Event,
    /// The ids of the events that tell of it in that second.
    pub(crate) ids: BTreeSet<String>,
    /// Whether the event alone does not say how the object ended: another of the same second has
    /// to do with it.
    pub(crate) is_tied: bool,
}

impl Changed {
    /// By one event.
    pub(crate) fn by(key: Key, event: Event) -> Self {
        let ids = BTreeSet::from([event.id.clone()]);
        Self { key, event, ids, is_tied: false }
    }
}

/// A property that holds children that are a stream of their own, by stream of the run.
pub(crate) type ChildLists = BTreeMap<usize, Vec<String>>;

/// The newest event of each object, of events that come newest first.
pub(crate) fn collapse(
    events: impl IntoIterator<Item = (Key, Event)>,
    lists: &ChildLists,
) -> Vec<Changed> {
    let mut found: BTreeMap<Key, Changed> = BTreeMap::new();
    let mut order = Vec::new();
    for (key, event) in events {
        let Some(newest) = found.get_mut(&key) else {
            order.push(key.clone());
            found.insert(key.clone(), Changed::by(key, event));
            continue;
        };
        let lists = lists.get(&key.0).map(Vec::as_slice).unwrap_or_default();
        if event.created == newest.event.created {
            newest.ids.insert(event.id.clone());
        }
        newest.is_tied |= contradicts(&event, &newest.event, lists);
    }
    // Oldest first.
    order.iter().rev().filter_map(|key| found.remove(key)).collect()
}

/// Whether a destination that has taken in the earlier event cannot be brought to the later one by
/// it alone: both have the same second, and what is deleted is not revived by an equal stamp.
fn contradicts(earlier: &Event, later: &Event, lists: &[String]) -> bool {
    if earlier.created != later.created || later.is_end() {
        return false;
    }
    let lacks = |list: &String| match (children(earlier, list), children(later, list)) {
        (Some(before), Some(after)) => !after.is_subset(&before),
        // A list that is not shown whole may lack anything.
        (None, _) | (_, None) => true,
    };
    earlier.is_end() || lists.iter().any(lacks)
}

/// The ids in a list of the object; nothing if they are not all shown.
fn children(event: &Event, list: &str) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Child>,
        has_more: bool,
    }
    #[derive(Deserialize)]
    struct Child {
        id: String,
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(&event.text).ok()?;
    let list: List = serde_json::from_str(members.get(list)?.get()).ok()?;
    (!list.has_more).then(|| list.data.into_iter().map(|child| child.id).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(id: &str, kind: &str, created: i64, more: Value) -> (Key, Event) {
        let mut object = json!({"id": "x", "object": "subscription_like"});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let text = json!({"id": id, "type": kind, "created": created, "data": {"object": object}});
        ((0, "x".to_owned()), Event::parse(&text.to_string()).unwrap())
    }

    fn items(ids: &[&str]) -> Value {
        let data: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"items": {"data": data, "has_more": false}})
    }

    fn one(events: Vec<(Key, Event)>) -> (String, bool) {
        let lists = [(0, vec!["items".to_owned()])].into_iter().collect();
        let all = collapse(events, &lists);
        let [changed] = all.as_slice() else { panic!("{all:?}") };
        (changed.event.id.clone(), changed.is_tied)
    }

    #[test]
    fn of_events_in_the_same_second_the_first_in_the_list_is_the_newest() {
        let update = |id, at| event(id, "a.updated", at, items(&["k"]));
        assert_eq!(one(vec![update("c", 7), update("b", 7), update("a", 6)]), ("c".into(), false));
    }

    #[test]
    fn delete_and_re_create_in_one_second_is_tied_whatever_lies_between() {
        let update = |id, at| event(id, "a.updated", at, items(&[]));
        let delete = |id, at| event(id, "a.deleted", at, items(&[]));
        assert_eq!(one(vec![update("b", 7), delete("a", 7)]), ("b".into(), true));
        assert_eq!(one(vec![update("c", 7), update("b", 7), delete("a", 7)]), ("c".into(), true));
        assert_eq!(one(vec![update("b", 8), delete("a", 7)]), ("b".into(), false));
        assert_eq!(one(vec![delete("b", 7), update("a", 7)]), ("b".into(), false));
    }

    #[test]
    fn a_child_that_comes_back_in_one_second_is_tied_and_one_that_goes_is_not() {
        let parent = |id, ids: &[&str]| event(id, "a.updated", 7, items(ids));
        assert_eq!(one(vec![parent("b", &["k"]), parent("a", &[])]), ("b".into(), true));
        assert_eq!(one(vec![parent("b", &[]), parent("a", &["k"])]), ("b".into(), false));
        let cut = json!({"items": {"data": [], "has_more": true}});
        let cut = event("a", "a.updated", 7, cut);
        assert_eq!(one(vec![parent("b", &["k"]), cut]), ("b".into(), true));
    }

    #[test]
    fn objects_come_oldest_first() {
        let of = |id: &str, at| {
            let (_, event) = event("e", "a.updated", at, json!({}));
            ((0, id.to_owned()), event)
        };
        let all = collapse([of("c", 9), of("b", 8), of("c", 7)], &ChildLists::new());
        let ids: Vec<&str> = all.iter().map(|changed| changed.key.1.as_str()).collect();
        assert_eq!(ids, ["b", "c"]);
    }
}
