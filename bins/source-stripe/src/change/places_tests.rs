use super::super::agenda::{Member, Reading};
use super::*;
use crate::random::Random;

const DAY: i64 = 86_400;

fn global(cursor: i64, lagging: &[(&str, i64)]) -> GlobalState {
    let lagging = lagging.iter().map(|(name, place)| ((*name).to_owned(), *place)).collect();
    GlobalState { events_cursor: cursor, lagging, ..GlobalState::default() }
}

#[test]
fn a_state_of_others_is_read_and_ours_is_written_as_it_was_read() {
    let theirs: GlobalState = serde_json::from_str(r#"{"events_cursor":7}"#).unwrap();
    assert_eq!(theirs, global(7, &[]));
    let text =
        r#"{"events_cursor":9,"lagging":{"a":7},"gap":{"from":1,"to":9,"streams":["a"]},"seq":3}"#;
    let ours: GlobalState = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&ours).unwrap(), text);
}

#[test]
fn a_run_with_fewer_streams_keeps_the_place_of_the_others() {
    let mut state = global(100, &[("b", 50)]);
    state.begin(["a", "b"], ["c"], 200);
    assert_eq!(state, global(100, &[("a", 100), ("b", 50)]));
    state.advance(200);
    assert_eq!((state.place("a"), state.place("b"), state.place("c")), (100, 50, 200));
}

#[test]
fn a_lagging_stream_leaves_when_it_reaches_the_cursor_and_not_before() {
    let mut state = global(100, &[("a", 50)]);
    state.catch_up("a", 80);
    assert_eq!(state, global(100, &[("a", 80)]));
    state.catch_up("a", 70);
    assert_eq!(state, global(100, &[("a", 80)]));
    state.catch_up("a", 100);
    assert_eq!(state, global(100, &[]));
    state.catch_up("b", 100);
    assert_eq!(state, global(100, &[]));
}

#[test]
fn the_cursor_never_falls() {
    let mut state = global(100, &[]);
    state.advance(90);
    assert_eq!(state.events_cursor, 100);
}

#[test]
fn a_gap_is_judged_when_the_poll_is_sent() {
    let state = global(10, &[("b", 20 * DAY)]);
    assert_eq!(state.overdue(["a", "b"], 10 + KEPT_SECONDS), Vec::<&str>::new());
    assert_eq!(state.overdue(["a", "b"], 11 + KEPT_SECONDS), ["a"]);
}

