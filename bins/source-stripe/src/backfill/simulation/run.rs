//! A run: the loop of the driver, with an account instead of a client and a sum instead of a clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use connector::{Input, ReadRequest};
use protocol::{ConfiguredCatalog, ConfiguredStream, SourceState, Stream, TimeRange, Timestamp};
use serde_json::json;
use serde_json::value::to_raw_value;
use stripe_api::Catalogue;

use super::account::{Account, BEGINNING, Query, SPAN};
use crate::backfill::schedule::{Schedule, Turn};
use crate::backfill::stream::{PageRequest, StreamPlan};
use crate::backfill::{Start, Wishes};
use crate::limits::{Limits, Rates};
use crate::page::Page;
use crate::ranges::StreamState;

/// What surrounds a run.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    pub(super) rates: Rates,
    pub(super) max_in_flight: usize,
    /// How long each request takes, in turn.
    pub(super) latencies: Vec<Duration>,
    /// How long the reader of a page takes.
    pub(super) reader: Duration,
    pub(super) asked: Asked,
    /// After how many pages the process dies.
    pub(super) dies_after: Option<usize>,
}

/// What the engine asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) time_range: Option<TimeRange>,
    /// Whether its end is only the run's.
    pub(super) open_end: bool,
}

/// A page as the reader got it.
pub(super) struct Emitted {
    pub(super) stream: usize,
    pub(super) ids: Vec<u64>,
    pub(super) state: StreamState,
    pub(super) complete: bool,
}

/// What a run came to.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) pages: Vec<Emitted>,
    pub(super) requests: usize,
    pub(super) records: u64,
    pub(super) took: Duration,
    pub(super) most_in_flight: usize,
    pub(super) most_ranges: usize,
    pub(super) largest_state: usize,
    /// When each request was made, and to which stream.
    pub(super) sent: Vec<(Duration, usize)>,
}

