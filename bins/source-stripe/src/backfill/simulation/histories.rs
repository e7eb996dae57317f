//! Histories by seed: an account that lives while it is read by runs that die, and whether a last,
//! quiet run has brought everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use protocol::{TimeRange, Timestamp};

use super::account::{Account, BEGINNING, Computed, Query, SPAN, Spread};
use super::run::{Asked, Conditions, Emitted, Outcome, run, schedule};
use crate::limits::Rates;
use crate::page::Page;
use crate::random::Random;
use crate::ranges::StreamState;

/// What may happen beside creation and death.
#[derive(Debug, Clone, Copy, Default)]
struct Hazards {
    /// Objects older than the account, and of test clocks in the future.
    out_of_span: bool,
    /// Objects are made while it is read, and lists show them late.
    life: bool,
    /// The object that a page is to follow is deleted.
    deletes: bool,
    /// The engine's clock is up to ten minutes off.
    clock: bool,
    /// Objects stand in the wrong place of the list.
    disorder: bool,
}

struct Object {
    number: u64,
    created: i64,
    visible: i64,
    dead: bool,
}

/// A list in its order, newest first.
struct Living {
    objects: Vec<Object>,
    random: Random,
    deletes: bool,
    /// Whether the list takes a filter by time.
    filters: bool,
}

impl Living {
    fn create(random: &mut Random, hazards: Hazards, filters: bool) -> Self {
        let objects = u64::try_from(random.pick(&[0, 1, 2, 99, 100, 101, 350, 900, 1700])).unwrap();
        let spreads =
            [Spread::Uniform, Spread::Growth, Spread::Skewed, Spread::Bursts, Spread::OneSecond];
        let spread = spreads[random.index(spreads.len())];
        let computed = Computed { objects, spread };
        let mut created: Vec<(i64, i64)> =
            (0..objects).map(|place| computed.created(place)).map(|at| (at, at)).collect();
        if hazards.out_of_span {
            for _ in 0..random.below(150) {
                let old = BEGINNING - SPAN - 100_000 - random.below(5_000);
                let future = BEGINNING + 100_000_000 + random.below(5_000);
                created.extend(random.chance(50).then_some((old, old)));
                // A test clock's object is there at once.
                created.extend(random.chance(50).then_some((future, BEGINNING)));
            }
        }
        if hazards.life {
            let new = (0..random.below(120)).map(|_| BEGINNING + random.below(9_000));
            let new: Vec<i64> = new.collect();
            created.extend(new.into_iter().map(|at| (at, at + random.pick(&[0, 0, 1, 5]))));
        }
        let mut placed: Vec<(i64, i64, i64)> = created
            .into_iter()
            .map(|(at, visible)| {
                let shifted = hazards.disorder && random.chance(10);
                (at + if shifted { random.below(9) - 4 } else { 0 }, at, visible)
            })
            .collect();
        placed.sort_by_key(|(place, ..)| -place);
        let numbered = (0..).zip(placed);
        let objects = numbered
            .map(|(number, (_, created, visible))| Object { number, created, visible, dead: false })
            .collect();
        Self { objects, random: Random(random.next()), deletes: hazards.deletes, filters }
    }
}

impl Account for Living {
    fn list(&mut self, query: &Query, moment: Duration) -> Option<Page> {
        let now = BEGINNING + i64::try_from(moment.as_secs()).unwrap();
        let mut from = 0;
        if let Some(after) = query.after {
            let at = self.objects.iter().position(|object| object.number == after).unwrap();
            let object = &mut self.objects[at];
            object.dead |= self.deletes && self.random.chance(4);
            if object.dead {
                return None;
            }
            from = at + 1;
        }
        assert!(self.filters || (query.gte.is_none() && query.lt.is_none()), "{query:?}");
        let shown = |object: &&Object| {
            !object.dead
                && object.visible <= now
                && query.gte.is_none_or(|gte| object.created >= gte)
                && query.lt.is_none_or(|lt| object.created < lt)
        };
        let mut page: Vec<(u64, i64)> = self.objects[from..]
            .iter()
            .filter(shown)
            .take(query.limit + 1)
            .map(|object| (object.number, object.created))
            .collect();
        let has_more = page.len() > query.limit;
        page.truncate(query.limit);
        Some(Page::of(&page, has_more))
    }
}

