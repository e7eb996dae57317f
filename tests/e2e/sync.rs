//! A run brings everything, a second changes nothing, a lost copy is filled again.

use serde_json::Value;
use testkit::postgres::Cluster;
use testkit::program::Finished;
use testkit::stripe::FakeStripe;

use crate::copy::Copy;

/// Every stream of the default selection with some objects, a few of them with several pages.
pub(crate) const OBJECTS: [&str; 4] = [
    "--objects",
    "all=25,customers=1500,charges=900,invoices=700,subscriptions=450,prices=230",
    "--seed",
    "7",
];

async fn brings_everything_and_then_nothing(copy: &Copy<'_>) {
    let stripe = FakeStripe::start(OBJECTS).await;
    let folder = tempfile::tempdir().unwrap();
    let first = copy.sync(&stripe, folder.path()).args(["--output", "ndjson"]).run("").await;
    let first = first.expect_code(0);
    let streams = completed(&first);
    assert!(streams.len() >= 40, "{streams:?}");
    copy.assert_equals(&stripe, &streams).await;

    let before = fingerprints(copy, &streams).await;
    let second = copy.sync(&stripe, folder.path()).args(["--output", "ndjson"]).run("").await;
    let second = second.expect_code(0);
    assert_eq!(fingerprints(copy, &streams).await, before, "a second run rewrites no row");
    assert_eq!(sum(&second, "created_count"), 0);
    assert_eq!(sum(&second, "updated_count"), 0);
}

/// Streams that the run says are complete.
pub(crate) fn completed(run: &Finished) -> Vec<String> {
    let eof = run.of_type("eof").pop().expect("a run ends with eof");
    let streams = eof["eof"]["run_progress"]["streams"].as_object().unwrap().clone();
    let is_complete = |(_, progress): &(String, Value)| progress["status"] == "completed";
    streams.into_iter().filter(is_complete).map(|(name, _)| name).collect()
}

fn sum(run: &Finished, count: &str) -> u64 {
    let eof = run.of_type("eof").pop().unwrap();
    let streams = eof["eof"]["request_progress"]["streams"].as_object().unwrap().clone();
    streams.values().map(|progress| progress[count].as_u64().unwrap()).sum()
}

async fn fingerprints(copy: &Copy<'_>, streams: &[String]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for stream in streams {
        all.push(copy.fingerprint(stream).await);
    }
    all
}

#[tokio::test]
async fn postgres_equals_the_oracle_and_a_second_run_changes_no_row() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    brings_everything_and_then_nothing(&Copy::Postgres(&database)).await;
}

#[tokio::test]
async fn sqlite_equals_the_oracle_and_a_second_run_changes_no_row() {
    let folder = tempfile::tempdir().unwrap();
    brings_everything_and_then_nothing(&Copy::Sqlite(folder.path().join("copy.db"))).await;
}

#[tokio::test]
async fn a_dropped_schema_is_filled_again() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    let copy = Copy::Postgres(&database);
    let stripe = FakeStripe::start(["--objects", "customers=250,products=30"]).await;
    let folder = tempfile::tempdir().unwrap();
    let sync = || copy.sync(&stripe, folder.path()).args(["--streams", "customers,products"]);
    let streams = ["customers".to_owned(), "products".to_owned()];
    sync().run("").await.expect_code(0);
    copy.assert_equals(&stripe, &streams).await;
    database.execute("DROP SCHEMA stripe CASCADE").await;
    sync().run("").await.expect_code(0);
    copy.assert_equals(&stripe, &streams).await;
    // One table lost: its stream starts afresh, and says so.
    database.execute("DROP TABLE stripe.customers").await;
    let run = sync().run("").await.expect_code(0);
    assert!(run.stderr.contains("customers"), "{}", run.stderr);
    copy.assert_equals(&stripe, &streams).await;
}

#[tokio::test]
async fn a_deleted_file_is_filled_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    let copy = Copy::Sqlite(path.clone());
    let stripe = FakeStripe::start(["--objects", "customers=250"]).await;
    let sync = || copy.sync(&stripe, folder.path()).args(["--streams", "customers"]);
    let streams = ["customers".to_owned()];
    sync().run("").await.expect_code(0);
    for suffix in ["", "-wal", "-shm"] {
        let file = folder.path().join(format!("copy.db{suffix}"));
        assert!(std::fs::remove_file(file).is_ok() || !suffix.is_empty());
    }
    sync().run("").await.expect_code(0);
    copy.assert_equals(&stripe, &streams).await;
}

#[tokio::test]
async fn a_stream_that_is_not_allowed_or_not_enabled_is_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let flags = ["--objects", "all=5", "--restrict", "charges", "--not-enabled", "issuing_cards"];
    let stripe = FakeStripe::start(flags).await;
    let names = "customers,charges,issuing_cards";
    let run = copy.sync(&stripe, folder.path()).args(["--streams", names]).run("").await;
    let run = run.expect_code(0);
    assert!(
        run.stderr.contains("charges") && run.stderr.contains("issuing_cards"),
        "{}",
        run.stderr
    );
    copy.assert_equals(&stripe, &["customers".to_owned()]).await;
}

#[tokio::test]
async fn a_failing_stream_stops_no_other_and_the_next_run_completes_it() {
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let flags = ["--objects", "all=5,charges=300", "--fail", "path=/v1/charges,status=400,times=1"];
    let stripe = FakeStripe::start(flags).await;
    let sync = || copy.sync(&stripe, folder.path()).args(["--streams", "customers,charges"]);
    let run = sync().run("").await.expect_code(8);
    assert!(run.stderr.contains("charges"), "{}", run.stderr);
    copy.assert_equals(&stripe, &["customers".to_owned()]).await;
    sync().run("").await.expect_code(0);
    copy.assert_equals(&stripe, &["customers".to_owned(), "charges".to_owned()]).await;
}
