//! Every fault that `fake-stripe` can play, and a mix of them: each object is delivered, or its
//! stream is told.

use serde_json::json;
use testkit::program::Signal;

use crate::fake::Fake;
use crate::run::{Copied, catalog, config, copied, read};

const STREAMS: [&str; 5] = ["charges", "customers", "invoices", "line_items", "payment_methods"];
const OBJECTS: &str = "charges=450,customers=330,invoices=150,payment_methods=230";

#[tokio::test]
async fn faults_that_pass_lose_nothing() {
    let kinds = [
        "429",
        "endpoint-429",
        "lock-timeout",
        "409",
        "500",
        "502",
        "503",
        "html",
        "empty",
        "cut",
        "short",
        "reset",
        "slow",
        "duplicate",
    ];
    let rules: Vec<String> = (1_u32..)
        .zip(kinds)
        .flat_map(|(nth, kind)| {
            let path = if nth % 2 == 0 { "/v1/charges" } else { "/v1/payment_methods" };
            [
                "--fault".to_owned(),
                format!("path={path},nth={},kind={kind},seconds=1", nth.div_ceil(2)),
            ]
        })
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let fake = Fake::start(OBJECTS, &rules).await;
    let finished = read(&config(&fake.url, json!({})), &catalog(&STREAMS), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    for stream in STREAMS {
        copied.assert_equals(stream, &fake.oracle(stream).await);
        assert!(copied.ended(stream, "complete"), "{stream}");
    }
}

#[tokio::test]
async fn faults_that_stay_are_told_and_spare_the_others() {
    for (kind, status) in [("403", "skip"), ("not-enabled", "skip")] {
        let rule = format!("path=/v1/charges,nth=2,kind={kind},times=9");
        let fake = Fake::start(OBJECTS, &["--fault", &rule]).await;
        let finished = read(&config(&fake.url, json!({})), &catalog(&STREAMS), None).run("").await;
        let copied = copied(&finished.expect_code(0));
        assert!(copied.ended("charges", status), "{kind}");
        copied.assert_equals("customers", &fake.oracle("customers").await);
    }
    let fake = Fake::start(OBJECTS, &["--fault", "path=/v1/charges,nth=2,kind=401"]).await;
    let finished = read(&config(&fake.url, json!({})), &catalog(&STREAMS), None).run("").await;
    let failed = finished.expect_code(1).of_type("connection_status").remove(0);
    assert_eq!(failed["_class"], "credentials");
}

#[tokio::test]
async fn one_request_in_twenty_fails_and_nothing_is_lost() {
    for seed in ["1", "2", "3"] {
        let arguments = ["--fault-rate", "0.05", "--fault-seed", seed, "--disorder", "customers"];
        let fake = Fake::start(OBJECTS, &arguments).await;
        let finished = read(&config(&fake.url, json!({})), &catalog(&STREAMS), None).run("").await;
        let copied = copied(&finished.expect_code(0));
        for stream in STREAMS {
            copied.assert_equals(stream, &fake.oracle(stream).await);
            assert!(copied.ended(stream, "complete"), "seed {seed}: {stream}");
        }
    }
}

#[tokio::test]
async fn a_slow_reader_that_is_killed_at_random_loses_nothing_whatever_fails() {
    let kinds = "500,502,409,html,cut,reset,duplicate";
    let arguments = ["--fault-rate", "0.03", "--fault-kinds", kinds];
    let fake = Fake::start(OBJECTS, &arguments).await;
    let (config, catalog) = (config(&fake.url, json!({})), catalog(&STREAMS));
    let (mut copy, mut random) = (Copied::default(), 7_u64);
    for _ in 0..KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut left = random >> 56;
        let resume = copy.to_resume();
        let mut running = read(&config, &catalog, Some(&resume)).start();
        let mut seen = String::new();
        // The reader takes a line at a time; the program is mostly stopped by its full pipe.
        while left > 0
            && let Some(line) = running.line().await
        {
            seen.push_str(&format!("{line}\n"));
            left -= 1;
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

const KILLS: usize = 12;
