//! What a seed stands for: an account, how it behaves, and what is done to the programs.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;

use crate::blow::{Blow, Cut, Moment, Part};
use crate::copy::Kind;
use crate::way::{Way, patience};

/// What may go wrong.
pub(crate) const FAULTS: [&str; 9] =
    ["change", "kill", "server", "cut", "disk", "network", "limit", "lag", "follow"];

/// Streams that are told of by events, so that their changes can be seen.
const STREAMS: [&str; 10] = [
    "customers",
    "charges",
    "invoices",
    "subscriptions",
    "products",
    "prices",
    "coupons",
    "payment_intents",
    "refunds",
    "tax_rates",
];

const DISTRIBUTIONS: [&str; 5] = ["uniform", "growth", "skewed", "bursts", "one-second"];

/// Faults of the network that pass when asked again, and cost little time.
const NETWORK: &str = "500,502,503,html,empty,cut,short,reset,409,lock-timeout,duplicate";

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    /// How the local Stripe is started.
    pub(crate) account: Vec<String>,
    pub(crate) streams: Vec<String>,
    /// What every call is told beside source and destination.
    pub(crate) flags: Vec<String>,
    /// Seconds that lists and events are behind, at most.
    pub(crate) lag: u32,
    /// Changes before the first call, and whether there are any later.
    pub(crate) changes_before: u32,
    pub(crate) changes_later: bool,
    /// What happens to each call but the last ones.
    pub(crate) blows: Vec<Blow>,
    pub(crate) way: Way,
    /// How long each of those calls goes on, if it follows and nothing ends it.
    pub(crate) patience: Vec<Duration>,
}

impl Plan {
    /// The same seed gives the same plan; when a blow at a moment of time hits differs.
    pub(crate) fn of(seed: u64, kind: Kind, faults: &BTreeSet<String>) -> Self {
        let mut random = Rng::with_seed(seed.wrapping_mul(2) + u64::from(kind == Kind::Sqlite));
        let random = &mut random;
        let has = |fault: &str| faults.contains(fault);
        let streams = streams(random);
        let lag = if has("lag") && random.bool() { random.u32(1..6) } else { 0 };
        let mut account = account(random, &streams);
        if has("network") && random.bool() {
            let share = format!("0.0{}", random.u32(1..7));
            account.extend(flags(&["--fault-rate", &share, "--fault-kinds", NETWORK]));
            account.extend(flags(&["--fault-seed", &seed.to_string()]));
        }
        if lag > 0 {
            account.extend(flags(&["--list-lag", &lag.to_string()]));
            account.extend(flags(&["--events-lag", &random.u32(0..=lag).to_string()]));
        }
        let changes_before = random.u32(0..60);
        let count = random.u32(2..6);
        let blows: Vec<Blow> = (0..count).filter_map(|_| blow(random, kind, faults)).collect();
        let (settings, changes_later) = (settings(random), has("change") && random.bool());
        let way = if has("follow") && has("change") { Way::of(random) } else { Way::Calls };
        if way.has_webhooks() {
            let late = random.u32(0..40).to_string();
            account.extend(flags(&["--webhook-late", &late, "--webhook-twice", "0.2"]));
        }
        Self {
            seed,
            kind,
            account,
            streams,
            flags: settings,
            lag,
            changes_before,
            changes_later: changes_later || way.follows(),
            patience: blows.iter().map(|_| patience(random)).collect(),
            blows: blows.into_iter().map(|blow| blow.fit_for(way)).collect(),
            way,
        }
    }
}

fn flags(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn streams(random: &mut Rng) -> Vec<String> {
    let mut all = STREAMS;
    random.shuffle(&mut all);
    flags(&all[..random.usize(2..6)])
}

fn account(random: &mut Rng, streams: &[String]) -> Vec<String> {
    let objects: Vec<String> =
        streams.iter().map(|stream| format!("{stream}={}", random.u32(1..450))).collect();
    let number = random.u32(..).to_string();
    let distribution = DISTRIBUTIONS[random.usize(..DISTRIBUTIONS.len())];
    let mut account = flags(&["--objects", &objects.join(","), "--seed", &number]);
    account.extend(flags(&["--distribution", distribution]));
    account.extend(flags(&["--span-days", &random.u32(1..900).to_string()]));
    account.extend(flags(&["--latency-ms", &random.u32(0..25).to_string()]));
    account.extend(flags(&["--mutate-seed", &number, "--mutate-streams", &streams.join(",")]));
    account
}

fn settings(random: &mut Rng) -> Vec<String> {
    let rows = random.u32(1..300).to_string();
    let in_flight = random.u32(1..9).to_string();
    let flush = random.u32(0..60).to_string();
    let mut settings = flags(&["--destination.batch_rows", &rows]);
    settings.extend(flags(&["--destination.flush_ms", &flush]));
    settings.extend(flags(&["--source.max_in_flight", &in_flight]));
    settings
}

fn moment(random: &mut Rng) -> Moment {
    match random.u32(0..3) {
        0 => Moment::Millis(random.u64(0..2_500)),
        _ => Moment::Messages(random.usize(1..40)),
    }
}

fn cut(random: &mut Rng) -> Cut {
    match random.bool() {
        true => Cut::Lines(random.u32(1..400)),
        false => Cut::Bytes(random.u32(1..400_000)),
    }
}

/// What happens to one call; nothing if nothing of the kind that comes up is asked for.
fn blow(random: &mut Rng, kind: Kind, faults: &BTreeSet<String>) -> Option<Blow> {
    let (fault, blow) = match random.u32(0..13) {
        0 | 1 => ("kill", Blow::Kill(Part::Source, moment(random))),
        2 | 3 => ("kill", Blow::Kill(Part::Destination, moment(random))),
        4 | 5 => ("kill", Blow::Kill(Part::Engine, moment(random))),
        6 => ("cut", Blow::SourceSays(cut(random))),
        7 => ("cut", Blow::DestinationHears(cut(random))),
        8 => ("cut", Blow::DestinationSays(Cut::Lines(random.u32(1..40)))),
        9 => ("limit", Blow::Stop(moment(random))),
        10 => ("limit", Blow::StateLimit(random.u32(1..12))),
        _ => match (kind, random.u32(0..3)) {
            (Kind::Sqlite, _) => ("disk", Blow::FullDisk(random.u32(1..3_000))),
            (Kind::Postgres, 0) => ("server", Blow::Backends(moment(random))),
            (Kind::Postgres, 1) => ("server", Blow::Locks(moment(random))),
            (Kind::Postgres, _) => ("server", Blow::Server(moment(random))),
        },
    };
    faults.contains(fault).then_some(blow)
}

#[test]
fn a_seed_always_means_the_same() {
    let faults: BTreeSet<String> = FAULTS.map(str::to_owned).into();
    for seed in 0..50 {
        let plan = || format!("{:?}", Plan::of(seed, Kind::Postgres, &faults));
        assert_eq!(plan(), plan());
    }
    let calm = Plan::of(3, Kind::Sqlite, &BTreeSet::new());
    assert!(calm.blows.is_empty() && calm.lag == 0 && !calm.changes_later, "{calm:?}");
    assert_eq!(calm.way, Way::Calls);
    let ways = (0..50).map(|seed| Plan::of(seed, Kind::Sqlite, &faults).way.name());
    assert_eq!(ways.collect::<BTreeSet<_>>().len(), Way::ALL.len(), "seeds choose among all");
}
