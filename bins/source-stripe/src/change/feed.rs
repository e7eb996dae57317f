//! Which stream an event belongs to, and which events are left aside. Pure.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ConfiguredCatalog, ConfiguredStream, Level, TimeRange};
use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_api::StreamFacts;

use super::collapse::{ChildLists, Key};
use super::event::Event;

/// Why events were left aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dropped {
    /// The event is none, or its object is none.
    Poison,
    /// The object has no id: it does not exist yet.
    NoId,
    /// It was created outside the time that is asked for.
    OutsideTime,
    /// The event is of another account.
    OtherAccount,
}

impl Dropped {
    /// In words that follow a number of events.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Poison => "that could not be understood",
            Self::NoId => "whose object has no id",
            Self::OutsideTime => "of objects outside the time that is asked for",
            Self::OtherAccount => "of another account",
        }
    }

    /// In one word, for the run log.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Poison => "events_not_understood",
            Self::NoId => "events_without_id",
            Self::OutsideTime => "events_outside_time",
            Self::OtherAccount => "events_of_another_account",
        }
    }

    /// How loud it is told: what nobody asked for is no loss.
    pub(crate) const fn level(self) -> Level {
        match self {
            Self::Poison => Level::Warn,
            Self::NoId | Self::OutsideTime | Self::OtherAccount => Level::Info,
        }
    }
}

/// Where an event goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goes {
    /// To an object of each of these streams of the run.
    To(Vec<Key>),
    /// Nowhere: no stream of the run holds such objects.
    Nowhere,
    /// Nowhere, and that is counted.
    Dropped(Dropped),
}

/// What the streams of a run take from events.
#[derive(Debug)]
pub(crate) struct Feeds {
    feeds: Vec<Feed>,
    by_object: BTreeMap<String, Vec<usize>>,
    lists: ChildLists,
    account_id: String,
    api_version: String,
    accept_versions: bool,
    revalidate: BTreeSet<String>,
}

/// One stream.
#[derive(Debug)]
struct Feed {
    facts: &'static StreamFacts,
    asked: TimeRange,
}

/// What a stream takes from events.
#[derive(Debug)]
pub(crate) struct Takes {
    /// Its name.
    pub(crate) name: String,
    /// What is known of its objects.
    pub(crate) facts: &'static StreamFacts,
    /// The properties that hold its children.
    pub(crate) lists: Vec<String>,
    /// Whether the time that is asked for is that of its objects, and not of their parents.
    pub(crate) is_bounded: bool,
}

/// Whose events count, and which objects are asked for again.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The account that is read.
    pub(crate) account_id: String,
    /// The version of the API that records are written in.
    pub(crate) api_version: String,
    /// Whether objects in another version are taken as they are.
    pub(crate) accept_versions: bool,
    /// Streams or objects that are always asked for again.
    pub(crate) revalidate: BTreeSet<String>,
}

impl Feeds {
    /// The feeds of the streams of a run, in its order. Several that hold the same kind of objects,
    /// under parents and without, are all told.
    pub(crate) fn new(
        streams: impl IntoIterator<Item = Takes>,
        catalog: &ConfiguredCatalog,
        rules: Rules,
    ) -> Self {
        let asked = |name: &str| {
            let configured = catalog.streams.iter().find(|stream| stream.stream.name == name);
            configured.map(ConfiguredStream::wanted_time).unwrap_or_default()
        };
        let mut by_object: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut feeds = Vec::new();
        let mut lists = ChildLists::new();
        for (index, Takes { name, facts, lists: own, is_bounded }) in
            streams.into_iter().enumerate()
        {
            by_object.entry(facts.object.clone()).or_default().push(index);
            lists.insert(index, own);
            let asked = if is_bounded { asked(&name) } else { TimeRange::default() };
            feeds.push(Feed { facts, asked });
        }
        let Rules { account_id, api_version, accept_versions, revalidate } = rules;
        Self { feeds, by_object, lists, account_id, api_version, accept_versions, revalidate }
    }

    /// The properties that hold children.
    pub(crate) const fn lists(&self) -> &ChildLists {
        &self.lists
    }

    /// Where an event goes.
    pub(crate) fn sort(&self, event: &Event) -> Goes {
        if event.account.as_ref().is_some_and(|account| *account != self.account_id) {
            return Goes::Dropped(Dropped::OtherAccount);
        }
        let Some(holders) = self.by_object.get(&event.object) else { return Goes::Nowhere };
        let Some(id) = &event.object_id else { return Goes::Dropped(Dropped::NoId) };
        let takes =
            |index: &&usize| self.feeds.get(**index).is_some_and(|feed| !feed.leaves_out(event));
        let keys: Vec<Key> =
            holders.iter().filter(takes).map(|index| (*index, id.clone())).collect();
        if keys.is_empty() { Goes::Dropped(Dropped::OutsideTime) } else { Goes::To(keys) }
    }

    /// Why the object is asked for again instead of being taken from the event, if it is.
    pub(crate) fn distrusts(&self, stream: usize, event: &Event) -> Option<Doubt> {
        let facts = self.feeds.get(stream)?.facts;
        retrieve_path(facts)?;
        let is_named = |name: &String| self.revalidate.contains(name);
        if is_named(&facts.name) || is_named(&facts.object) || is_named(&event.kind) {
            return Some(Doubt::Asked);
        }
        let is_ours = event.api_version.as_ref() == Some(&self.api_version);
        // An object that is gone is no different in another version.
        (!is_ours && !self.accept_versions && !event.is_end()).then_some(Doubt::Version)
    }

    /// Whether objects of a stream can be asked for by id.
    pub(crate) fn can_fetch(&self, stream: usize) -> bool {
        self.feeds.get(stream).is_some_and(|feed| retrieve_path(feed.facts).is_some())
    }
}

/// Why an object is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doubt {
    /// The owner asks for it.
    Asked,
    /// The event is written in another version of the API.
    Version,
    /// The event came late.
    Late,
    /// Another event of the same second has to do with it.
    Tied,
}

impl Doubt {
    /// In words that follow a number of objects that were asked for again.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Asked => "because `revalidate_objects` names them",
            Self::Version => {
                "because their events are in another API version (`event_version_mismatch: accept` \
                 takes them as they are)"
            }
            Self::Tied => "because several things happened to them in one second",
            Self::Late => "because their events came late",
        }
    }
}

impl Feed {
    fn leaves_out(&self, event: &Event) -> bool {
        let TimeRange { gte, lt } = self.asked;
        let bounded = gte.is_some() || lt.is_some();
        let facts = Some(self.facts).filter(|facts| bounded && facts.takes_time());
        let field = facts.and_then(|facts| facts.sort_field.as_ref());
        let Some(created) = field.and_then(|field| seconds(&event.text, field)) else {
            return false;
        };
        gte.is_some_and(|gte| created < gte.seconds_ceil())
            || lt.is_some_and(|lt| created >= lt.seconds_ceil())
    }
}

/// The path that answers an object by its id alone.
pub(crate) fn retrieve_path(facts: &StreamFacts) -> Option<&str> {
    let path = facts.retrieve_path.as_deref()?;
    (path.matches('{').count() == 1 && path.contains("{id}")).then_some(path)
}

fn seconds(object: &str, field: &str) -> Option<i64> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Members<'a>(#[serde(borrow)] BTreeMap<String, &'a RawValue>);
    let Members(members) = serde_json::from_str(object).ok()?;
    members.get(field)?.get().parse().ok()
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
