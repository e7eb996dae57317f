//! The account: every resource with its objects.

use std::collections::BTreeMap;
use std::sync::RwLock;

use stripe_api::{Catalogue, Shape, StreamFacts};

use super::children::ChildList;
use super::compose::{Root, Setting, Variant, compose};
use super::facts::Facts;
use super::ids::{IdForm, text_number};
use super::store::Store;
use super::stream::Stream;
use super::times::{Distribution, Span, creation_times};
use crate::mix::mix;

/// In how many ways the objects of a resource look.
const VARIANTS: u64 = 24;

/// What to make up.
#[derive(Debug, Clone)]
pub(crate) struct Population {
    /// What there is to make up.
    pub(crate) facts: Facts,
    /// Decides everything that is made up.
    pub(crate) seed: u64,
    /// How many objects of each stream; none of one that is not named.
    pub(crate) counts: BTreeMap<String, usize>,
    /// How their creation times spread.
    pub(crate) distribution: Distribution,
    /// The time they span.
    pub(crate) span: Span,
    /// When the account itself was created, in unix seconds.
    pub(crate) account_created: i64,
    /// Whether it is live data.
    pub(crate) livemode: bool,
    /// How many of the listed accounts are connected, with objects of their own.
    pub(crate) connected: usize,
}

impl Population {
    /// What to make up for the connected account of that number, counted from 1: as much of
    /// everything, but no accounts under it.
    pub(crate) fn connected(platform: &Self, number: u64) -> Self {
        let mut own = Self { seed: mix(&[platform.seed, number]), ..platform.clone() };
        own.connected = 0;
        own.counts.remove("accounts");
        own
    }
}

/// All objects of an account.
pub(crate) struct World {
    streams: Vec<Stream>,
    v2_streams: Vec<Stream>,
    child_lists: Vec<ChildList>,
}

impl World {
    /// Makes up the account. The same population gives the same objects, byte for byte.
    pub(crate) fn create(population: &Population) -> Self {
        let catalogue = population.facts.catalogue;
        let setting = setting(population);
        let make = |facts: &'static [StreamFacts]| -> Vec<Stream> {
            facts.iter().map(|facts| stream(facts, population, &setting)).collect()
        };
        Self {
            streams: make(&catalogue.streams),
            v2_streams: make(&catalogue.v2_streams),
            child_lists: child_lists(catalogue, &setting),
        }
    }

    /// The streams of API v1, by name.
    pub(crate) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// The streams of API v2, by name.
    pub(crate) fn v2_streams(&self) -> &[Stream] {
        &self.v2_streams
    }

    /// The lists that exist once for each object of a stream.
    pub(crate) fn child_lists(&self) -> &[ChildList] {
        &self.child_lists
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().chain(&self.v2_streams)
    }

    pub(crate) fn stream(&self, name: &str) -> Option<&Stream> {
        self.all().find(|stream| stream.facts.name == name)
    }
}

fn setting(population: &Population) -> Setting<'static> {
    let Facts { catalogue, shapes } = population.facts;
    let target = |facts: &'static StreamFacts| {
        let count = count(population, facts);
        let form = IdForm::of(&facts.object, population.seed);
        (facts.resource.as_str(), (form, u32::try_from(count).unwrap_or(u32::MAX)))
    };
    let event_types = catalogue.streams.iter().flat_map(|facts| &facts.event_types);
    Setting {
        shapes,
        targets: catalogue.streams.iter().map(target).collect(),
        event_types: event_types.map(String::as_str).collect(),
        livemode: population.livemode,
        end: population.span.end,
        seed: population.seed,
    }
}

fn count(population: &Population, facts: &StreamFacts) -> usize {
    population.counts.get(&facts.name).copied().unwrap_or(0)
}

fn stream(facts: &'static StreamFacts, population: &Population, setting: &Setting<'_>) -> Stream {
    let seed = mix(&[population.seed, text_number(&facts.name)]);
    let count = count(population, facts);
    let schema = setting.shapes.roots.get(&facts.name).unwrap_or(&facts.resource);
    let root = Root { resource: &facts.resource, path: &facts.path, schema };
    let variants: Vec<Variant> =
        (0..VARIANTS).take(count.max(1)).map(|number| compose(setting, root, number)).collect();
    let created = creation_times(count, population.distribution, population.span, seed);
    let form = IdForm::of(&facts.object, population.seed);
    let store = Store::render(form, created, &variants, seed);
    let (statuses, history) = (statuses(setting, schema), RwLock::default());
    Stream { facts, statuses, store, variants, seed, history }
}

fn statuses(setting: &Setting<'_>, schema: &str) -> Vec<String> {
    let status = setting.shapes.schemas.get(schema).and_then(|schema| schema.get("status"));
    match status.map(|property| &property.shape) {
        Some(Shape::Choice(choices)) => choices.clone(),
        _ => Vec::new(),
    }
}

fn child_lists(catalogue: &'static Catalogue, setting: &Setting<'_>) -> Vec<ChildList> {
    let lists = catalogue.parent_keyed.iter();
    lists.filter_map(|facts| ChildList::create(facts, catalogue, setting)).collect()
}
