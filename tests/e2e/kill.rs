//! SIGKILL of any of the three in the middle; the same command again ends equal to the oracle.

use testkit::family;
use testkit::postgres::Cluster;
use testkit::program::{Running, Signal};
use testkit::stripe::FakeStripe;

use crate::copy::Copy;

/// Slow enough that there is a middle.
const OBJECTS: [&str; 6] = [
    "--objects",
    "customers=2500,charges=1500,invoices=800,products=120",
    "--seed",
    "11",
    "--latency-ms",
    "30",
];

const STREAMS: &str = "customers,charges,invoices,products";

/// Kills `victim` once `states` states were confirmed, then runs the same command to its end.
async fn survives(copy: &Copy<'_>, victim: &str, states: usize) {
    let stripe = FakeStripe::start(OBJECTS).await;
    let folder = tempfile::tempdir().unwrap();
    let sync =
        || copy.sync(&stripe, folder.path()).args(["--streams", STREAMS, "--output", "ndjson"]);
    let mut running = sync().start();
    for _ in 0..states {
        running.message(|message| message["type"] == "source_state").await;
    }
    kill(&running, victim);
    let id = running.id();
    let killed = running.finish().await;
    assert_ne!(killed.code(), Some(0), "{}", killed.stderr);
    if victim != "sync-engine" {
        let eof = killed.of_type("eof").pop().expect("a run ends with eof");
        assert_eq!(eof["eof"]["has_more"], true, "{eof}");
        assert!(killed.stderr.contains(victim), "it is named: {}", killed.stderr);
    }
    assert_no_child_of(id).await;

    sync().run("").await.expect_code(0);
    let streams: Vec<String> = STREAMS.split(',').map(str::to_owned).collect();
    copy.assert_equals(&stripe, &streams).await;
}

fn kill(running: &Running, victim: &str) {
    if victim == "sync-engine" {
        return running.signal(Signal::KILL);
    }
    let child = family::children(running.id(), victim).pop();
    assert!(family::kill(child.unwrap_or_else(|| panic!("{victim} runs"))));
}

/// Connectors end with the engine. Its children are known by the folder that only they share: none
/// keeps it as its parent, and none is handed over to another.
async fn assert_no_child_of(parent: u32) {
    let deadline = tokio::time::Instant::now() + testkit::program::DEADLINE;
    while !family::children(parent, "").is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "children of {parent} live on");
        tokio::task::yield_now().await;
    }
}

async fn postgres_survives(victim: &str, states: usize) {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    survives(&Copy::Postgres(&database), victim, states).await;
}

async fn sqlite_survives(victim: &str, states: usize) {
    let folder = tempfile::tempdir().unwrap();
    survives(&Copy::Sqlite(folder.path().join("copy.db")), victim, states).await;
}

#[tokio::test]
async fn a_killed_source_loses_nothing() {
    postgres_survives("source-stripe", 8).await;
    sqlite_survives("source-stripe", 3).await;
}

#[tokio::test]
async fn a_killed_destination_loses_nothing() {
    postgres_survives("destination-postgres", 9).await;
    sqlite_survives("destination-sqlite", 4).await;
}

#[tokio::test]
async fn a_killed_engine_loses_nothing_and_leaves_no_connector() {
    postgres_survives("sync-engine", 7).await;
    sqlite_survives("sync-engine", 5).await;
}

#[tokio::test]
async fn ctrl_c_stops_with_the_state_saved() {
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let stripe = FakeStripe::start(OBJECTS).await;
    let sync =
        || copy.sync(&stripe, folder.path()).args(["--streams", STREAMS, "--output", "ndjson"]);
    let mut running = sync().start();
    running.message(|message| message["type"] == "source_state").await;
    running.signal(Signal::INT);
    let stopped = running.finish().await.expect_code(130);
    let eof = stopped.of_type("eof").pop().unwrap();
    assert_eq!((&eof["eof"]["reason"], &eof["eof"]["has_more"]), (&"signal".into(), &true.into()));
    sync().run("").await.expect_code(0);
    let streams: Vec<String> = STREAMS.split(',').map(str::to_owned).collect();
    copy.assert_equals(&stripe, &streams).await;
}