/// The answer to a request, at its time.
struct Answer {
    at: Duration,
    number: usize,
    request: PageRequest,
    page: Option<Page>,
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Answer {}

impl PartialOrd for Answer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Answer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Streams and what is kept of them from earlier runs.
pub(super) fn schedule(
    names: &[&str],
    states: &[Option<StreamState>],
    conditions: &Conditions,
    now: Duration,
) -> Schedule {
    let stream = |name: &&str| {
        let stream =
            json!({"name": name, "primary_key": [["id"]], "newer_than_field": "_updated_at"});
        let stream = serde_json::from_value::<Stream>(stream).unwrap();
        let Asked { time_range, open_end } = conditions.asked;
        ConfiguredStream { time_range, open_end, ..ConfiguredStream::new(stream) }
    };
    let kept = names.iter().zip(states).filter_map(|(name, state)| {
        Some(((*name).to_owned(), to_raw_value(state.as_ref()?).unwrap()))
    });
    let state = SourceState { streams: kept.collect(), ..SourceState::default() };
    let catalog = ConfiguredCatalog { streams: names.iter().map(stream).collect() };
    let request = ReadRequest { catalog, state, follow: false, input: Input::empty() };
    let account_created = Some(Timestamp::from_seconds(BEGINNING - SPAN - 86_400));
    let wishes = Wishes { account_created, relist_every: 0, ..Wishes::new(Catalogue::embedded()) };
    let now = BEGINNING + i64::try_from(now.as_secs()).unwrap();
    let start = Start::new(&request, &wishes, Timestamp::from_seconds(now));
    Schedule::new(start.plan, conditions.max_in_flight)
}

/// Runs until everything is read or the process dies. `keep` says whether to keep what was emitted.
pub(super) fn run(
    mut schedule: Schedule,
    accounts: &mut [&mut dyn Account],
    conditions: &Conditions,
    begun: Duration,
    keep: bool,
) -> Outcome {
    let mut limits = Limits::new(conditions.rates);
    let mut now = begun;
    let mut outcome = Outcome::default();
    // As in the driver: a stream of which nothing is asked for tells its state at once.
    for (stream, plan) in schedule.plan.streams.iter_mut().enumerate() {
        if plan.is_done() {
            plan.ended = true;
            let (ids, state, complete) = (Vec::new(), plan.state(), true);
            outcome.pages.push(Emitted { stream, ids, state, complete });
        }
    }
    let mut flying: BinaryHeap<Reverse<Answer>> = BinaryHeap::new();
    let mut latencies = conditions.latencies.iter().cycle();
    let mut arrived = 0;
    loop {
        let mut timer = None;
        loop {
            match schedule.turn(&mut limits, now) {
                Turn::Ask(request) => {
                    let number = outcome.requests;
                    outcome.requests += 1;
                    outcome.sent.push((now, request.stream));
                    let latency = *latencies.next().unwrap();
                    let query = query(&request);
                    let page = accounts[request.stream].list(&query, now + latency / 2);
                    flying.push(Reverse(Answer { at: now + latency, number, request, page }));
                }
                Turn::Wait(wait) => break timer = Some(now + wait),
                Turn::Idle | Turn::Never => break,
            }
        }
        outcome.most_in_flight = outcome.most_in_flight.max(flying.len());
        let next = flying.peek().map(|Reverse(answer)| answer.at);
        match (next, timer) {
            (None, None) => break,
            (Some(at), timer) if timer.is_none_or(|timer| at <= timer) => now = now.max(at),
            (_, Some(timer)) => {
                now = now.max(timer);
                continue;
            }
            (_, None) => {}
        }
        let Some(Reverse(answer)) = flying.pop() else { break };
        take_in(&mut schedule, &mut limits, &mut outcome, (answer, now), keep);
        now += conditions.reader;
        arrived += 1;
        if conditions.dies_after == Some(arrived) {
            break;
        }
    }
    outcome.took = now - begun;
    outcome
}

fn take_in(
    schedule: &mut Schedule,
    limits: &mut Limits,
    outcome: &mut Outcome,
    (answer, now): (Answer, Duration),
    keep: bool,
) {
    let Answer { request, page, .. } = answer;
    let room = schedule.back(&request, limits, now);
    let stream = &mut schedule.plan.streams[request.stream];
    let Some(page) = page else {
        stream.cursor_gone(&request).unwrap();
        return;
    };
    let arrival = stream.arrived(&request, &page, room).unwrap();
    outcome.records += u64::try_from(arrival.emit).unwrap();
    let ranges = schedule.plan.streams.iter().map(StreamPlan::ranges).sum();
    if ranges > outcome.most_ranges {
        outcome.most_ranges = ranges;
        let state = serde_json::to_string(&arrival.state).unwrap();
        outcome.largest_state = outcome.largest_state.max(state.len());
    }
    if keep {
        let ids = (0..arrival.emit).map(|n| number(&page.id(n).unwrap())).collect();
        let (state, complete) = (arrival.state, arrival.complete);
        outcome.pages.push(Emitted { stream: request.stream, ids, state, complete });
    }
}

/// The number in an id, `o17`.
fn number(id: &str) -> u64 {
    id.trim_start_matches('o').parse().unwrap()
}

fn query(request: &PageRequest) -> Query {
    let mut query = Query::default();
    for (name, value) in &request.query {
        match name.as_str() {
            "created[gte]" => query.gte = Some(value.parse().unwrap()),
            "created[lt]" => query.lt = Some(value.parse().unwrap()),
            "starting_after" => query.after = Some(number(value)),
            "limit" => query.limit = value.parse().unwrap(),
            _ => {}
        }
    }
    query
}

/// The most requests in any second, of one stream or of all.
pub(super) fn most_in_a_second(sent: &[(Duration, usize)], stream: Option<usize>) -> usize {
    let mut window: VecDeque<Duration> = VecDeque::new();
    let mut most = 0;
    for (at, of) in sent {
        if stream.is_none_or(|stream| stream == *of) {
            window.push_back(*at);
            while window.front().is_some_and(|first| *at - *first >= Duration::from_secs(1)) {
                window.pop_front();
            }
            most = most.max(window.len());
        }
    }
    most
}
