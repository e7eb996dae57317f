//! Whether a state still belongs to the copy it was made for; pure.

use std::collections::BTreeMap;

use protocol::{Message, Place, Places, SourceState, Spec};

use crate::schema;
use crate::store::Kept;

/// Places that a destination told when it was set up.
pub(crate) fn told(answer: &[Message]) -> Places {
    let mut places = Places::new();
    for message in answer {
        if let Message::Log(log) = message {
            places.extend(log.places.clone().unwrap_or_default());
        }
    }
    places
}

/// Why a stream's state is not for the table that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// It is another table, made since.
    Another,
    /// It holds what it held at an earlier time.
    BroughtBack,
}

impl Stranger {
    /// For people, in a clause.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Another => "its table is not the one that the state was made for",
            Self::BroughtBack => "its table was brought back from an earlier time",
        }
    }
}

/// Streams whose state must not be used, each with the reason.
///
/// `in_the_copy`: the state lives and dies with the copy, so its last run need not be compared.
pub(crate) fn strangers(
    kept: &Kept,
    found: &Places,
    in_the_copy: bool,
) -> BTreeMap<String, Stranger> {
    let known = &kept.pipeline;
    let mut strangers = BTreeMap::new();
    for stream in kept.source.streams.keys() {
        let Some(place) = found.get(stream) else { continue };
        let stored = known.places.get(stream);
        if stored.is_none_or(|stored| stored.id != place.id) {
            strangers.insert(stream.clone(), Stranger::Another);
        } else if !in_the_copy && !is_last_run(place, stored, known.last_run.as_ref()) {
            strangers.insert(stream.clone(), Stranger::BroughtBack);
        }
    }
    strangers
}

/// The last run in the table is the one that is known to have changed rows there, or the one that
/// was started last and died before that was known.
fn is_last_run(place: &Place, stored: Option<&Place>, last: Option<&String>) -> bool {
    let known = stored.and_then(|stored| stored.run.as_ref());
    place.run.as_ref() == known || (place.run.is_some() && place.run.as_ref() == last)
}

/// States in another shape than the source says its states have, each with the reason.
pub(crate) fn misfits(spec: &Spec, source: &SourceState) -> BTreeMap<String, String> {
    let Some(shape) = &spec.source_state_stream else { return BTreeMap::new() };
    let misfit = |state: &serde_json::value::RawValue| match serde_json::from_str(state.get()) {
        Ok(state) => schema::misfit(shape, &state),
        Err(error) => Some(error.to_string()),
    };
    let found = source.streams.iter().filter_map(|(name, state)| Some((name, misfit(state)?)));
    found.map(|(name, why)| (name.clone(), why)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn place(id: &str, run: Option<&str>) -> Places {
        let run = run.map(str::to_owned);
        Places::from([("a".to_owned(), Place { id: id.to_owned(), run })])
    }

    fn kept(places: Places, last_run: &str) -> Kept {
        let mut kept = Kept::default();
        let state = RawValue::from_string("{}".to_owned()).unwrap();
        kept.source.streams.insert("a".to_owned(), state);
        kept.pipeline.places = places;
        kept.pipeline.last_run = Some(last_run.to_owned());
        kept
    }

    fn refused(kept: &Kept, found: &Places, in_the_copy: bool) -> bool {
        strangers(kept, found, in_the_copy).contains_key("a")
    }

    #[test]
    fn a_table_that_is_new_or_another_makes_its_stream_start_afresh() {
        let kept = kept(place("one", None), "r1");
        assert!(!refused(&kept, &place("one", None), true));
        assert!(refused(&kept, &place("two", None), true));
        assert!(refused(&self::kept(Places::new(), "r1"), &place("one", None), true));
        assert!(!refused(&kept, &Places::new(), true));
    }

    #[test]
    fn a_backup_that_was_brought_back_is_seen_by_its_last_run() {
        let kept = kept(place("one", Some("r2")), "r2");
        assert!(!refused(&kept, &place("one", Some("r2")), false));
        assert!(refused(&kept, &place("one", Some("r1")), false));
        assert!(refused(&kept, &place("one", None), false));
        assert!(!refused(&kept, &place("one", Some("r1")), true));
    }

    #[test]
    fn a_run_that_died_before_its_first_state_was_saved_is_known_all_the_same() {
        let kept = kept(place("one", Some("r1")), "r2");
        assert!(!refused(&kept, &place("one", Some("r2")), false));
        assert!(!refused(&kept, &place("one", Some("r1")), false));
        assert!(refused(&kept, &place("one", Some("r0")), false));
    }

    #[test]
    fn a_state_in_another_shape_is_named() {
        let mut spec = Spec::new(serde_json::json!({}));
        let kept = kept(Places::new(), "r1");
        assert!(misfits(&spec, &kept.source).is_empty());
        spec.source_state_stream =
            Some(serde_json::json!({"type": "object", "required": ["remaining"]}));
        assert_eq!(misfits(&spec, &kept.source)["a"], "`remaining` is missing");
    }
}
