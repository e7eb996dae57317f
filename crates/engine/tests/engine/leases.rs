//! One run at a time, and the run log, in every store alike.

use std::path::Path;

use engine::reduce::Unsaved;
use engine::runlog::RunRecord;
use engine::store::{Holder, Pipeline, Removed, Store, StoreChoice, StoreError};
use protocol::{ConnectorConfig, StreamProgress, StreamRunStatus, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use testkit::postgres::Cluster;

fn connector(value: Value) -> ConnectorConfig {
    serde_json::from_value(value).unwrap()
}

fn store(destination: &ConnectorConfig) -> Store {
    Store::choose(&StoreChoice::Auto, "p", destination, Path::new(".")).unwrap()
}

fn sqlite(folder: &Path) -> ConnectorConfig {
    connector(json!({"type": "sqlite", "sqlite": {"path": folder.join("copy.db")}}))
}

fn postgres(url: &str) -> ConnectorConfig {
    connector(json!({"type": "postgres", "postgres": {"url": url, "schema": "s"}}))
}

fn holder(token: &str, host: Option<&str>, pid: u32) -> Holder {
    let us = Holder::of_this_process(token);
    Holder { host: host.map_or(us.host, str::to_owned), pid, ..us }
}

/// No process has this id.
const NOBODY: u32 = 0x7fff_fffe;

fn unsaved() -> Unsaved {
    let state = RawValue::from_string("{}".to_owned()).unwrap();
    Unsaved { streams: [("a".to_owned(), state)].into(), ..Unsaved::default() }
}

async fn is_held_by_one(destination: &ConnectorConfig) {
    let elsewhere = holder("one", Some("elsewhere"), NOBODY);
    let (mut one, mut two) = (store(destination), store(destination));
    assert!(!one.acquire(&elsewhere).await.unwrap(), "there is nowhere to say so");
    one.prepare().await.unwrap();
    assert!(one.acquire(&elsewhere).await.unwrap());
    let us = Holder::of_this_process("two");
    let error = two.acquire(&us).await.unwrap_err();
    assert!(matches!(error, StoreError::Held { .. }), "{error}");
    assert!(error.to_string().contains("on `elsewhere` since 20"), "{error}");
    one.beat().await.unwrap();
    one.save(unsaved(), None).await.unwrap();
    one.release().await.unwrap();
}

/// A process of this machine that is gone has lost it at once, and changes nothing any more.
async fn is_taken_from_the_dead(destination: &ConnectorConfig) {
    let (mut dead, mut two) = (store(destination), store(destination));
    assert!(dead.acquire(&holder("dead", None, NOBODY)).await.unwrap());
    assert!(two.acquire(&Holder::of_this_process("two")).await.unwrap());
    for error in [dead.beat().await, dead.save(unsaved(), None).await] {
        assert!(matches!(error, Err(StoreError::TakenOver { .. })), "{error:?}");
    }
    dead.release().await.unwrap();
    two.beat().await.unwrap();
}

async fn keeps_a_log(destination: &ConnectorConfig) {
    let mut store = store(destination);
    assert!(store.runs(9).await.unwrap().is_empty());
    store.prepare().await.unwrap();
    let mut first = RunRecord::new("r1", "program", Timestamp::from_seconds(100));
    let stream = StreamProgress {
        status: StreamRunStatus::Completed,
        record_count: 7,
        created_count: 7,
        ..StreamProgress::default()
    };
    first.progress.streams.insert("it's".to_owned(), stream);
    first.begin_call();
    store.save_run(&first).await.unwrap();
    first.ended_at = Some(Timestamp::from_seconds(200));
    first.exit_status = Some(0);
    store.save_run(&first).await.unwrap();
    let second = RunRecord::new("r2", "terminal", Timestamp::from_seconds(300));
    store.save_run(&second).await.unwrap();
    let runs = self::store(destination).runs(9).await.unwrap();
    assert_eq!(runs, [second, first.clone()], "the newest first");
    assert_eq!(store.runs(1).await.unwrap().len(), 1);
    assert_eq!(store.run("r1").await.unwrap(), Some(first));
    assert_eq!(store.run("r9").await.unwrap(), None);
}

#[tokio::test]
async fn sqlite_is_held_by_one_and_keeps_a_log() {
    let folder = tempfile::tempdir().unwrap();
    is_held_by_one(&sqlite(folder.path())).await;
    is_taken_from_the_dead(&sqlite(folder.path())).await;
    let folder = tempfile::tempdir().unwrap();
    keeps_a_log(&sqlite(folder.path())).await;
    let copy = rusqlite::Connection::open(folder.path().join("copy.db")).unwrap();
    let fresh: (String, String) = copy
        .query_row("SELECT stream, up_to FROM _sync_freshness", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(fresh, ("it's".to_owned(), "1970-01-01T00:01:40.000Z".to_owned()));
    let silent = "UPDATE _sync_lease SET heartbeat_at = unixepoch('now') - 21";
    expires(&sqlite(folder.path()), || async { copy.execute_batch(silent).unwrap() }).await;
}

#[tokio::test]
async fn postgres_is_held_by_one_and_keeps_a_log() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    is_held_by_one(&postgres(&database.url())).await;
    is_taken_from_the_dead(&postgres(&database.url())).await;
    let database = cluster.create_database().await;
    keeps_a_log(&postgres(&database.url())).await;
    let told = "SELECT stream || ' ' || record_count || ' ' || status FROM s._sync_run_stream";
    assert_eq!(database.column(told).await, ["it's 7 completed"]);
    assert_eq!(database.value("SELECT count(*)::text FROM s._sync_freshness").await, "1");
    let silent = "UPDATE s._sync_lease SET heartbeat_at = now() - interval '21 seconds'";
    expires(&postgres(&database.url()), || database.execute(silent)).await;
}

/// A holder elsewhere that is silent for more than twenty seconds has lost it.
async fn expires<F: Future<Output = ()>>(destination: &ConnectorConfig, wait: impl FnOnce() -> F) {
    let mut one = store(destination);
    assert!(one.acquire(&holder("one", Some("elsewhere"), 1)).await.unwrap());
    wait().await;
    assert!(store(destination).acquire(&Holder::of_this_process("two")).await.unwrap());
    assert!(matches!(one.beat().await, Err(StoreError::TakenOver { .. })));
}

#[tokio::test]
async fn a_file_is_held_as_long_as_its_process_has_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let destination = connector(json!({"type": "other", "other": {}}));
    let store = || Store::choose(&StoreChoice::Auto, "p", &destination, folder.path()).unwrap();
    let mut one = store();
    assert!(one.acquire(&Holder::of_this_process("one")).await.unwrap());
    let error = store().acquire(&Holder::of_this_process("two")).await.unwrap_err();
    assert!(error.to_string().contains("is being run by process"), "{error}");
    drop(one);
    let mut two = store();
    assert!(two.acquire(&Holder::of_this_process("two")).await.unwrap());
    let run = RunRecord::new("r", "program", Timestamp::EPOCH);
    two.save_run(&run).await.unwrap();
    assert_eq!(store().run("r").await.unwrap(), Some(run));
}