#[test]
fn a_pause_of_35_days_is_noted_until_the_lists_were_read_again() {
    let now = 35 * DAY;
    let mut state = global(100, &[("c", 50)]);
    state.open_gap(&["a", "b"], now);
    let gap = |streams: &[&str]| Gap {
        from: 100,
        to: now,
        streams: streams.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert_eq!((state.gap.clone(), state.events_cursor), (Some(gap(&["a", "b"])), now));
    assert_eq!((state.place("a"), state.place("c")), (100, 50));
    assert!(!state.close_gap());
    state.relist("a");
    assert_eq!((state.place("a"), state.place("b")), (now, 100));
    assert_eq!(state.overdue(["a", "b"], now), ["b"], "a crash here loses nothing");
    state.relist("b");
    assert!(state.close_gap());
    assert_eq!(state, global(now, &[("c", 50)]));
}

#[test]
fn one_stream_in_a_gap_leaves_the_others_where_they_are() {
    let mut state = global(40 * DAY, &[("b", 50)]);
    state.open_gap(&["b"], 41 * DAY);
    assert_eq!((state.events_cursor, state.place("b")), (40 * DAY, 50));
    state.relist("b");
    assert_eq!(state.place("b"), 40 * DAY);
}

#[test]
fn a_stream_read_for_the_first_time_is_in_no_gap_of_the_others() {
    let now = 40 * DAY;
    let mut state = global(100, &[]);
    state.begin([], ["new"], now);
    assert_eq!(state.overdue(["old", "new"], now + 5), ["old"]);
    state.settle(["old", "new"]);
    assert_eq!(state.place("new"), 100, "it waits at the cursor, and is read from there");
    let mut alone = global(100, &[]);
    alone.begin([], ["new"], now);
    alone.settle(["new"]);
    assert_eq!(alone, global(now, &[]));
}

/// Runs over two streams of one old object each, whose changes only events tell.
struct World {
    now: i64,
    versions: [u32; 2],
    events: Vec<(i64, usize, u32)>,
    copy: [Option<u32>; 2],
    filled: [Option<i64>; 2],
    global: Option<GlobalState>,
    /// Streams that take part in the run.
    active: Vec<usize>,
}

const NAMES: [&str; 2] = ["a", "b"];
const TYPES: [&[String]; 2] = [&[], &[]];

struct Run {
    pause: i64,
    changed_before: [bool; 2],
    changed_during: [bool; 2],
    selected: [bool; 2],
    skipped: [bool; 2],
    loses_global: bool,
    /// After how many slices the process dies.
    dies_after: usize,
}

impl World {
    fn new() -> Self {
        let (versions, copy, filled) = ([0; 2], [None; 2], [None; 2]);
        let (events, active) = (Vec::new(), Vec::new());
        Self { now: 0, versions, events, copy, filled, global: None, active }
    }

    fn change(&mut self, which: [bool; 2]) {
        for stream in (0..2).filter(|stream| which[*stream]) {
            self.versions[stream] += 1;
            self.events.push((self.now, stream, self.versions[stream]));
        }
    }

    fn list(&mut self, stream: usize) {
        self.copy[stream] = self.copy[stream].max(Some(self.versions[stream]));
        self.filled[stream] = Some(self.now);
    }

    fn run(&mut self, run: &Run) {
        self.now += run.pause;
        self.change(run.changed_before);
        self.now += 1000;
        if run.loses_global {
            self.global = None;
        }
        let oldest = self.filled.iter().flatten().min().copied();
        let mut global =
            self.global.clone().unwrap_or_else(|| global(oldest.unwrap_or(self.now), &[]));
        let is_in = |stream: &usize| run.selected[*stream] && !run.skipped[*stream];
        let of = |filled: bool, world: &Self| {
            let all = (0..2).filter(move |stream| run.selected[*stream] == filled);
            all.map(|stream| (stream, world.filled[stream].is_some())).collect::<Vec<_>>()
        };
        let left_out = of(false, self).into_iter().filter(|(_, is_filled)| *is_filled);
        let fresh = of(true, self).into_iter().filter(|(_, is_filled)| !is_filled);
        global.begin(
            left_out.map(|(stream, _)| NAMES[stream]).collect::<Vec<_>>(),
            fresh.map(|(stream, _)| NAMES[stream]).collect::<Vec<_>>(),
            self.now,
        );
        self.global = Some(global.clone());
        for stream in (0..2).filter(|stream| run.selected[*stream] && run.skipped[*stream]) {
            if self.filled[stream].is_some() {
                global.hold(NAMES[stream]);
            }
        }
        for stream in (0..2).filter(is_in) {
            if self.filled[stream].is_none() {
                self.list(stream);
            }
        }
        self.change(run.changed_during);
        self.now += 7200;
        let active: Vec<usize> = (0..2).filter(is_in).collect();
        self.active.clone_from(&active);
        self.poll(&mut global, &active, run.dies_after);
    }

    fn poll(&mut self, global: &mut GlobalState, active: &[usize], mut slices_left: usize) {
        let names: Vec<&str> = active.iter().map(|stream| NAMES[*stream]).collect();
        let lost = global.overdue(names.clone(), self.now);
        if !lost.is_empty() {
            global.open_gap(&lost, self.now);
            self.global = Some(global.clone());
            for name in lost {
                let stream = NAMES.iter().position(|known| *known == name).unwrap();
                self.list(stream);
                global.relist(name);
            }
            global.close_gap();
        }
        global.settle(names);
        loop {
            let member = |stream: &usize| Member { name: NAMES[*stream], types: TYPES[*stream] };
            let members: Vec<Member<'_>> = active.iter().map(member).collect();
            let mut reading = Reading::next(global, &members, 60);
            let is_whole = !active.is_empty() && self.read(global, &mut reading, &mut slices_left);
            if !is_whole || reading.is_main() {
                return;
            }
        }
    }

    /// Reads slices until the end; false if the process dies before.
    fn read(&mut self, global: &mut GlobalState, reading: &mut Reading, left: &mut usize) -> bool {
        loop {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let slice = reading.slices.next(self.now);
            let is_told = |(at, stream, _): &&(i64, usize, u32)| {
                let is_inside = *at >= slice.gte && slice.lt.is_none_or(|lt| *at < lt);
                let is_meant = self.active.contains(stream) && reading.is_for(NAMES[*stream]);
                *at >= self.now - KEPT_SECONDS && is_inside && is_meant
            };
            for (_, stream, version) in self.events.iter().filter(is_told) {
                self.copy[*stream] = self.copy[*stream].max(Some(*version));
            }
            let is_last = reading.slices.ends_with(slice);
            let cursor = reading.slices.done(slice, 0, self.now);
            for name in reading.lagging.clone() {
                global.catch_up(&name, cursor);
            }
            if reading.is_main() {
                global.advance(cursor);
            }
            self.global = Some(global.clone());
            if is_last {
                return true;
            }
        }
    }
}

#[test]
fn no_change_is_lost_whatever_streams_runs_have_and_however_long_they_pause() {
    let both = Run {
        pause: 10,
        changed_before: [false; 2],
        changed_during: [false; 2],
        selected: [true; 2],
        skipped: [false; 2],
        loses_global: false,
        dies_after: usize::MAX,
    };
    for seed in 0..20_000 {
        let random = &mut Random(seed);
        let mut world = World::new();
        for _ in 0..1 + random.below(5) {
            let run = Run {
                pause: random.pick(&[10, 1000, 30 * DAY - 3600, 31 * DAY, 16 * DAY]),
                changed_before: [random.chance(50), random.chance(50)],
                changed_during: [random.chance(50), random.chance(50)],
                selected: random.pick(&[[true, true], [true, true], [true, false], [false, true]]),
                skipped: random.pick(&[[false; 2], [false; 2], [true, false], [false, true]]),
                loses_global: random.chance(10),
                dies_after: random.pick(&[usize::MAX, usize::MAX, 0, 1, 2]),
            };
            world.run(&run);
        }
        world.run(&both);
        assert_eq!(world.copy, world.versions.map(Some), "seed {seed}");
    }
}
