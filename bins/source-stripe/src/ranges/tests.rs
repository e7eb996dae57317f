//! A list that lives while it is read: histories with crashes, by seed.

use std::collections::BTreeSet;

use proptest::prelude::*;
use protocol::{TimeRange, Timestamp};

use super::*;
use crate::random::Random;

/// Objects on a page.
const PAGE: usize = 3;

/// What may happen in a history beside creation and crashes.
#[derive(Debug, Clone, Copy, Default)]
struct Hazards {
    /// Objects older than the account.
    old: bool,
    /// Objects of test clocks in the future.
    future: bool,
    /// Objects, and most of all cursors, are deleted.
    deletes: bool,
    /// The engine's clock is an hour off.
    clock: bool,
    /// Objects stand in the wrong place of the list.
    disorder: bool,
}

struct Object {
    created: i64,
    /// Place in the list, the largest first.
    place: (i64, i64),
    /// When the list begins to show it.
    visible: i64,
    dead: bool,
}

#[derive(Default)]
struct Server {
    now: i64,
    objects: Vec<Object>,
    requests: usize,
}

type Reply = Option<(Vec<usize>, bool)>;

impl Server {
    fn list(&mut self, window: Window, position: &Position) -> Reply {
        self.requests += 1;
        let after = match position {
            Position::Top => None,
            Position::After(id) => {
                let object = &self.objects[id.parse::<usize>().unwrap()];
                if object.dead {
                    return None;
                }
                Some(object.place)
            }
        };
        let shown = |object: &Object| {
            !object.dead
                && object.visible <= self.now
                && window.gte.is_none_or(|gte| object.created >= gte)
                && window.lt.is_none_or(|lt| object.created < lt)
                && after.is_none_or(|after| object.place < after)
        };
        let mut ids: Vec<usize> =
            (0..self.objects.len()).filter(|id| shown(&self.objects[*id])).collect();
        ids.sort_by_key(|id| std::cmp::Reverse(self.objects[*id].place));
        let more = ids.len() > PAGE;
        ids.truncate(PAGE);
        Some((ids, more))
    }

    fn add(&mut self, random: &mut Random, created: i64, lag: i64, hazards: Hazards) {
        let shift = if hazards.disorder && random.chance(20) { random.below(9) - 4 } else { 0 };
        let number = i64::try_from(self.objects.len()).unwrap();
        let place = (created + shift, random.below(1_000_000) * 1_000 + number);
        let visible = self.now.max(created.min(self.now)) + lag;
        self.objects.push(Object { created, place, visible, dead: false });
    }

    fn live(&mut self, random: &mut Random, cursors: &[usize], hazards: Hazards) {
        self.now += random.pick(&[0, 0, 1, 3]);
        if random.chance(25) {
            let (created, lag) = (self.now, random.pick(&[0, 1, 5]));
            self.add(random, created, lag, hazards);
        } else if hazards.deletes && random.chance(30) {
            let all: Vec<usize> = (0..self.objects.len()).collect();
            let from = if random.chance(60) && !cursors.is_empty() { cursors } else { &all };
            if !from.is_empty() {
                let at = random.below(i64::try_from(from.len()).unwrap());
                self.objects[from[usize::try_from(at).unwrap()]].dead = true;
            }
        }
    }
}

/// A copy that lags: what was emitted and not yet confirmed is lost in a crash.
#[derive(Default)]
struct Copy {
    state: Option<StreamState>,
    durable: BTreeSet<usize>,
    pending: Vec<(Vec<usize>, StreamState)>,
}

impl Copy {
    fn release(&mut self, count: usize) {
        for (ids, state) in self.pending.drain(..count) {
            self.durable.extend(ids);
            self.state = Some(state);
        }
    }
}

struct Run<'a> {
    server: &'a mut Server,
    random: &'a mut Random,
    hazards: Hazards,
    set: RangeSet,
    flying: Vec<(RangeId, Window, Position, Option<Reply>)>,
    emitted: Vec<usize>,
    splits: usize,
}