fn named(destination: &ConnectorConfig, name: &str) -> Store {
    Store::choose(&StoreChoice::Auto, name, destination, Path::new(".")).unwrap()
}

async fn has_run(mut store: Store) {
    store.prepare().await.unwrap();
    store.acquire(&Holder::of_this_process("us")).await.unwrap();
    store.save(unsaved(), Some(&Pipeline::default())).await.unwrap();
    let mut run = RunRecord::new("r", "program", Timestamp::EPOCH);
    let done = StreamProgress { status: StreamRunStatus::Completed, ..StreamProgress::default() };
    run.progress.streams.insert("a".to_owned(), done);
    store.save_run(&run).await.unwrap();
    store.release().await.unwrap();
}

/// The last pipeline takes the place with it, and what it forgot can be begun anew.
async fn the_last_one_takes_the_place_away(destination: &ConnectorConfig) {
    has_run(named(destination, "p")).await;
    has_run(named(destination, "other")).await;
    let us = Holder::of_this_process("us");
    for (name, removed) in [("p", Removed::Rows), ("other", Removed::Place)] {
        let mut store = named(destination, name);
        assert!(store.acquire(&us).await.unwrap());
        assert_eq!(store.remove().await.unwrap(), removed);
        assert!(!store.is_held() && store.load().await.unwrap().source.is_empty());
        assert!(store.runs(9).await.unwrap().is_empty());
    }
    let nowhere = named(destination, "p").acquire(&us).await.unwrap();
    assert!(!nowhere, "there is nowhere to say so");
}

