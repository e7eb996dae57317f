//! Requests are what there is too little of: they are counted.

use std::time::Duration;

use serde_json::json;
use testkit::program::Signal;
use testkit::sheets::{Fault, Kind};
use testkit::wait::until;

use crate::copy::{Copy, counts, page, stream};

#[tokio::test]
async fn ten_thousand_rows_into_an_empty_tab_take_fifteen_requests_at_most() {
    let mut copy = Copy::of(&[stream("customers")]).await;
    copy.more = json!({"flush_ms": 1000});
    copy.sheets.forget_requests();
    let input: String =
        (0..100).map(|n| page("customers", (n * 100, n * 100 + 100), ("a", 7))).collect();
    let run = copy.write(&[stream("customers")], &input).await.expect_code(0);
    assert_eq!(counts(&run, "customers")["created"], 10_000);
    assert_eq!(copy.rows("customers").len(), 10_000);
    let requests = copy.sheets.requests();
    assert!(requests.len() <= 15, "{}: {requests:#?}", requests.len());
    assert!(requests.iter().all(|one| one.bytes <= 2_000_000));
}

#[tokio::test]
async fn a_thousand_changed_rows_of_ten_thousand_take_ten_requests_at_most() {
    let mut copy = Copy::of(&[stream("customers")]).await;
    copy.more = json!({"flush_ms": 1000});
    let all = page("customers", (0, 10_000), ("a", 7));
    copy.write(&[stream("customers")], &all).await.expect_code(0);
    copy.sheets.forget_requests();
    let changed: String =
        (0..1000).map(|n| page("customers", (n * 10, n * 10 + 1), ("b", 9))).collect();
    let run = copy.write(&[stream("customers")], &changed).await.expect_code(0);
    assert_eq!(counts(&run, "customers")["updated"], 1000);
    let requests = copy.sheets.request_count();
    assert!(requests <= 10, "{requests}: {:#?}", copy.sheets.requests());
    let names = copy.column("customers", "name");
    assert_eq!(names.values().filter(|name| **name == json!("b")).count(), 1000);
}

#[tokio::test]
async fn a_run_against_quotas_finishes_and_loses_nothing() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.sheets.limit(3, Duration::from_millis(900), true);
    let mut running = copy.program("write", &[stream("customers")]).start();
    for n in 0..4 {
        running.send(&page("customers", (n * 10, n * 10 + 10), ("a", 7))).await;
        running.message(|message| message["type"] == "source_state").await;
    }
    running.finish().await.expect_code(0);
    assert_eq!(copy.rows("customers").len(), 40);
    assert!(copy.sheets.requests().iter().any(|one| one.status == 429), "the quota was felt");
}

#[tokio::test]
async fn its_own_bucket_keeps_it_within_the_quota() {
    let mut copy = Copy::of(&[stream("customers")]).await;
    // A burst of ten, then one in 1.2 s.
    copy.more = json!({"requests_per_minute": 60});
    copy.sheets.forget_requests();
    let mut running = copy.program("write", &[stream("customers")]).start();
    for n in 0..9 {
        running.send(&page("customers", (n * 10, n * 10 + 10), ("a", 7))).await;
        running.message(|message| message["type"] == "source_state").await;
    }
    running.finish().await.expect_code(0);
    let requests = copy.sheets.requests();
    let reads = requests.iter().filter(|one| one.kind == Kind::Read);
    let reads: Vec<Duration> = reads.map(|one| one.at).collect();
    assert!(reads.len() > 11, "{reads:?}");
    let twelfth = reads[11].saturating_sub(reads[0]);
    assert!(twelfth >= Duration::from_secs(2), "the twelfth came {twelfth:?} after the first");
}

#[tokio::test]
async fn bursts_of_failures_are_waited_out() {
    let copy = Copy::of(&[stream("customers")]).await;
    for (line, status) in [("GET", 503), ("values:batchUpdate", 500), ("batchGet", 429)] {
        copy.sheets.fail(Fault { times: 2, ..Fault::once(line, status) });
    }
    let input = page("customers", (0, 20), ("a", 7));
    let run = copy.write(&[stream("customers")], &input).await.expect_code(0);
    assert_eq!(counts(&run, "customers")["created"], 20);
    assert_eq!(copy.rows("customers").len(), 20);
}

#[tokio::test]
async fn a_run_says_what_it_will_take_and_how_far_it_is() {
    let copy = Copy::of(&[stream("customers")]).await;
    let input = page("customers", (0, 20), ("a", 7));
    let run = copy.write(&[stream("customers")], &input).await.expect_code(0);
    assert!(run.stdout.contains("100,000 rows take about"), "{}", run.stdout);
    assert!(run.stderr.contains("20 records are written, with"), "{}", run.stderr);
}

fn is_waiting(message: &serde_json::Value) -> bool {
    message["log"]["message"].as_str().is_some_and(|text| text.starts_with("waiting "))
}

#[tokio::test]
async fn a_stop_ends_a_long_wait_at_once_and_what_is_durable_stays_confirmed() {
    let copy = Copy::of(&[stream("customers")]).await;
    let mut running = copy.program("write", &[stream("customers")]).start();
    running.send(&page("customers", (0, 10), ("a", 7))).await;
    running.message(|message| message["type"] == "source_state").await;
    copy.sheets.fail(Fault { times: 1000, retry_after: None, ..Fault::once("", 429) });
    running.send(&page("customers", (10, 20), ("a", 7))).await;
    running.message(is_waiting).await;
    running.signal(Signal::TERM);
    let run = running.finish().await.expect_code(0);
    assert_eq!(run.of_type("source_state").len(), 1);
    assert_eq!(counts(&run, "customers")["created"], 10);
    assert_eq!(copy.rows("customers").len(), 10);
}

#[tokio::test]
async fn a_stop_ends_a_wait_for_its_own_bucket_before_anything_was_read() {
    let mut copy = Copy::of(&[stream("customers")]).await;
    copy.more = json!({"requests_per_minute": 1});
    let mut running = copy.program("write", &[stream("customers")]).start();
    let said = running.message(is_waiting).await["log"]["message"].clone();
    assert!(said.as_str().unwrap().ends_with("Google allows 1 reads a minute"), "{said}");
    running.signal(Signal::TERM);
    running.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_setup_that_waits_for_its_bucket_ends_at_the_first_signal() {
    let mut copy = Copy::new().await;
    copy.more = json!({"requests_per_minute": 1});
    // It has to ask a second time, and for that its bucket has nothing left for a minute.
    copy.sheets.fail(Fault::once("", 503));
    let running = copy.program("setup", &[stream("customers")]).start();
    until("it asks", async || copy.sheets.request_count() > 0).await;
    running.signal(Signal::TERM);
    running.finish().await.expect_code(143);
}
