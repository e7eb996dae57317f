//! A seeded script of changes: what happens at each step is decided by the seed and by what is
//! there.

use super::apply::{Changer, Deed, Done};
use crate::mix::mix;
use crate::objects::{Stream, choose};

/// How often a step looks for an object that is there.
const TRIES: u64 = 8;

/// What happens next in an account.
#[derive(Debug)]
pub(crate) struct Script {
    seed: u64,
    /// The streams that it changes; all if there are none.
    streams: Vec<String>,
    step: u64,
}

/// What one step does to its object.
const PLANS: [&[Deed]; 13] = [
    &[Deed::Create],
    &[Deed::Create, Deed::Update],
    &[Deed::Update],
    &[Deed::Update],
    &[Deed::Update],
    &[Deed::Update, Deed::Update, Deed::Update],
    &[Deed::Toggle, Deed::Toggle],
    &[Deed::Toggle, Deed::Toggle, Deed::Toggle],
    &[Deed::Rotate],
    &[Deed::Delete],
    &[Deed::Update, Deed::Delete],
    &[Deed::Delete, Deed::Recreate],
    &[Deed::Cancel],
];

impl Script {
    pub(crate) fn new(seed: u64, streams: Vec<String>) -> Self {
        Self { seed, streams, step: 0 }
    }

    /// Takes the next step, and tells what it did: several things to one object within a second,
    /// or nothing if it found nothing to do.
    pub(crate) fn step(&mut self, changer: &Changer<'_>) -> Vec<Done> {
        self.step += 1;
        let random = mix(&[self.seed, self.step]);
        let streams: Vec<&Stream> =
            changer.world.all().filter(|stream| self.is_meant(stream)).collect();
        let Some(stream) = choose(&streams, random) else { return Vec::new() };
        let can = |plan: &&&[Deed]| plan.iter().all(|deed| Changer::can(stream, *deed));
        let plans: Vec<&[Deed]> = PLANS.iter().filter(can).copied().collect();
        let plan = choose(&plans, mix(&[random, 1]));
        plan.map_or(Vec::new(), |plan| run(changer, stream, plan, random))
    }

    fn is_meant(&self, stream: &Stream) -> bool {
        let is_populated = || stream.now().len() > 0;
        let is_named = self.streams.contains(&stream.facts.name);
        is_named || self.streams.is_empty() && is_populated() && Changer::can_anything(stream)
    }
}

fn run(changer: &Changer<'_>, stream: &Stream, plan: &[Deed], random: u64) -> Vec<Done> {
    let mut done: Vec<Done> = Vec::new();
    for (at, deed) in (2_u64..).zip(plan) {
        let random = mix(&[random, at]);
        let id = done.last().map(|done| done.id.clone());
        let outcome = match deed {
            Deed::Create => changer.create(stream, None),
            Deed::Update
            | Deed::Toggle
            | Deed::Delete
            | Deed::Recreate
            | Deed::Cancel
            | Deed::Rotate => {
                let id = id.or_else(|| existing(stream, random));
                id.and_then(|id| changer.apply(stream, &id, *deed, random))
            }
        };
        let Some(outcome) = outcome else { break };
        done.push(outcome);
    }
    done
}

/// The id of an object that is there.
fn existing(stream: &Stream, random: u64) -> Option<String> {
    let view = stream.now();
    let count = u64::try_from(view.len()).ok()?;
    let places = (0..TRIES).filter_map(|attempt| {
        let place = mix(&[random, attempt]).checked_rem(count)?;
        usize::try_from(place).ok()
    });
    let mut there = places.filter(|position| view.is_there(*position));
    there.next().map(|position| view.id(position))
}
