//! The account: every resource with its objects.

use std::collections::BTreeMap;

use stripe_api::{Catalogue, Shapes, StreamFacts};

use super::compose::{Root, Setting, Variant, compose};
use super::ids::{IdForm, text_number};
use super::store::Store;
use super::times::{Distribution, Span, creation_times};
use crate::mix::mix;

/// In how many ways the objects of a resource look.
const VARIANTS: u64 = 24;

/// Statuses that a list leaves out unless it is asked for them.
const HIDDEN: [(&str, &str); 2] = [("subscriptions", "canceled"), ("tax_registrations", "expired")];

/// What to make up.
#[derive(Debug, Clone)]
pub(crate) struct Population {
    /// Decides everything that is made up.
    pub(crate) seed: u64,
    /// How many objects of each stream; none of one that is not named.
    pub(crate) counts: BTreeMap<String, usize>,
    /// How their creation times spread.
    pub(crate) distribution: Distribution,
    /// The time they span.
    pub(crate) span: Span,
    /// Whether it is live data.
    pub(crate) livemode: bool,
}

/// All objects of an account.
pub(crate) struct World {
    streams: Vec<Stream>,
}

/// One resource: its facts and its objects.
pub(crate) struct Stream {
    pub(crate) facts: &'static StreamFacts,
    pub(crate) store: Store,
    /// The status of each variant.
    statuses: Vec<Option<String>>,
}

impl World {
    /// Makes up the account. The same population gives the same objects, byte for byte.
    pub(crate) fn create(population: &Population) -> Self {
        let catalogue = Catalogue::embedded();
        let setting = setting(population, catalogue);
        let stream = |facts| stream(facts, population, &setting);
        Self { streams: catalogue.streams.iter().map(stream).collect() }
    }

    /// The streams, by name.
    pub(crate) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    pub(crate) fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.facts.name == name)
    }
}

impl Stream {
    /// The status of the object at a position.
    pub(crate) fn status(&self, position: usize) -> Option<&str> {
        let variant = self.store.number(position).checked_rem(self.statuses.len())?;
        self.statuses.get(variant)?.as_deref()
    }

    /// Whether a list that is asked for no status shows the object at a position.
    pub(crate) fn is_shown_by_default(&self, position: usize) -> bool {
        let hidden = HIDDEN.iter().find(|(stream, _)| *stream == self.facts.name);
        hidden.is_none_or(|(_, status)| self.status(position) != Some(*status))
    }

    /// Whether some objects have that status.
    pub(crate) fn has_status(&self, status: &str) -> bool {
        self.statuses.iter().flatten().any(|known| known == status)
    }
}

fn setting<'a>(population: &Population, catalogue: &'a Catalogue) -> Setting<'a> {
    let target = |facts: &'a StreamFacts| {
        let count = count(population, facts);
        let form = IdForm::of(&facts.object, population.seed);
        (facts.resource.as_str(), (form, u32::try_from(count).unwrap_or(u32::MAX)))
    };
    let event_types = catalogue.streams.iter().flat_map(|facts| &facts.event_types);
    Setting {
        shapes: Shapes::embedded(),
        targets: catalogue.streams.iter().map(target).collect(),
        event_types: event_types.map(String::as_str).collect(),
        livemode: population.livemode,
        seed: population.seed,
    }
}

fn count(population: &Population, facts: &StreamFacts) -> usize {
    population.counts.get(&facts.name).copied().unwrap_or(0)
}

fn stream(facts: &'static StreamFacts, population: &Population, setting: &Setting<'_>) -> Stream {
    let seed = mix(&[population.seed, text_number(&facts.name)]);
    let count = count(population, facts);
    let variants = variants(facts, setting, count);
    let created = creation_times(count, population.distribution, population.span, seed);
    let form = IdForm::of(&facts.object, population.seed);
    let store = Store::render(form, created, &variants, seed);
    Stream { facts, store, statuses: variants.into_iter().map(|variant| variant.status).collect() }
}

fn variants(facts: &StreamFacts, setting: &Setting<'_>, count: usize) -> Vec<Variant> {
    let schema = setting.shapes.roots.get(&facts.name).map_or("", String::as_str);
    let root = Root { resource: &facts.resource, path: &facts.path, schema };
    let numbers = (0..VARIANTS).take(count);
    numbers.map(|number| compose(setting, root, number)).collect()
}
