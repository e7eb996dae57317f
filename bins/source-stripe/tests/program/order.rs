//! What was read early and comes late never wins over what happened after it.

use serde_json::{Value, json};
use testkit::stripe::{API_KEY, FakeStripe};

use crate::run::{catalog, config, read};
use crate::table::Tables;

const STREAM: &str = "customers";

/// A local Stripe with customers and no history, and the configuration for it.
async fn account(more: &[&str]) -> (FakeStripe, Value) {
    let usual = ["--objects", "customers=30,events=0", "--newest", "1700000000"];
    let fake = FakeStripe::start(usual.iter().chain(more)).await;
    let config = config(&fake.url(), json!({"api_key": API_KEY}));
    (fake, config)
}

/// What a whole run prints.
async fn run(config: &Value, state: Option<&Value>) -> String {
    read(config, &catalog(&[STREAM]), state).run("").await.expect_code(0).stdout
}

/// The record of an object.
fn record(stdout: &str, id: &str) -> Value {
    let messages = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut of = messages.filter(|message| message["record"]["data"]["id"] == id);
    of.next().unwrap()
}

#[tokio::test]
async fn a_lagging_page_never_beats_an_event() {
    let (fake, mut config) = account(&["--clock", "1750000000", "--list-lag", "8"]).await;
    let mut tables = Tables::default();
    tables.take_in(&run(&config, None).await);
    let id = tables.alive(STREAM).into_keys().next().unwrap();
    fake.advance(100).await;
    let order = json!({"stream": STREAM, "do": "update", "id": id, "set": {"name": "one"}});
    fake.change(&[order]).await;
    tables.take_in(&run(&config, Some(&tables.state())).await);
    assert_eq!(tables.alive(STREAM)[&id]["name"], "one");

    config["poll_events"] = json!(false);
    let afresh = run(&config, None).await;
    let listed = record(&afresh, &id);
    assert_eq!(listed["_origin"], "list");
    assert_ne!(listed["record"]["data"]["name"], "one", "the list lags");
    tables.take_in(&afresh);
    assert_eq!(tables.alive(STREAM)[&id]["name"], "one");
}

#[tokio::test]
async fn a_fetch_read_before_a_delete_does_not_revive() {
    // Events in another version make objects be asked for again.
    let (fake, config) = account(&["--api-version", "2020-08-27"]).await;
    let mut states = Tables::default();
    let filled = run(&config, None).await;
    states.take_in(&filled);
    let id = states.alive(STREAM).into_keys().next().unwrap();
    let change = async |deed: &str| {
        fake.change(&[json!({"stream": STREAM, "do": deed, "id": id})]).await;
    };
    change("update").await;
    let fetched = run(&config, Some(&states.state())).await;
    states.take_in(&fetched);
    assert_eq!(record(&fetched, &id)["_origin"], "fetch");
    change("delete").await;
    let deleted = run(&config, Some(&states.state())).await;
    assert_eq!(record(&deleted, &id)["record"]["data"]["deleted"], true);

    let mut tables = Tables::default();
    for stdout in [&filled, &deleted, &fetched] {
        tables.take_in(stdout);
    }
    assert!(tables.is_deleted(STREAM, &id));
}
