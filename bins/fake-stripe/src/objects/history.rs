//! What became of a resource's objects since they were made up: each change is a version with
//! its time, so that a list can lag behind.

use std::collections::BTreeMap;

/// Changes of one resource's objects. Objects go by number: the oldest is 0.
#[derive(Default)]
pub(crate) struct History {
    /// When the objects were created that were not there at first, oldest first.
    added: Vec<i64>,
    versions: BTreeMap<usize, Vec<Version>>,
}

/// What an object was from a moment on.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// The moment, in milliseconds.
    pub(crate) at: i64,
    /// Whether it was deleted then; the texts are what it was before.
    pub(crate) deleted: bool,
    /// The object as an element of a page.
    pub(crate) shown: Vec<u8>,
    /// The object with its lists whole, where they are not shown so.
    pub(crate) whole: Option<Vec<u8>>,
}

/// What there is of an object at a moment.
pub(crate) enum Seen<'a> {
    /// It does not exist yet.
    Unborn,
    /// It is as it was made up.
    AsMade,
    /// It is what a change made of it.
    Changed(&'a Version),
}

impl History {
    /// The creation times of added objects, oldest first.
    pub(crate) fn added(&self) -> &[i64] {
        &self.added
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// What there was of object `number` at a moment; `made` objects were there at first.
    pub(crate) fn at(&self, number: usize, made: usize, moment: i64) -> Seen<'_> {
        let versions = self.versions.get(&number);
        let current =
            versions.and_then(|all| all.iter().rev().find(|version| version.at <= moment));
        match current {
            Some(version) => Seen::Changed(version),
            None if number < made => Seen::AsMade,
            None => Seen::Unborn,
        }
    }

    /// Adds an object that is created at this time, in unix seconds, as the newest.
    pub(crate) fn add(&mut self, number: usize, created: i64, version: Version) {
        self.added.push(created);
        self.versions.insert(number, vec![version]);
    }

    /// Adds a version of an object, and forgets those that nobody sees who looks no further back
    /// than `horizon`.
    pub(crate) fn change(&mut self, number: usize, version: Version, horizon: i64) {
        let versions = self.versions.entry(number).or_default();
        versions.push(version);
        let seen = versions.iter().rposition(|version| version.at <= horizon).unwrap_or(0);
        versions.drain(..seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(at: i64, text: &str) -> Version {
        Version { at, deleted: false, shown: text.as_bytes().to_vec(), whole: None }
    }

    fn seen(history: &History, number: usize, moment: i64) -> &str {
        match history.at(number, 1, moment) {
            Seen::Unborn => "unborn",
            Seen::AsMade => "as made",
            Seen::Changed(version) => std::str::from_utf8(&version.shown).unwrap(),
        }
    }

    #[test]
    fn an_object_is_what_its_last_version_says() {
        let mut history = History::default();
        history.change(0, version(10, "a"), 0);
        history.change(0, version(10, "b"), 0);
        history.change(0, version(20, "c"), 0);
        history.add(1, 0, version(15, "new"));
        let at = |number, moment| seen(&history, number, moment);
        assert_eq!([at(0, 9), at(0, 10), at(0, 19), at(0, 20)], ["as made", "b", "b", "c"]);
        assert_eq!([at(1, 14), at(1, 15)], ["unborn", "new"]);
    }

    #[test]
    fn what_is_behind_the_horizon_is_forgotten_and_nothing_else() {
        let mut history = History::default();
        for (at, text) in [(10, "a"), (20, "b"), (30, "c")] {
            history.change(0, version(at, text), 25);
        }
        assert_eq!(history.versions[&0].len(), 2);
        assert_eq!([seen(&history, 0, 25), seen(&history, 0, 30)], ["b", "c"]);
    }
}
