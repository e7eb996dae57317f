//! SIGKILL of any of the three in the middle; the same command again ends equal to the oracle.

use serde_json::json;
use testkit::family;
use testkit::postgres::{Cluster, Database};
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
    let home = folder.path().canonicalize().unwrap();
    let there = family::running_in(&home).len();
    assert!(there >= 3, "the engine and its connectors run there, not {there} programs");
    kill(&running, victim);
    let killed = running.finish().await;
    assert_ne!(killed.code(), Some(0), "{}", killed.stderr);
    if victim != "sync-engine" {
        let eof = killed.of_type("eof").pop().expect("a run ends with eof");
        assert_eq!(eof["eof"]["has_more"], true, "{eof}");
        assert!(killed.stderr.contains(victim), "it is named: {}", killed.stderr);
    }
    // Connectors end with the engine. They are known by the folder that only they share: a child
    // whose parent is gone is handed over to another, so its parent does not tell.
    family::gone_from(&home).await;

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

/// Returns once a statement waits for a lock.
async fn until_something_waits(database: &Database<'_>) {
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while database.value(waiting).await == "0" {}
}

/// Ends those who wait for a lock, once there are any.
async fn end_who_waits(database: &Database<'_>) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while database.value(end).await == "0" {}
}

/// While somebody has the lock.
const NO_STATE_IS_SAVED: &str = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END'; \
    CREATE TRIGGER wait BEFORE INSERT ON stripe._sync_state FOR EACH ROW EXECUTE FUNCTION wait()";

/// Where changes are read from is known before there are rows: of what was deleted after the death
/// of the first call the lists say nothing any more.
#[tokio::test]
async fn what_was_deleted_after_a_first_call_that_died_at_once_is_deleted_in_the_copy() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    let copy = Copy::Postgres(&database);
    let stripe = FakeStripe::start(["--objects", "customers=90,products=1"]).await;
    let folder = tempfile::tempdir().unwrap();
    let sync = |streams: &str| {
        let hard = ["--streams", streams, "--destination.deletes", "hard"];
        copy.sync(&stripe, folder.path()).args(hard)
    };
    // Tables for states, no state, and none can be saved.
    sync("products").run("").await.expect_code(0);
    database.execute("DELETE FROM stripe._sync_state").await;
    database.execute(NO_STATE_IS_SAVED).await;
    let client = database.client().await;
    client.batch_execute("SELECT pg_advisory_lock(1)").await.unwrap();
    let running = sync("customers").start();
    until_something_waits(&database).await;
    running.signal(Signal::KILL);
    drop(running.finish().await);
    family::gone_from(&folder.path().canonicalize().unwrap()).await;
    end_who_waits(&database).await;
    client.close().await;

    let (gone, _) = stripe.oracle("customers").await.pop_first().unwrap();
    stripe.change(&[json!({"stream": "customers", "do": "delete", "id": gone})]).await;
    stripe.advance(100).await;
    sync("customers").run("").await.expect_code(0);
    copy.assert_equals(&stripe, &["customers".to_owned()]).await;
}