const NAMES: [&str; 2] = ["customers", "payment_methods"];

/// A destination that confirms late: what it had not confirmed is lost when it dies.
#[derive(Default)]
struct Copy {
    states: [Option<StreamState>; 2],
    durable: [BTreeMap<u64, usize>; 2],
}

impl Copy {
    fn keep(&mut self, pages: Vec<Emitted>) {
        for page in pages {
            for id in page.ids {
                *self.durable[page.stream].entry(id).or_default() += 1;
            }
            self.states[page.stream] = Some(page.state);
        }
    }
}

struct History {
    random: Random,
    lists: [Living; 2],
    copy: Copy,
    now: Duration,
    /// Whether the ends of its runs are told to be that, and no owner's.
    open_end: bool,
}

impl History {
    fn new(seed: u64, hazards: Hazards) -> Self {
        let mut random = Random(seed);
        let lists = [true, false].map(|filters| Living::create(&mut random, hazards, filters));
        let (copy, now) = (Copy::default(), Duration::from_secs(5));
        Self { random, lists, copy, now, open_end: seed.is_multiple_of(2) }
    }

    fn conditions(&mut self, asked: Asked) -> Conditions {
        let random = &mut self.random;
        let rate = random.pick(&[2.0, 10.0, 50.0, 1_000.0]);
        let latencies = (0..7).map(|_| Duration::from_millis(random.pick(&[1, 20, 100, 100, 900])));
        let latencies = latencies.collect();
        Conditions {
            rates: Rates { account: rate, endpoint: rate * 0.7, calls: None },
            max_in_flight: 1 + random.index(40),
            latencies,
            reader: Duration::from_millis(random.pick(&[0, 0, 15, 400])),
            asked,
            dies_after: None,
        }
    }

    /// One run from what was kept.
    fn run(&mut self, conditions: &Conditions) -> Outcome {
        let schedule = schedule(&NAMES, &self.copy.states, conditions, self.now);
        let [first, second] = &mut self.lists;
        let mut lists: [&mut dyn Account; 2] = [first, second];
        let outcome = run(schedule, &mut lists, conditions, self.now, true);
        self.now += outcome.took;
        assert!(outcome.most_in_flight <= conditions.max_in_flight);
        outcome
    }

    /// A run that dies somewhere, with some of what it emitted confirmed.
    fn die(&mut self, asked: Asked) {
        let mut conditions = self.conditions(asked);
        conditions.dies_after = Some(1 + self.random.index(25));
        let mut outcome = self.run(&conditions);
        let confirmed = self.random.index(outcome.pages.len() + 1);
        outcome.pages.truncate(confirmed);
        self.copy.keep(outcome.pages);
    }

    /// A run that ends by itself, and what it has read twice.
    fn finish(&mut self, asked: Asked) -> Outcome {
        let conditions = self.conditions(asked);
        let mut outcome = self.run(&conditions);
        let pages = std::mem::take(&mut outcome.pages);
        for stream in 0..NAMES.len() {
            let ends = pages.iter().filter(|page| page.stream == stream && page.complete).count();
            assert!(ends <= 1, "a stream ends once");
        }
        self.copy.keep(pages);
        assert!(self.copy.states.iter().flatten().all(|state| state.remaining.is_empty()));
        outcome
    }

    /// The end of a run that begins now.
    fn end_of_run(&mut self, hazards: Hazards) -> Asked {
        let off = if hazards.clock { self.random.pick(&[-600, -7, 0, 600]) } else { 0 };
        let lt = Some(Timestamp::from_seconds(self.unix() + off));
        Asked { time_range: Some(TimeRange { gte: None, lt }), open_end: true }
    }

    /// That, or the same as if the owner had set it, or no end.
    fn asked(&mut self, hazards: Hazards) -> Asked {
        let asked = Asked { open_end: self.open_end, ..self.end_of_run(hazards) };
        if self.random.chance(60) { asked } else { Asked::default() }
    }