#[tokio::test]
async fn sqlite_keeps_nothing_of_the_last_pipeline_that_went() {
    let folder = tempfile::tempdir().unwrap();
    the_last_one_takes_the_place_away(&sqlite(folder.path())).await;
    let copy = rusqlite::Connection::open(folder.path().join("copy.db")).unwrap();
    let asked = "SELECT count(*) FROM sqlite_schema";
    assert_eq!(copy.query_row(asked, [], |row| row.get::<_, u32>(0)).unwrap(), 0);
}

#[tokio::test]
async fn postgres_keeps_nothing_of_the_last_pipeline_that_went() {
    let database = Cluster::shared().create_database().await;
    the_last_one_takes_the_place_away(&postgres(&database.url())).await;
    let left = "SELECT count(*)::text FROM pg_class WHERE relnamespace = 's'::regnamespace";
    assert_eq!(database.value(left).await, "0", "the schema is not ours to drop");
}

#[tokio::test]
async fn a_run_that_was_overtaken_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = Cluster::shared().create_database().await;
    for destination in [sqlite(folder.path()), postgres(&database.url())] {
        let (mut dead, mut two) = (store(&destination), store(&destination));
        dead.prepare().await.unwrap();
        assert!(dead.acquire(&holder("dead", None, NOBODY)).await.unwrap());
        assert!(two.acquire(&Holder::of_this_process("two")).await.unwrap());
        let error = dead.remove().await;
        assert!(matches!(error, Err(StoreError::TakenOver { .. })), "{error:?}");
        two.beat().await.unwrap();
    }
}

#[tokio::test]
async fn tables_of_an_earlier_version_get_what_they_lack() {
    let folder = tempfile::tempdir().unwrap();
    let destination = sqlite(folder.path());
    let mut first = store(&destination);
    first.prepare().await.unwrap();
    drop(first);
    let copy = rusqlite::Connection::open(folder.path().join("copy.db")).unwrap();
    for (table, column) in [("_sync_run", "request_count"), ("_sync_freshness", "changed_at")] {
        copy.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).unwrap();
    }
    let mut second = store(&destination);
    second.prepare().await.unwrap();
    second.prepare().await.unwrap();
    second.save_run(&RunRecord::new("r", "program", Timestamp::EPOCH)).await.unwrap();
    assert_eq!(second.runs(9).await.unwrap().len(), 1);
}

/// A run that follows is written again and again; how fresh a stream is moves on.
async fn is_kept_fresh(destination: &ConnectorConfig) {
    let mut store = store(destination);
    store.prepare().await.unwrap();
    let mut run = RunRecord::new("r", "program", Timestamp::from_seconds(100)).following();
    let mut stream =
        StreamProgress { status: StreamRunStatus::Completed, ..StreamProgress::default() };
    for moment in [None, Some(Timestamp::from_seconds(200)), Some(Timestamp::from_seconds(300))] {
        (stream.up_to, stream.changed_at) = (moment, moment);
        run.progress.streams.insert("a".to_owned(), stream.clone());
        run.tally.requests.insert("/v1/a".to_owned(), 5);
        store.save_run(&run).await.unwrap();
    }
}