impl Run<'_> {
    /// Reads until nothing is left (true) or until a crash.
    fn read(&mut self, copy: &mut Copy, crash_percent: i64, still: bool) -> bool {
        for _ in 0..3000 {
            if self.set.is_empty() {
                copy.pending.push((Vec::new(), self.set.state()));
                copy.release(copy.pending.len());
                return true;
            }
            if self.random.chance(crash_percent) {
                let count = self.random.below(i64::try_from(copy.pending.len()).unwrap() + 1);
                copy.release(usize::try_from(count).unwrap());
                copy.pending.clear();
                return false;
            }
            self.act(copy, still);
        }
        panic!("the run does not end: {:?}", self.set.state());
    }

    fn act(&mut self, copy: &mut Copy, still: bool) {
        let cursors: Vec<usize> =
            self.flying.iter().filter_map(|(_, _, position, _)| cursor(position)).collect();
        if !still {
            self.server.live(self.random, &cursors, self.hazards);
        }
        if self.random.chance(60)
            && let Some(id) = self.set.waiting()
        {
            let (window, position) = self.set.ask(id).unwrap();
            // The answer is made now or when it is emitted: a reader may be slow.
            let reply = self.random.chance(50).then(|| self.server.list(window, &position));
            self.flying.push((id, window, position, reply));
        } else if !self.flying.is_empty() {
            let at = self.random.below(i64::try_from(self.flying.len()).unwrap());
            let (id, window, position, reply) = self.flying.remove(usize::try_from(at).unwrap());
            let reply = reply.unwrap_or_else(|| self.server.list(window, &position));
            self.take_in(copy, id, reply);
        }
    }

    fn take_in(&mut self, copy: &mut Copy, id: RangeId, reply: Reply) {
        let Some((ids, has_more)) = reply else {
            assert!(self.set.cursor_gone(id), "restarts lead somewhere");
            return;
        };
        let sorts: Vec<_> = ids.iter().map(|id| Some(self.server.objects[*id].created)).collect();
        let last_id = ids.last().map(ToString::to_string);
        let seen = Seen { sorts: &sorts, last_id: last_id.as_deref(), has_more };
        let step = self.set.arrived(id, seen);
        if step.finished.is_none() && self.random.chance(40) {
            let parts = usize::try_from(2 + self.random.below(4)).unwrap();
            self.splits += self.set.split(id, parts) - 1;
        }
        self.emitted.extend(&ids);
        copy.pending.push((ids, self.set.state()));
    }
}

fn cursor(position: &Position) -> Option<usize> {
    match position {
        Position::Top => None,
        Position::After(id) => id.parse().ok(),
    }
}

const ACCOUNT: i64 = 900_000;

fn account() -> Timestamp {
    Timestamp::from_seconds(ACCOUNT)
}

const BEGINNING: i64 = 1_000_000;

fn populate(random: &mut Random, hazards: Hazards) -> Server {
    let mut server = Server { now: BEGINNING, ..Server::default() };
    for _ in 0..random.pick(&[0, 1, 3, 4, 7, 12, 20]) {
        let mut created = match random.below(4) {
            0 if hazards.old => ACCOUNT - 1 - random.below(20),
            1 => BEGINNING - random.below(4),
            _ => BEGINNING - random.pick(&[5, 50, 5000, 100_000]),
        };
        if hazards.future && random.chance(30) {
            created = BEGINNING + random.pick(&[1, 3, 50, 4000, 100_000]);
        }
        for _ in 0..random.pick(&[1, 1, 1, 2, 5]) {
            server.add(random, created, 0, hazards);
        }
    }
    server
}

fn run<'a>(
    server: &'a mut Server,
    random: &'a mut Random,
    copy: &Copy,
    ceiling: Option<i64>,
    hazards: Hazards,
) -> Run<'a> {
    let asked = TimeRange { gte: None, lt: ceiling.map(Timestamp::from_seconds) };
    let set = RangeSet::new(
        copy.state.as_ref(),
        Bounds::new(asked, Timestamp::from_seconds(server.now)),
        account(),
    );
    Run { server, random, hazards, set, flying: Vec::new(), emitted: Vec::new(), splits: 0 }
}