    fn unix(&self) -> i64 {
        BEGINNING + i64::try_from(self.now.as_secs()).unwrap()
    }

    /// Objects that a list holds and showed at a time, and that are not in the copy.
    fn missing(&self, shown: i64) -> Vec<u64> {
        let lists = self.lists.iter().zip(&self.copy.durable);
        let missing = lists.flat_map(|(list, durable)| {
            let there =
                list.objects.iter().filter(|object| !object.dead && object.visible <= shown);
            there.map(|object| object.number).filter(|number| !durable.contains_key(number))
        });
        missing.collect()
    }

    fn wait(&mut self, seconds: &[i64]) {
        self.now += Duration::from_secs(u64::try_from(self.random.pick(seconds)).unwrap());
    }
}

/// Lives through a history; gives the objects that a last, quiet run has not brought.
fn lost(seed: u64, hazards: Hazards) -> Vec<u64> {
    let mut history = History::new(seed, hazards);
    for _ in 0..history.random.below(3) {
        let asked = history.asked(hazards);
        for _ in 0..history.random.below(5) {
            history.die(asked);
            history.wait(&[0, 1, 400]);
        }
        if history.random.chance(70) {
            history.finish(asked);
        }
        history.wait(&[1, 30, 299, 2_000]);
    }
    history.now += Duration::from_secs(20_000);
    for list in &mut history.lists {
        list.deletes = false;
    }
    history.finish(Asked::default());
    history.missing(i64::MAX)
}

/// Makes whole runs, each of which has a clock of its own; gives the objects that were there when
/// one began and that it has not brought.
fn left_to_later_runs(seed: u64) -> Vec<u64> {
    let hazards = Hazards { out_of_span: true, life: true, clock: true, ..Hazards::default() };
    let mut history = History::new(seed, hazards);
    for _ in 0..3 {
        history.wait(&[0, 30, 299, 2_000]);
        let (began, asked) = (history.unix(), history.end_of_run(hazards));
        history.finish(asked);
        let missing = history.missing(began);
        if !missing.is_empty() {
            return missing;
        }
    }
    Vec::new()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn deaths_readers_and_answers_of_any_kind_lose_nothing(seed: u64) {
        let hazards = Hazards { out_of_span: true, life: true, clock: true, ..Hazards::default() };
        prop_assert_eq!(lost(seed, hazards), Vec::<u64>::new());
    }

    #[test]
    fn deleted_cursors_lose_nothing(seed: u64) {
        let hazards = Hazards { out_of_span: true, life: true, clock: true, deletes: true, disorder: false };
        prop_assert_eq!(lost(seed, hazards), Vec::<u64>::new());
    }

    #[test]
    fn lists_out_of_order_lose_nothing(seed: u64) {
        let hazards = Hazards { out_of_span: true, life: true, clock: true, deletes: false, disorder: true };
        prop_assert_eq!(lost(seed, hazards), Vec::<u64>::new());
    }

    #[test]
    fn a_run_brings_what_was_there_when_it_began_whatever_its_clock(seed: u64) {
        prop_assert_eq!(left_to_later_runs(seed), Vec::<u64>::new());
    }

    #[test]
    fn what_was_confirmed_is_never_read_again_under_the_same_end(
        seed: u64,
        open_end: bool,
    ) {
        let mut history = History::new(seed, Hazards { out_of_span: true, ..Hazards::default() });
        let lt = Some(Timestamp::from_seconds(BEGINNING + 1));
        let asked = Asked { time_range: Some(TimeRange { gte: None, lt }), open_end };
        for _ in 0..history.random.below(6) {
            history.die(asked);
        }
        history.finish(asked);
        let twice: BTreeSet<u64> = history.copy.durable.iter()
            .flat_map(|durable| durable.iter().filter(|(_, times)| **times > 1).map(|(id, _)| *id))
            .collect();
        prop_assert_eq!(twice, BTreeSet::new());
    }
}

#[test]
fn an_end_before_everything_that_is_left_leaves_nothing() {
    let hazards =
        Hazards { out_of_span: true, life: true, clock: true, deletes: false, disorder: true };
    assert_eq!(lost(4_078_820_419_730_621_587, hazards), Vec::<u64>::new());
}