#[tokio::test]
async fn freshness_moves_on_while_a_run_follows() {
    let folder = tempfile::tempdir().unwrap();
    is_kept_fresh(&sqlite(folder.path())).await;
    let copy = rusqlite::Connection::open(folder.path().join("copy.db")).unwrap();
    let asked = "SELECT up_to || ' ' || changed_at || ' ' || request_count \
                 FROM _sync_freshness JOIN _sync_run USING (run_id)";
    let told: String = copy.query_row(asked, [], |row| row.get(0)).unwrap();
    assert_eq!(told, "1970-01-01T00:05:00.000Z 1970-01-01T00:05:00.000Z 5");
    let database = Cluster::shared().create_database().await;
    is_kept_fresh(&postgres(&database.url())).await;
    let asked = "SELECT extract(epoch FROM up_to)::int || ' ' || \
                 extract(epoch FROM changed_at)::int || ' ' || request_count \
                 FROM s._sync_freshness JOIN s._sync_run USING (run_id)";
    assert_eq!(database.value(asked).await, "300 300 5");
}

/// A thousand more runs like the first one, each a second later.
fn many(schema: &str, plus: &str, numbers: &str) -> [String; 2] {
    let columns = "trigger, calls, status, has_more, record_count, record";
    let counts = "status, record_count, created_count, updated_count, deleted_count, \
                  unchanged_count, stale_count, superseded_count, refused_count";
    let (runs, streams) = (format!("{schema}_sync_run"), format!("{schema}_sync_run_stream"));
    [
        format!(
            "INSERT INTO {runs} (sync_id, run_id, started_at, {columns}) \
             SELECT sync_id, 'r' || n, {plus}, {columns} FROM {runs}, {numbers}"
        ),
        format!(
            "INSERT INTO {streams} (sync_id, run_id, stream, {counts}) \
             SELECT sync_id, 'r' || n, stream, {counts} FROM {streams}, {numbers}"
        ),
    ]
}

async fn has_first_run(destination: &ConnectorConfig) -> (Store, RunRecord) {
    let mut store = store(destination);
    store.prepare().await.unwrap();
    let mut run = RunRecord::new("first", "program", Timestamp::from_seconds(100));
    run.progress.streams.insert("a".to_owned(), StreamProgress::default());
    store.save_run(&run).await.unwrap();
    run.run_id = "last".to_owned();
    run.started_at = Some(Timestamp::from_seconds(9000));
    (store, run)
}

const LEFT: [&str; 2] = [
    "SELECT count(*) || ' ' || min(run_id) || ' ' || max(run_id) FROM _sync_run",
    "SELECT count(*) || ' ' || min(run_id) || ' ' || max(run_id) FROM _sync_run_stream",
];

#[tokio::test]
async fn sqlite_keeps_a_thousand_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, last) = has_first_run(&sqlite(folder.path())).await;
    let copy = rusqlite::Connection::open(folder.path().join("copy.db")).unwrap();
    let numbers = "(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1000) \
                   SELECT n FROM r)";
    let plus = "strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '+' || n || ' seconds')";
    copy.execute_batch(&many("", plus, numbers).join(";")).unwrap();
    store.begin_run(&last).await.unwrap();
    for asked in LEFT {
        let left: String = copy.query_row(asked, [], |row| row.get(0)).unwrap();
        assert_eq!(left, "1000 last r999");
    }
}

#[tokio::test]
async fn postgres_keeps_a_thousand_runs() {
    let database = Cluster::shared().create_database().await;
    let (mut store, last) = has_first_run(&postgres(&database.url())).await;
    let plus = "started_at + n * interval '1 second'";
    for statement in many("s.", plus, "generate_series(1, 1000) AS n") {
        database.execute(&statement).await;
    }
    store.begin_run(&last).await.unwrap();
    for asked in LEFT {
        let left = database.value(&asked.replace("FROM ", "FROM s.")).await;
        assert_eq!(left, "1000 last r999");
    }
}
