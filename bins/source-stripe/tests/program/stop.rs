//! Reads that end early, by signal, by a kill, by a reader that leaves.

use serde_json::{Value, json};
use testkit::program::Signal;
use testkit::wait::until;

use crate::fake::Fake;
use crate::run::{Copied, catalog, config, copied, read};

const OBJECTS: &str = "customers=900,charges=450,payment_methods=330,invoices=210";
const STREAMS: [&str; 4] = ["customers", "charges", "payment_methods", "invoices"];

fn is_state(message: &Value) -> bool {
    message["source_state"]["state_type"] == "stream"
}

#[tokio::test]
async fn killed_again_and_again_it_loses_nothing() {
    let fake = Fake::start(OBJECTS, &["--latency-ms", "10"]).await;
    let (config, catalog) = (config(&fake.url, json!({})), catalog(&STREAMS));
    let mut copy = Copied::default();
    for lines in [1, 3, 40, 107, 230, 350, 500] {
        let resume = copy.to_resume();
        let mut running = read(&config, &catalog, Some(&resume)).start();
        let mut seen = String::new();
        while seen.lines().count() < lines
            && let Some(line) = running.line().await
        {
            seen.push_str(&format!("{line}\n"));
        }
        running.signal(Signal::KILL);
        copy.take_in(&seen);
    }
    let resume = copy.to_resume();
    copy.take_in(&read(&config, &catalog, Some(&resume)).run("").await.expect_code(0).stdout);
    for stream in STREAMS {
        copy.assert_equals(stream, &fake.oracle(stream).await);
        assert!(copy.is_done(stream), "{stream}");
    }
}

#[tokio::test]
async fn told_to_stop_it_leaves_states_to_go_on_from() {
    let fake = Fake::start(OBJECTS, &["--latency-ms", "30"]).await;
    let (config, catalog) = (config(&fake.url, json!({"max_in_flight": 2})), catalog(&STREAMS));
    let mut running = read(&config, &catalog, None).start();
    running.message(is_state).await;
    running.signal(Signal::TERM);
    let finished = running.finish().await.expect_code(0);
    let mut copy = copied(&finished);
    assert!(STREAMS.iter().any(|stream| !copy.is_done(stream)));
    assert!(finished.stdout.ends_with('\n'));
    let resume = copy.to_resume();
    copy.take_in(&read(&config, &catalog, Some(&resume)).run("").await.expect_code(0).stdout);
    for stream in STREAMS {
        copy.assert_equals(stream, &fake.oracle(stream).await);
    }
}

#[tokio::test]
async fn a_wait_for_a_retry_ends_at_once() {
    let fake =
        Fake::start("customers=1", &["--fail", "path=/v1/account,status=500,times=99"]).await;
    let mut running = read(&config(&fake.url, json!({})), &catalog(&["customers"]), None).start();
    until("it asks", async || fake.requests("/v1/account").await > 0).await;
    running.signal(Signal::TERM);
    assert_eq!(running.line().await, None);
    running.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_reader_that_leaves_ends_it_quietly() {
    let fake = Fake::start("customers=900", &[]).await;
    let mut running = read(&config(&fake.url, json!({})), &catalog(&["customers"]), None).start();
    running.message(|message| message["type"] == "record").await;
    running.close_stdout();
    let finished = running.finish().await.expect_code(0);
    assert_eq!(finished.stderr, "");
}

#[tokio::test]
async fn a_list_without_a_filter_goes_on_where_it_was_and_is_not_begun_again() {
    let fake = Fake::start("payment_methods=1500,tax_codes=700", &["--latency-ms", "5"]).await;
    let streams = ["payment_methods", "tax_codes"];
    let (config, catalog) = (config(&fake.url, json!({})), catalog(&streams));
    let mut copy = Copied::default();
    for states in [3, 4, 2] {
        let resume = copy.to_resume();
        let mut running = read(&config, &catalog, Some(&resume)).start();
        let mut seen = String::new();
        let mut left = states;
        while left > 0
            && let Some(line) = running.line().await
        {
            seen.push_str(&format!("{line}\n"));
            left -= i32::from(line.contains(r#""state_type":"stream""#));
        }
        running.signal(Signal::KILL);
        copy.take_in(&seen);
        // The next run has its own moment, so that something may be new on top.
        let lt = json!("2026-02-01T00:00:00.000Z");
        for state in copy.state.values_mut() {
            state["accounted_range"]["lt"] = lt.clone();
        }
    }
    let resume = copy.to_resume();
    copy.take_in(&read(&config, &catalog, Some(&resume)).run("").await.expect_code(0).stdout);
    for stream in streams {
        copy.assert_equals(stream, &fake.oracle(stream).await);
    }
    // A page or two under way at each kill, and a look at the top at each start.
    let requests = fake.requests("/v1/payment_methods").await;
    assert!(requests <= 15 + 4 * 3, "{requests}");
    let requests = fake.requests("/v1/tax_codes").await;
    assert!(requests <= 7 + 3 * 2, "{requests}");
}
