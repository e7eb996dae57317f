//! Shell pipes as a person would type them.
#![cfg(test)]

use std::path::Path;

use testkit::postgres::Cluster;
use testkit::program::{Finished, Program};
use testkit::programs;
use testkit::stripe::{API_KEY, FakeStripe};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pipe");

/// Runs a line in a shell whose PATH begins with our programs, in a folder of its own.
async fn shell(folder: &Path, line: &str) -> Finished {
    let bins = programs::path("sync-engine");
    let bins = bins.parent().unwrap().display().to_string();
    Program::at("/bin/bash")
        .args(["-o", "pipefail", "-c", line])
        .folder(folder)
        .env("PATH", format!("{bins}:/usr/local/bin:/usr/bin:/bin"))
        .env("FIXTURES", FIXTURES)
        .env("STRIPE_API_KEY", API_KEY)
        .run("")
        .await
}

fn rows(path: &Path, query: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_fixture_piped_into_sqlite_is_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let run = shell(
        folder.path(),
        r#"destination-sqlite setup --config '{"path":"copy.db"}' --catalog $FIXTURES/catalog.json &&
           cat $FIXTURES/customers.ndjson | destination-sqlite write --config '{"path":"copy.db"}' --catalog $FIXTURES/catalog.json"#,
    )
    .await
    .expect_code(0);
    let states = run.of_type("source_state");
    assert_eq!(states.len(), 2);
    assert_eq!(states[1]["source_state"]["data"]["remaining"], serde_json::json!([]));
    let last = run.of_type("stream_status").pop().unwrap();
    assert_eq!(last["stream_status"]["status"], "complete");
    let found = rows(
        &folder.path().join("copy.db"),
        "SELECT id || ' ' || balance || ' ' || ifnull(email, '-') || ' ' || ifnull(deleted, 0) FROM customers ORDER BY id",
    );
    // The stub that said deleted keeps the last document.
    assert_eq!(found, ["cus_1 -250 ada@example.com 0", "cus_2 9007199254740993 - 1"]);
}

#[tokio::test]
async fn a_fixture_piped_into_postgres_is_a_table() {
    let database = Cluster::shared().create_database().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pg.json"), format!(r#"{{"url":"{}"}}"#, database.url()))
        .unwrap();
    shell(
        folder.path(),
        "destination-postgres setup --config pg.json --catalog $FIXTURES/catalog.json &&
         cat $FIXTURES/customers.ndjson | destination-postgres write --config pg.json --catalog $FIXTURES/catalog.json",
    )
    .await
    .expect_code(0);
    let found = database
        .column("SELECT id || ' ' || balance || ' ' || coalesce(email, '-') || ' ' || coalesce(deleted, false)::text FROM stripe.customers ORDER BY id")
        .await;
    assert_eq!(found, ["cus_1 -250 ada@example.com false", "cus_2 9007199254740993 - true"]);
}

#[tokio::test]
async fn the_source_piped_into_postgres_is_a_copy() {
    let stripe = FakeStripe::start(["--objects", "customers=320,products=40"]).await;
    let database = Cluster::shared().create_database().await;
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), &stripe, &database.url()).await;
    let run = shell(
        folder.path(),
        "destination-postgres setup --config pg.json --catalog catalog.json &&
         source-stripe read --config stripe.json --catalog catalog.json | destination-postgres write --config pg.json --catalog catalog.json",
    )
    .await
    .expect_code(0);
    let complete = run.stdout.matches(r#""status":"complete""#).count();
    assert_eq!(complete, 2, "{}", run.stdout);
    assert_eq!(database.value("SELECT count(*)::text FROM stripe.customers").await, "320");
    assert_eq!(database.value("SELECT count(*)::text FROM stripe.products").await, "40");
}

#[tokio::test]
async fn what_the_source_prints_can_be_filtered_with_common_tools() {
    let stripe = FakeStripe::start(["--objects", "customers=320,products=40"]).await;
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), &stripe, "postgres://unused").await;
    let read = "source-stripe read --config stripe.json --catalog catalog.json";
    let states =
        shell(folder.path(), &format!("{read} | grep '^{{\"type\":\"source_state\"'")).await;
    let states = states.expect_code(0).of_type("source_state");
    assert!(states.len() >= 5, "{states:?}");
    let head = shell(folder.path(), &format!("set +o pipefail; {read} | head -n 3")).await;
    assert_eq!(head.expect_code(0).messages().len(), 3, "a reader that has enough is no fault");
}

/// Writes `stripe.json`, `pg.json` and the configured catalog of two streams.
async fn configure(folder: &Path, stripe: &FakeStripe, postgres: &str) {
    let config = format!(r#"{{"base_url":"{}","api_version":"2026-01-28.clover"}}"#, stripe.url());
    std::fs::write(folder.join("stripe.json"), config).unwrap();
    std::fs::write(folder.join("pg.json"), format!(r#"{{"url":"{postgres}"}}"#)).unwrap();
    let discover =
        shell(folder, "source-stripe discover --config stripe.json").await.expect_code(0);
    let catalog = discover.of_type("catalog").pop().unwrap();
    let streams: Vec<_> = catalog["catalog"]["streams"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|stream| ["customers", "products"].contains(&stream["name"].as_str().unwrap()))
        .cloned()
        .collect();
    let configured = testkit::lines::catalog(&streams);
    std::fs::write(folder.join("catalog.json"), configured.to_string()).unwrap();
}
