//! What an earlier release left behind is read by this one: tables, state, run log. The fixtures
//! were written by its programs; see `tests/fixtures/upgrade/make`.

use std::path::Path;

use serde_json::Value;
use testkit::postgres::Cluster;
use testkit::program::{Finished, Program};
use testkit::stripe::FakeStripe;

use crate::copy::Copy;

const ACCOUNT: &str = include_str!("../fixtures/upgrade/account");
const POSTGRES: &str = include_str!("../fixtures/upgrade/postgres.sql");
const SQLITE: &str = include_str!("../fixtures/upgrade/sqlite.sql");
/// A copy whose state was kept beside it.
const SQLITE_KEPT: &str = include_str!("../fixtures/upgrade/sqlite-kept.sql");
const STATE: &str = include_str!("../fixtures/upgrade/state.json");

/// An hour after the fixtures were written.
const LATER: &str = "1795003600";

async fn stripe() -> FakeStripe {
    FakeStripe::start(ACCOUNT.split_whitespace().chain(["--clock", LATER])).await
}

fn restore(path: &Path, text: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(text).unwrap();
}

fn count(run: &Finished, name: &str) -> u64 {
    let eof = run.of_type("eof").pop().unwrap();
    let streams = eof["eof"]["request_progress"]["streams"].as_object().unwrap().clone();
    streams.values().map(|stream| stream[name].as_u64().unwrap()).sum()
}

/// The next run goes on, a refreshed one finds every row as it is, and the old run is in the log.
async fn goes_on(copy: &Copy<'_>, folder: &Path, state: &[&str]) {
    let stripe = stripe().await;
    let before = copy.rows("customers").await;
    assert_eq!(before.len(), 3);
    let sync = || -> Program {
        let program = copy.sync(&stripe, folder).args(["--streams", "customers,products"]);
        program.args(["--output", "ndjson"]).args(state)
    };
    let next = sync().run("").await.expect_code(0);
    assert!(!next.stderr.contains("afresh"), "{}", next.stderr);
    let refreshed = sync().arg("--full-refresh").run("").await.expect_code(0);
    for run in [&next, &refreshed] {
        assert_eq!(count(run, "created_count") + count(run, "updated_count"), 0, "{}", run.stderr);
    }
    assert_eq!(count(&refreshed, "unchanged_count"), 5, "{}", refreshed.stderr);
    assert_eq!(copy.rows("customers").await, before);
    copy.assert_equals(&stripe, &["customers".to_owned(), "products".to_owned()]).await;
}

#[tokio::test]
async fn a_postgres_copy_of_an_earlier_release_goes_on() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    database.execute(POSTGRES).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Postgres(&database);
    goes_on(&copy, folder.path(), &[]).await;
    let first = "SELECT record_count::text FROM stripe._sync_run ORDER BY started_at";
    let counts = database.column(first).await;
    assert_eq!((counts.len(), counts.first().map(String::as_str)), (3, Some("5")));
}

#[tokio::test]
async fn a_sqlite_copy_of_an_earlier_release_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    restore(&path, SQLITE);
    goes_on(&Copy::Sqlite(path.clone()), folder.path(), &[]).await;
    let runs = rusqlite::Connection::open(path).unwrap();
    let query = "SELECT record_count FROM _sync_run ORDER BY started_at LIMIT 1";
    assert_eq!(runs.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap(), 5);
}

#[tokio::test]
async fn a_state_file_of_an_earlier_release_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.db");
    restore(&path, SQLITE_KEPT);
    std::fs::write(folder.path().join("state.json"), STATE).unwrap();
    goes_on(&Copy::Sqlite(path), folder.path(), &["--state", "state.json"]).await;
    let kept = std::fs::read_to_string(folder.path().join("state.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["runs"].as_array().unwrap().len(), 3, "the log goes on");
}
