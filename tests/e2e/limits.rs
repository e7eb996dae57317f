//! A limit cuts a run into calls; together they bring everything, and they come to an end.

use testkit::program::Program;
use testkit::stripe::FakeStripe;

use crate::copy::Copy;

/// Slow enough that a second is not enough.
const OBJECTS: [&str; 6] = [
    "--objects",
    "customers=3000,charges=2000,products=120",
    "--seed",
    "13",
    "--latency-ms",
    "150",
];

const STREAMS: &str = "customers,charges,products";

/// More calls than the work can need.
const TOO_MANY: u32 = 60;

/// Calls until there is no more to do; says how many it took.
async fn calls(sync: impl Fn() -> Program) -> u32 {
    for call in 1..=TOO_MANY {
        let run = sync().run("").await;
        match run.code() {
            Some(3) => assert!(run.stderr.contains("not complete"), "{}", run.stderr),
            _ => {
                run.expect_code(0);
                return call;
            }
        }
    }
    panic!("after {TOO_MANY} calls there is still more to do");
}

#[tokio::test]
async fn a_loop_with_a_short_time_limit_comes_to_an_end_and_brings_everything() {
    let stripe = FakeStripe::start(OBJECTS).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let sync = || {
        let limit = ["--streams", STREAMS, "--time-limit", "1", "--source.max_in_flight", "2"];
        copy.sync(&stripe, folder.path()).args(limit)
    };
    assert!(calls(sync).await > 1, "one call is not enough");
    let streams: Vec<String> = STREAMS.split(',').map(str::to_owned).collect();
    copy.assert_equals(&stripe, &streams).await;
}

#[tokio::test]
async fn a_page_slower_than_the_limit_still_comes() {
    let stripe = FakeStripe::start(["--objects", "customers=250", "--latency-ms", "1500"]).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let limit = ["--streams", "customers", "--time-limit", "1"];
    calls(|| copy.sync(&stripe, folder.path()).args(limit)).await;
    copy.assert_equals(&stripe, &["customers".to_owned()]).await;
}