/// Lives through a history; gives the objects that a last, quiet run has not brought.
fn lost(seed: u64, hazards: Hazards) -> Vec<usize> {
    let mut random = Random(seed);
    let mut server = populate(&mut random, hazards);
    let mut copy = Copy::default();
    for _ in 0..=random.below(3) {
        let off = if hazards.clock { random.pick(&[0, -3600, 3600, -10]) } else { 0 };
        let ceiling = random.chance(70).then_some(server.now + off);
        for call in 0..20 {
            let crash = if call < 12 { 6 } else { 0 };
            if run(&mut server, &mut random, &copy, ceiling, hazards).read(&mut copy, crash, false)
            {
                break;
            }
            server.now += random.pick(&[0, 1, 400]);
            if random.chance(15) {
                break;
            }
        }
        server.now += random.pick(&[1, 30, 299, 2000, 90_000]);
    }
    server.now += 10;
    let due: Vec<usize> = (0..server.objects.len())
        .filter(|id| !server.objects[*id].dead && server.objects[*id].visible <= server.now)
        .collect();
    assert!(run(&mut server, &mut random, &copy, None, hazards).read(&mut copy, 0, true));
    due.into_iter().filter(|id| !copy.durable.contains(id)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn crashes_anywhere_lose_nothing(seed: u64) {
        prop_assert_eq!(lost(seed, Hazards::default()), Vec::<usize>::new());
    }

    #[test]
    fn old_and_future_objects_deleted_cursors_and_wrong_clocks_lose_nothing(seed: u64) {
        let hazards = Hazards { old: true, future: true, deletes: true, clock: true, disorder: false };
        prop_assert_eq!(lost(seed, hazards), Vec::<usize>::new());
    }

    #[test]
    fn a_list_out_of_order_loses_nothing(seed: u64) {
        let hazards = Hazards { old: true, future: true, clock: true, disorder: true, deletes: false };
        prop_assert_eq!(lost(seed, hazards), Vec::<usize>::new());
    }

    #[test]
    fn a_still_account_is_read_once_with_a_request_a_page_and_one_a_split(seed: u64) {
        let hazards = Hazards { old: true, future: true, ..Hazards::default() };
        let mut random = Random(seed);
        let mut server = populate(&mut random, hazards);
        let mut copy = Copy::default();
        let mut run = run(&mut server, &mut random, &copy, None, hazards);
        prop_assert!(run.read(&mut copy, 0, true));
        let (emitted, splits) = (run.emitted.len(), run.splits);
        let count = server.objects.len();
        prop_assert_eq!((emitted, copy.durable.len()), (count, count));
        prop_assert!(server.requests <= count.div_ceil(PAGE).max(1) + splits);
    }
}

#[test]
fn a_range_splits_in_whole_seconds_and_never_below_the_account() {
    let asked = TimeRange { gte: None, lt: None };
    let mut set = RangeSet::new(
        None,
        Bounds::new(asked, Timestamp::from_seconds(1_000_002)),
        Timestamp::from_seconds(999_000),
    );
    let (window, _) = set.ask(0).unwrap();
    assert_eq!(window, Window::default());
    assert_eq!(set.split(0, 2), 1, "never while a page is in flight");
    set.arrived(0, Seen { sorts: &[Some(999_999)], last_id: Some("a"), has_more: true });
    assert_eq!(set.split(0, 2), 2);
    let state = set.state();
    let seconds: Vec<_> = state
        .remaining
        .iter()
        .map(|r| (r.gte.seconds_floor(), r.lt.seconds_floor(), r.cursor.as_deref()))
        .collect();
    assert_eq!(seconds, [(999_500, 1_000_000, Some("a")), (0, 999_500, None)]);
    assert_eq!(set.ask(0).unwrap().0, Window { gte: Some(999_500), lt: None });
    assert_eq!(set.ask(1).unwrap().0, Window { gte: None, lt: Some(999_500) });
}

#[test]
fn a_deleted_cursor_repeats_only_its_second() {
    let mut set = RangeSet::new(
        None,
        Bounds::new(TimeRange::default(), Timestamp::from_seconds(1002)),
        Timestamp::EPOCH,
    );
    set.ask(0).unwrap();
    set.arrived(0, Seen { sorts: &[Some(990), Some(980)], last_id: Some("b"), has_more: true });
    assert_eq!(set.ask(0).unwrap(), (Window::default(), Position::After("b".to_owned())));
    assert!(set.cursor_gone(0));
    assert_eq!(set.ask(0).unwrap(), (Window { gte: None, lt: Some(981) }, Position::Top));
}

#[test]
fn a_disordered_range_keeps_its_upper_end() {
    let mut set = RangeSet::new(
        None,
        Bounds::new(TimeRange::default(), Timestamp::from_seconds(1002)),
        Timestamp::EPOCH,
    );
    set.ask(0).unwrap();
    let step = set.arrived(
        0,
        Seen { sorts: &[Some(10), Some(5), Some(8)], last_id: Some("c"), has_more: true },
    );
    assert!(step.found_disorder);
    assert_eq!(set.state().remaining[0].lt, Timestamp::from_seconds(1000));
    assert_eq!(set.split(0, 2), 1);
}

#[test]
fn a_list_that_refuses_every_cursor_is_given_up() {
    let mut set = RangeSet::new(
        None,
        Bounds::new(TimeRange::default(), Timestamp::from_seconds(1002)),
        Timestamp::EPOCH,
    );
    let mut tries = 0;
    loop {
        set.ask(0).unwrap();
        set.arrived(0, Seen { sorts: &[Some(990)], last_id: Some("b"), has_more: true });
        set.ask(0).unwrap();
        tries += 1;
        if !set.cursor_gone(0) {
            break;
        }
    }
    assert_eq!(tries, 65);
}

#[test]
fn objects_in_the_future_do_not_raise_the_upper_end() {
    let mut set = RangeSet::new(
        None,
        Bounds::new(TimeRange::default(), Timestamp::from_seconds(1002)),
        Timestamp::EPOCH,
    );
    set.ask(0).unwrap();
    set.arrived(0, Seen { sorts: &[Some(9000), Some(5000)], last_id: Some("b"), has_more: true });
    assert_eq!(set.state().remaining[0].lt, Timestamp::from_seconds(1000));
    assert!(set.cursor_gone(0));
    assert_eq!(set.ask(0).unwrap().0, Window::default(), "still to an end that nobody set");
}

#[test]
fn what_was_read_is_told_by_this_page_and_by_what_remains_of_earlier_ones() {
    let at = Timestamp::from_seconds;
    let bounds = Bounds::new(TimeRange::default(), at(1002));
    let mut set = RangeSet::new(None, bounds, at(500));
    assert_eq!(set.expected(), Span { gte: at(500), lt: at(1000) });
    assert_eq!(set.read(), []);
    set.ask(0).unwrap();
    let seen = Seen { sorts: &[Some(990), Some(980)], last_id: Some("b"), has_more: true };
    let read = Span { gte: at(981), lt: at(1000) };
    assert_eq!(set.arrived(0, seen).read, Some(read));
    assert_eq!(set.split(0, 2), 2);
    set.ask(0).unwrap();
    let last = Seen { sorts: &[Some(900)], last_id: Some("c"), has_more: false };
    assert_eq!(set.arrived(0, last).finished.unwrap().lt, at(1000));
    let none =
        RangeSet::new(Some(&StreamState { remaining: Vec::new(), ..set.state() }), bounds, at(500));
    assert_eq!(none.read(), [Span { gte: Timestamp::EPOCH, lt: at(1000) }]);
}
