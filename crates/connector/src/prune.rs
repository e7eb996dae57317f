//! Children that no longer exist, as the record of their parent says.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Origin;

use crate::plan::StreamPlan;
use crate::row::{Came, lookup, scalar_text};
use crate::version::Version;

/// Says of every child that meets a condition and is not kept: it was deleted.
///
/// It counts as a stub of each of them, with the stamp and origin of the record that carries it, so
/// that the version rule decides: a child that is newer stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prune {
    /// Top-level fields, in order, and the text that each must have.
    pub condition: BTreeMap<String, String>,
    /// First key values of the children that are still there.
    pub keep: BTreeSet<String>,
    /// Stamp of the record that carries it, unix seconds.
    pub stamp: i64,
    /// Where that record came from.
    pub origin: Option<Origin>,
}

impl Prune {
    /// Reads one of a record's prunes; `None` when its condition has no values to compare with, and
    /// so could meet anything.
    ///
    /// The other key fields of the children, such as the account, must be those of the parent.
    pub(crate) fn of(
        wire: &protocol::Prune,
        child: &StreamPlan,
        parent: Came<'_>,
        stamp: i64,
    ) -> Option<Self> {
        let text = |value: &serde_json::Value| scalar_text(&value.to_string());
        let asked = wire.condition.iter();
        let mut condition: BTreeMap<String, String> = asked
            .map(|(field, value)| Some((field.clone(), text(value)?)))
            .collect::<Option<_>>()?;
        if condition.is_empty() {
            return None;
        }
        for path in child.key.iter().skip(1) {
            if let ([field], Some(value)) = (path.as_slice(), lookup(parent.data, path)) {
                condition.entry(field.clone()).or_insert(scalar_text(value)?);
            }
        }
        let keep = wire.keep.iter().cloned().collect();
        Some(Self { condition, keep, stamp, origin: parent.origin })
    }

    /// What it says of each child, as a version for the version rule.
    #[must_use]
    pub const fn version(&self) -> Version {
        let Self { stamp, origin, .. } = self;
        Version { stamp: *stamp, content: 0, deleted: true, stub: true, origin: *origin }
    }

    /// Whether a child is meant: one of the first key value `id` with this document.
    #[must_use]
    pub fn concerns(&self, id: &str, document: &str) -> bool {
        let has = |(field, wanted): (&String, &String)| {
            reference(document, field).is_some_and(|value| value == *wanted)
        };
        !self.keep.contains(id) && self.condition.iter().all(has)
    }
}

/// The text of a top-level field; of an object that stands in place of its id, the id.
#[must_use]
pub fn reference(document: &str, field: &str) -> Option<String> {
    let value = lookup(document, &[field.to_owned()])?;
    if value.starts_with('{') {
        return lookup(value, &["id".to_owned()]).and_then(scalar_text);
    }
    scalar_text(value)
}

/// The prunes of one stream in a batch, in order of arrival, found by what they ask.
#[derive(Debug, Clone, Default)]
pub struct Prunes {
    all: Vec<Prune>,
    /// Fields that conditions name, and for the values asked of them the prunes' places.
    index: BTreeMap<Vec<String>, BTreeMap<Vec<String>, Vec<usize>>>,
}

impl Prunes {
    pub(crate) fn push(&mut self, prune: Prune) {
        let (fields, values): (Vec<_>, Vec<_>) = prune.condition.clone().into_iter().unzip();
        let places = self.index.entry(fields).or_default().entry(values).or_default();
        places.push(self.all.len());
        self.all.push(prune);
    }

    /// All, in order of arrival.
    #[must_use]
    pub fn all(&self) -> &[Prune] {
        &self.all
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a record that comes after them is concerned by any. A child keeps its parent for
    /// life; so the others may as well be stored before them.
    pub(crate) fn concern(&self, id: &str, document: &str) -> bool {
        self.index.iter().any(|(fields, by_values)| {
            let values: Option<Vec<String>> =
                fields.iter().map(|field| reference(document, field)).collect();
            let places = values.and_then(|values| by_values.get(&values));
            let spares = |at: &usize| self.all.get(*at).is_none_or(|p| p.keep.contains(id));
            places.is_some_and(|places| !places.iter().all(spares))
        })
    }
}
