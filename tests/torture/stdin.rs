//! Events that somebody has kept and passes on, in any order and twice, through a shell pipe whose
//! programs die. Once all were passed on, the copy equals the account.

use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use testkit::family;
use testkit::program::{Finished, Program};
use testkit::programs;
use testkit::stripe::{API_KEY, FakeStripe};

use crate::copy::Copy;
use crate::oracle::{ACCOUNT, API_VERSION, Oracle, Streams};
use crate::tally::Tally;

const STREAMS: [&str; 5] = ["customers", "products", "prices", "coupons", "subscriptions"];
const OBJECTS: &str = "customers=90,products=40,prices=30,coupons=30,subscriptions=40,events=0";

/// How often a part of the events goes into a pipe that is struck.
const STRUCK: usize = 3;

/// What is in the folder of a run: configurations, the catalog, the events of one pipe.
const FILES: [&str; 4] = ["lists.json", "stdin.json", "catalog.json", "destination.json"];

/// Reads an account into a file, and then what has happened by its events alone.
pub(crate) async fn run(seed: u64) -> Tally {
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let random = &mut Rng::with_seed(seed);
    let stripe = start(seed, random).await;
    prepare(&stripe, folder.path()).await;
    pipe(folder.path(), "lists.json", "/dev/null").run("").await.expect_code(0);

    let mut tally = Tally { runs: 1, ways: [("by events on stdin", 1)].into(), ..Tally::default() };
    for _ in 0..4 {
        let done = stripe.mutate(random.u32(10..40)).await;
        tally.changes += done["changes"].as_array().unwrap().len() as u64;
        // Nothing lags any more when it is passed on; some of it has become old.
        stripe.advance(random.u32(7..90)).await;
    }
    let events = events(&stripe).await;
    for _ in 0..STRUCK {
        let mut some = events.clone();
        random.shuffle(&mut some);
        some.truncate(random.usize(1..=events.len()));
        pass_on(folder.path(), &some);
        tally.calls += 1;
        if strike(folder.path(), random).await {
            *tally.blows.entry("killed while events were passed on".to_owned()).or_default() += 1;
        }
    }
    let mut all: Vec<Value> = events.iter().chain(&events).cloned().collect();
    random.shuffle(&mut all);
    pass_on(folder.path(), &all);
    let finished = pipe(folder.path(), "stdin.json", "events").run("").await.expect_code(0);

    let oracle = Oracle { stripe: &stripe, streams: Streams::discovered().await };
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let difference = oracle.difference(&copy, &STREAMS.map(str::to_owned)).await;
    assert!(difference.is_none(), "{difference:?}\n{}", finished.stderr);
    tally.longest = (begun.elapsed(), seed);
    tally
}

async fn start(seed: u64, random: &mut Rng) -> FakeStripe {
    let seed = seed.to_string();
    let lag = random.u32(0..6).to_string();
    let changed = STREAMS.join(",");
    let account = ["--objects", OBJECTS, "--seed", &seed, "--mutate-seed", &seed];
    let manner = ["--mutate-streams", &changed, "--list-lag", &lag, "--events-lag", &lag];
    FakeStripe::start(account.into_iter().chain(manner)).await
}

async fn prepare(stripe: &FakeStripe, folder: &Path) {
    let streams = Streams::discovered().await;
    let configured = STREAMS.map(|name| json!({"stream": streams.named(name)}));
    let source = |input: &Value| {
        let mut config = json!({"api_key": API_KEY, "api_version": API_VERSION,
            "base_url": stripe.url(), "account_id": ACCOUNT, "poll_events": false,
            "rate_limit": 10_000, "endpoint_rate_limit": 10_000});
        if input.is_string() {
            config["input"] = input.clone();
        }
        config
    };
    let destination = json!({"path": folder.join("copy.db")});
    let contents = [
        source(&Value::Null),
        source(&json!("stdin")),
        json!({"streams": configured}),
        destination,
    ];
    for (name, content) in FILES.iter().zip(contents) {
        std::fs::write(folder.join(name), content.to_string()).unwrap();
    }
    let setup = ["setup", "--config", "destination.json", "--catalog", "catalog.json"];
    let setup = Program::named("destination-sqlite").folder(folder).args(setup);
    setup.run("").await.expect_code(0);
}

/// The source reads a file into the destination, as a person types it.
fn pipe(folder: &Path, config: &str, events: &str) -> Program {
    let (source, destination) =
        (programs::path("source-stripe"), programs::path("destination-sqlite"));
    let typed = format!(
        "'{}' read --config {config} --catalog catalog.json <{events} | \
         '{}' write --config destination.json --catalog catalog.json",
        source.display(),
        destination.display(),
    );
    Program::at("/bin/sh").folder(folder).args(["-c", &typed])
}

fn pass_on(folder: &Path, events: &[Value]) {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(folder.join("events"), lines).unwrap();
}

/// Kills one of both; whether it was still there.
async fn strike(folder: &Path, random: &mut Rng) -> bool {
    let running = pipe(folder, "stdin.json", "events").start();
    let shell = running.id();
    let victim = if random.bool() { "source-" } else { "destination-" };
    let moment = Duration::from_millis(random.u64(0..400));
    let struck = async {
        // The moment is the point: nothing is waited for.
        tokio::time::sleep(moment).await;
        family::children(shell, victim).into_iter().any(family::kill)
    };
    let (_, hit): (Finished, bool) = tokio::join!(running.finish(), struck);
    hit
}

/// Every event, as a list of them shows it, newest first.
async fn events(stripe: &FakeStripe) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let after = events.last().and_then(|event| event["id"].as_str());
        let after = after.map(|id| format!("&starting_after={id}")).unwrap_or_default();
        let text = stripe.get(&format!("/v1/events?limit=100{after}")).await;
        let page: Value = serde_json::from_str(&text).unwrap();
        events.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] != true {
            return events;
        }
    }
}
