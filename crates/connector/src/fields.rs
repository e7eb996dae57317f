//! What the top-level fields of a stream's records are to a destination, found by their names.

use std::collections::BTreeMap;

use crate::plan::StreamPlan;
use crate::scan::Member;
use crate::shape::ValueType;

/// What one field is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// It is the stream's `newer_than_field`.
    pub(crate) is_stamp: bool,
    /// It marks a deleted object.
    pub(crate) is_mark: bool,
    /// It changes without the object changing.
    pub(crate) is_volatile: bool,
    /// A part of the key is in it.
    pub(crate) is_key: bool,
    /// Its values are limited.
    pub(crate) is_limited: bool,
    /// What its column takes, where it has one that does not take all.
    pub(crate) typed: Option<ValueType>,
}

/// All fields that are anything special, by the length of their name: few have the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fields {
    by_length: Vec<Vec<(String, Meaning)>>,
}

impl Fields {
    pub(crate) fn of(plan: &StreamPlan) -> Self {
        let stream = plan.stream();
        let mut by_name: BTreeMap<&str, Meaning> = BTreeMap::new();
        by_name.entry(&stream.newer_than_field).or_default().is_stamp = true;
        if let Some(field) = &stream.soft_delete_field {
            by_name.entry(field).or_default().is_mark = true;
        }
        for name in &plan.volatile {
            by_name.entry(name).or_default().is_volatile = true;
        }
        for name in plan.key.iter().filter_map(|path| path.first()) {
            by_name.entry(name).or_default().is_key = true;
        }
        for (name, _) in &plan.enums {
            by_name.entry(name).or_default().is_limited = true;
        }
        for (name, value_type) in &plan.shape().typed {
            by_name.entry(name).or_default().typed = Some(*value_type);
        }
        let longest = by_name.keys().map(|name| name.len()).max().unwrap_or_default();
        let mut by_length = vec![Vec::new(); longest.saturating_add(1)];
        for (name, meaning) in by_name {
            if let Some(names) = by_length.get_mut(name.len()) {
                names.push((name.to_owned(), meaning));
            }
        }
        Self { by_length }
    }

    /// What a member's field is.
    pub(crate) fn of_member(&self, member: &Member<'_>) -> Meaning {
        if !member.is_escaped() {
            return self.of_name(member.raw_key);
        }
        self.of_name(&member.key())
    }

    fn of_name(&self, name: &str) -> Meaning {
        // Names of one length mostly differ at their end: `line1`, `line2`.
        let end = name.as_bytes().last();
        let is_it = |known: &str| known.as_bytes().last() == end && known == name;
        let same_length = self.by_length.get(name.len());
        let found = same_length.and_then(|names| names.iter().find(|(known, _)| is_it(known)));
        found.map(|(_, meaning)| *meaning).unwrap_or_default()
    }
}
