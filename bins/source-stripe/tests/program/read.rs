//! Whole reads, second reads, limits of records.

use serde_json::{Value, json};
use testkit::program::Program;

use crate::fake::Fake;
use crate::run::{catalog, config, copied, read, texts};

#[tokio::test]
async fn a_whole_read_equals_what_stripe_has() {
    let fake = Fake::start("all=25,customers=1300,charges=450,payment_methods=230", &[]).await;
    let discover = Program::named("source-stripe").args([
        "discover",
        "--config",
        &config(&fake.url, json!({})).to_string(),
    ]);
    let found = discover.run("").await.expect_code(0).of_type("catalog").remove(0);
    let names: Vec<String> = found["catalog"]["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stream| stream["name"].as_str().unwrap().to_owned())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(names.len() > 60, "{}", names.len());
    let finished = read(&config(&fake.url, json!({})), &catalog(&names), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    for name in names {
        copied.assert_equals(name, &fake.oracle(name).await);
        assert!(copied.ended(name, "complete") && copied.is_done(name), "{name}");
    }
}

#[tokio::test]
async fn bunched_and_uneven_histories_are_read_whole() {
    for distribution in ["one-second", "bursts", "skewed"] {
        let fake =
            Fake::start("charges=730", &["--distribution", distribution, "--latency-ms", "5"])
                .await;
        let finished =
            read(&config(&fake.url, json!({})), &catalog(&["charges"]), None).run("").await;
        copied(&finished.expect_code(0)).assert_equals("charges", &fake.oracle("charges").await);
        let requests = fake.requests("/v1/charges").await;
        assert!((8..=24).contains(&requests), "{distribution}: {requests} requests for 8 pages");
    }
}

#[tokio::test]
async fn messages_come_in_their_order() {
    let fake = Fake::start("customers=150", &[]).await;
    let finished =
        read(&config(&fake.url, json!({})), &catalog(&["customers"]), None).run("").await;
    let messages = finished.expect_code(0).messages();
    let kind = |message: &Value| {
        let status = message["stream_status"]["status"].as_str();
        let state = message["source_state"]["state_type"].as_str();
        status.or(state).unwrap_or(message["type"].as_str().unwrap()).to_owned()
    };
    let mut kinds: Vec<String> = messages.iter().map(kind).collect();
    kinds.dedup();
    assert_eq!(&kinds[..3], ["global", "start", "record"]);
    kinds.retain(|kind| kind != "log");
    assert_eq!(&kinds[kinds.len() - 4..], ["range_complete", "stream", "global", "complete"]);
    assert!(messages[0]["source_state"]["data"]["events_cursor"].as_i64().unwrap() > 1_700_000_000);
    let emitted: u64 = messages.iter().filter_map(|message| message["_emitted"].as_u64()).sum();
    assert_eq!(emitted, 150);
}

#[tokio::test]
async fn a_second_run_asks_once_for_what_is_new() {
    let fake = Fake::start("customers=250", &[]).await;
    let (config, catalog) = (config(&fake.url, json!({})), catalog(&["customers"]));
    let first = copied(&read(&config, &catalog, None).run("").await.expect_code(0));
    let before = fake.requests("/v1/customers").await;
    let mut state = first.to_resume();
    state["streams"]["customers"]["accounted_range"]["lt"] = json!("2026-02-01T00:00:00.000Z");
    let finished = read(&config, &catalog, Some(&state)).run("").await.expect_code(0);
    let second = copied(&finished);
    assert_eq!(fake.requests("/v1/customers").await - before, 1);
    assert!(second.records.is_empty() && second.ended("customers", "complete"));
    let place =
        |copied: &crate::run::Copied| copied.global.as_ref().unwrap()["events_cursor"].as_i64();
    assert!(place(&second) >= place(&first), "the place of the changes never falls");
}

#[tokio::test]
async fn a_limit_of_records_is_kept_and_the_rest_comes_later() {
    let fake = Fake::start("customers=250", &[]).await;
    let catalog = catalog(&["customers"]);
    let limited = config(&fake.url, json!({"backfill_limit": 120}));
    let mut copy = copied(&read(&limited, &catalog, None).run("").await.expect_code(0));
    assert_eq!(copy.records["customers"].len(), 120);
    let statuses = copy.statuses.iter().map(|(_, status)| status.as_str());
    let ends: Vec<&str> = statuses.filter(|status| *status != "range_complete").collect();
    assert_eq!(ends, ["start"], "cut off by a limit is no end");
    assert!(!copy.is_done("customers"));
    let rest = read(&config(&fake.url, json!({})), &catalog, Some(&copy.to_resume()));
    copy.take_in(&rest.run("").await.expect_code(0).stdout);
    copy.assert_equals("customers", &fake.oracle("customers").await);
}

#[tokio::test]
async fn a_limit_of_calls_ends_the_run_and_the_next_goes_on() {
    let fake = Fake::start("customers=450,charges=250", &[]).await;
    let catalog = catalog(&["customers", "charges"]);
    let limited = config(&fake.url, json!({"max_api_calls": 4}));
    let finished = read(&limited, &catalog, None).run("").await.expect_code(0);
    let logs = texts(&finished, "log", "message");
    assert!(logs.iter().any(|log| log.starts_with("stopped: `max_api_calls`")), "{logs:?}");
    let mut copy = copied(&finished);
    let rest = read(&config(&fake.url, json!({})), &catalog, Some(&copy.to_resume()));
    copy.take_in(&rest.run("").await.expect_code(0).stdout);
    for stream in ["customers", "charges"] {
        copy.assert_equals(stream, &fake.oracle(stream).await);
    }
}

#[tokio::test]
async fn a_span_of_time_is_all_that_is_read() {
    let fake = Fake::start("charges=300", &["--span-days", "100"]).await;
    let mut catalog = catalog(&["charges"]);
    let span = json!({"gte": "2025-11-01T00:00:00Z", "lt": "2025-12-01T00:00:00Z"});
    catalog["streams"][0]["time_range"] = span;
    let finished = read(&config(&fake.url, json!({})), &catalog, None).run("").await.expect_code(0);
    let (from, to) = (1_761_955_200, 1_764_547_200);
    let mut oracle = fake.oracle("charges").await;
    oracle.retain(|_, object| {
        let object: Value = serde_json::from_str(object).unwrap();
        (from..to).contains(&object["created"].as_i64().unwrap())
    });
    assert!(!oracle.is_empty() && oracle.len() < 300);
    copied(&finished).assert_equals("charges", &oracle);
}

#[tokio::test]
async fn an_unknown_stream_fails_alone() {
    let fake = Fake::start("customers=5", &[]).await;
    let catalog = catalog(&["custmers", "customers"]);
    let finished = read(&config(&fake.url, json!({})), &catalog, None).run("").await.expect_code(0);
    let copied = copied(&finished);
    assert!(copied.ended("custmers", "error") && copied.ended("customers", "complete"));
    assert!(finished.stdout.contains("reading `custmers`: there is no such stream"));
}

#[tokio::test]
async fn a_state_of_another_shape_is_told_and_read_afresh() {
    let fake = Fake::start("customers=5", &[]).await;
    let state = json!({"customers": {"eventId": "evt_1"}});
    let read = read(&config(&fake.url, json!({})), &catalog(&["customers"]), Some(&state));
    let finished = read.run("").await.expect_code(0);
    assert!(texts(&finished, "log", "message")[0].starts_with("`customers` starts afresh"));
    copied(&finished).assert_equals("customers", &fake.oracle("customers").await);
}

#[tokio::test]
async fn a_state_that_is_cut_is_a_usage_error() {
    let read = Program::named("source-stripe")
        .args(["read", "--config", &config("http://127.0.0.1:9", json!({})).to_string()])
        .args(["--catalog", &catalog(&["customers"]).to_string()])
        .args(["--state", r#"{"streams":{"customers":{"rem"#]);
    let finished = read.run("").await.expect_code(2);
    assert!(finished.stderr.contains("reading --state"), "{}", finished.stderr);
}
