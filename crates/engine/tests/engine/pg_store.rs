//! State in a real PostgreSQL, through the store's own interface.

use std::path::Path;

use engine::reduce::Unsaved;
use engine::runlog::RunRecord;
use engine::store::{Holder, Pipeline, Removed, Store, StoreChoice};
use protocol::{Class, ConnectorConfig, Place, Timestamp};
use serde_json::json;
use serde_json::value::RawValue;
use testkit::postgres::{Bouncer, Cluster};

fn store(url: &str, pipeline: &str) -> Store {
    let connector: ConnectorConfig = serde_json::from_value(json!({
        "type": "postgres", "postgres": {"url": url, "schema": "we\"ird; drop"}
    }))
    .unwrap();
    Store::choose(&StoreChoice::Auto, pipeline, &connector, Path::new(".")).unwrap()
}

fn unsaved(streams: &[(&str, &str)]) -> Unsaved {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let streams = streams.iter().map(|(name, state)| ((*name).to_owned(), raw(state)));
    Unsaved { streams: streams.collect(), global: Some(raw(r#"{"cursor":1}"#)), pipeline: false }
}

#[tokio::test]
async fn what_was_saved_is_loaded_by_another_connection() {
    let database = Cluster::shared().create_database().await;
    let mut one = store(&database.url(), "one");
    assert!(one.load().await.unwrap().source.is_empty(), "nothing is there, and nothing is made");
    one.prepare().await.unwrap();
    one.prepare().await.unwrap();
    let places = [("a".to_owned(), Place { id: "x".to_owned(), run: Some("r".to_owned()) })];
    let pipeline = Pipeline {
        places: places.into(),
        last_run: Some("r".to_owned()),
        pinned: [("api_version".to_owned(), json!("v"))].into_iter().collect(),
    };
    one.save(unsaved(&[("a", "{}"), ("b", "[1]")]), Some(&pipeline)).await.unwrap();
    one.save(unsaved(&[("b", "[2]")]), None).await.unwrap();

    let kept = store(&database.url(), "one").load().await.unwrap();
    assert_eq!(kept.source.streams["b"].get(), "[2]");
    assert_eq!(kept.source.global.unwrap().get(), r#"{"cursor": 1}"#);
    assert_eq!(kept.pipeline, pipeline);
    assert!(store(&database.url(), "two").load().await.unwrap().source.is_empty());

    one.reset(Some(&["a".to_owned()])).await.unwrap();
    assert_eq!(one.load().await.unwrap().source.streams.len(), 1);
    one.reset(None).await.unwrap();
    assert!(one.load().await.unwrap().source.is_empty());
}

#[tokio::test]
async fn state_may_be_kept_in_a_database_of_its_own() {
    let database = Cluster::shared().create_database().await;
    let url = format!("{}?schema=state_only", database.url());
    let destination: ConnectorConfig = serde_json::from_value(json!({"type": "other"})).unwrap();
    let open = || {
        let choice = StoreChoice::Postgres(url.clone());
        Store::choose(&choice, "one", &destination, Path::new(".")).unwrap()
    };
    let mut one = open();
    assert!(!one.is_in_the_copy());
    one.prepare().await.unwrap();
    one.save(unsaved(&[("a", "{}")]), None).await.unwrap();
    assert_eq!(open().load().await.unwrap().source.streams.len(), 1);
    assert!(one.describe().contains("state_only"), "{}", one.describe());
}

#[tokio::test]
async fn a_lost_connection_is_made_anew() {
    let database = Cluster::shared().create_database().await;
    let mut store = store(&database.url(), "one");
    store.prepare().await.unwrap();
    database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    store.save(unsaved(&[("a", "{}")]), None).await.unwrap();
    assert_eq!(store.load().await.unwrap().source.streams.len(), 1);
}

/// What each write of a state finds, from within its transaction.
const WATCH: &str = r#"
    CREATE TABLE seen (stream text, setting text);
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.seen VALUES (NEW.stream, current_setting('synchronous_commit'));
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER watch AFTER INSERT OR UPDATE ON "we""ird; drop"._sync_state
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch();
"#;

#[tokio::test]
async fn states_alone_wait_for_no_disk_and_a_new_pipeline_does() {
    let database = Cluster::shared().create_database().await;
    let mut store = store(&database.url(), "one");
    store.prepare().await.unwrap();
    assert!(store.acquire(&Holder::of_this_process("one")).await.unwrap());
    database.execute(WATCH).await;
    store.save(unsaved(&[("a", "{}")]), Some(&Pipeline::default())).await.unwrap();
    store.save(unsaved(&[("b", "{}")]), None).await.unwrap();
    let setting = async |stream: &str| {
        database.value(&format!("SELECT setting FROM seen WHERE stream = '{stream}'")).await
    };
    assert_eq!((setting("a").await.as_str(), setting("b").await.as_str()), ("on", "off"));
    // It ends with its transaction.
    assert_eq!(store.load().await.unwrap().source.streams.len(), 2);
    store.save(unsaved(&[("c", "{}")]), Some(&Pipeline::default())).await.unwrap();
    assert_eq!(setting("c").await, "on");
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable() {
    // A port that was free a moment ago, and refuses.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut store = store(&format!("postgres://me:canary@127.0.0.1:{port}/db"), "one");
    let error = store.load().await.unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
    assert!(!error.to_string().contains("canary"), "{error}");
}

/// A pipeline's whole life but its end; others work at the same time, so that connections of the
/// server change hands in between.
async fn lives(url: String, name: String) -> Store {
    let mut store = store(&url, &name);
    store.prepare().await.unwrap();
    assert!(store.acquire(&Holder::of_this_process(&name)).await.unwrap());
    let mut run = RunRecord::new(&name, "program", Timestamp::EPOCH);
    for round in 0..20 {
        let state = format!("[{round}]");
        store.save(unsaved(&[("a", &state)]), Some(&Pipeline::default())).await.unwrap();
        store.beat().await.unwrap();
        run.record_count = round;
        store.save_run(&run).await.unwrap();
        let kept = store.load().await.unwrap();
        assert_eq!(kept.source.streams["a"].get(), state);
        assert_eq!(store.run(&name).await.unwrap().unwrap().record_count, round);
    }
    store.reset(Some(&["a".to_owned()])).await.unwrap();
    store
}

#[tokio::test]
async fn everything_works_behind_a_pool_in_transaction_mode() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    let bouncer = Bouncer::start(cluster).await;
    let url = bouncer.url(&database.url());
    let mut living = tokio::task::JoinSet::new();
    for number in 0..6 {
        living.spawn(lives(url.clone(), format!("p{number}")));
    }
    let mut stores = living.join_all().await;
    let mut last = stores.pop().unwrap();
    for mut store in stores {
        assert_eq!(store.remove().await.unwrap(), Removed::Rows);
    }
    assert_eq!(last.remove().await.unwrap(), Removed::Place);
}
