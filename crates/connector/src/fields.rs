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

/// All fields that are anything special.
///
/// A field is looked for at a place that its name's length and a few of its bytes give, then at
/// those behind it: there are far more places than fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fields {
    places: Vec<Option<(String, Meaning)>>,
}

/// Places for each field.
const SPARE: usize = 8;

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
        Self::at_places(by_name)
    }

    fn at_places(by_name: BTreeMap<&str, Meaning>) -> Self {
        let mut places = vec![None; (by_name.len() * SPARE).next_power_of_two()];
        for (name, meaning) in by_name {
            let mut at = place(name, places.len());
            while places.get(at).is_some_and(Option::is_some) {
                at = behind(at, places.len());
            }
            if let Some(free) = places.get_mut(at) {
                *free = Some((name.to_owned(), meaning));
            }
        }
        Self { places }
    }

    /// What a member's field is, if it is anything special.
    #[inline]
    pub(crate) fn of_member(&self, member: &Member<'_>) -> Option<Meaning> {
        if !member.is_escaped() {
            return self.of_name(member.raw_key);
        }
        self.of_name(&member.key())
    }

    #[inline]
    fn of_name(&self, name: &str) -> Option<Meaning> {
        let mut at = place(name, self.places.len());
        loop {
            let (known, meaning) = self.places.get(at)?.as_ref()?;
            if known == name {
                return Some(*meaning);
            }
            at = behind(at, self.places.len());
        }
    }
}

/// Where a name is looked for first, of a number of places that is a power of two.
#[inline]
fn place(name: &str, count: usize) -> usize {
    let bytes = name.as_bytes();
    let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or_default());
    let (first, middle) = (byte(0), byte(bytes.len() / 2));
    let last = byte(bytes.len().saturating_sub(1));
    let mixed = bytes.len() ^ (first << 3) ^ (middle << 5) ^ (last << 1);
    mixed & count.saturating_sub(1)
}

const fn behind(at: usize, count: usize) -> usize {
    (at + 1) & count.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::{ConfiguredStream, Stream};
    use serde_json::json;

    use super::*;

    fn plan(volatile: &[String]) -> StreamPlan {
        let stream: Stream = serde_json::from_value(json!({
            "name": "items", "primary_key": [["id"]], "newer_than_field": "at",
            "metadata": {"volatile": volatile},
        }))
        .unwrap();
        StreamPlan::new(&ConfiguredStream::new(stream)).unwrap()
    }

    proptest! {
        #[test]
        fn a_field_is_found_by_its_name_and_no_other_is(
            special in proptest::collection::vec("[a-c_]{0,5}", 0..40),
            others in proptest::collection::vec("[a-c_]{0,5}", 0..40),
        ) {
            let fields = Fields::of(&plan(&special));
            for name in special.iter().chain(&others) {
                let is_volatile = fields.of_name(name).is_some_and(|meaning| meaning.is_volatile);
                prop_assert_eq!(is_volatile, special.contains(name), "{}", name);
            }
            prop_assert!(fields.of_name("id").is_some_and(|meaning| meaning.is_key));
            prop_assert!(fields.of_name("at").is_some_and(|meaning| meaning.is_stamp));
        }
    }
}
