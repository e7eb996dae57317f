//! Reads that end early, by signal, by a kill, by a reader that leaves.

use serde_json::{Value, json};
use testkit::program::Signal;

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
    while fake.requests("/v1/account").await == 0 {
        tokio::task::yield_now().await;
    }
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
