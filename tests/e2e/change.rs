//! An account that changes while it is copied, between runs, and while programs die: once it rests,
//! the tables equal the oracle.

use serde_json::json;
use testkit::postgres::{Cluster, Database};
use testkit::program::Signal;
use testkit::stripe::FakeStripe;

use crate::copy::Copy;

const STREAMS: [&str; 7] =
    ["customers", "products", "coupons", "plans", "tax_ids", "subscriptions", "subscription_items"];
const OBJECTS: &str =
    "customers=140,products=30,coupons=20,plans=20,tax_ids=10,subscriptions=70,events=0";

async fn rests_equal(copy: &Copy<'_>, seed: u64) {
    let text = seed.to_string();
    let lags = ["--list-lag", "2", "--events-lag", "2"];
    let account = ["--objects", OBJECTS, "--seed", &text, "--mutate-seed", &text];
    let stripe = FakeStripe::start(account.into_iter().chain(lags)).await;
    let folder = tempfile::tempdir().unwrap();
    let names = STREAMS.join(",");
    let sync = || {
        let hard = ["--streams", &names, "--destination.deletes", "hard", "--output", "ndjson"];
        copy.sync(&stripe, folder.path()).args(hard)
    };
    for round in 0..3 {
        let mut running = sync().start();
        let mut left = 40 + 70 * ((seed + round) % 5);
        while left > 0
            && let Some(line) = running.line().await
        {
            left -= 1;
            if line.contains("source_state") {
                stripe.mutate(2).await;
            }
        }
        running.signal(Signal::KILL);
        drop(running.finish().await);
        stripe.mutate(20).await;
        stripe.advance(100).await;
    }
    sync().run("").await.expect_code(0);
    stripe.mutate(30).await;
    stripe.advance(30).await;
    sync().run("").await.expect_code(0);
    copy.assert_equals(&stripe, &STREAMS.map(str::to_owned)).await;
}

#[tokio::test]
async fn sqlite_equals_an_account_that_changed_all_the_time() {
    let folder = tempfile::tempdir().unwrap();
    rests_equal(&Copy::Sqlite(folder.path().join("copy.db")), 1).await;
}

#[tokio::test]
async fn postgres_equals_an_account_that_changed_all_the_time() {
    let cluster = Cluster::shared();
    let database: Database<'_> = cluster.create_database().await;
    rests_equal(&Copy::Postgres(&database), 2).await;
}

/// A copy that is read anew from the lists, which say nothing of what is gone.
async fn a_refresh_sees_deletes(copy: &Copy<'_>) {
    let stripe = FakeStripe::start(["--objects", "customers=30,coupons=5"]).await;
    let folder = tempfile::tempdir().unwrap();
    let streams = ["customers", "coupons"].map(str::to_owned);
    let sync = || {
        let hard = ["--streams", "customers,coupons", "--destination.deletes", "hard"];
        copy.sync(&stripe, folder.path()).args(hard)
    };
    sync().run("").await.expect_code(0);
    for refreshed in [&[][..], &["customers,coupons"]] {
        let (gone, _) = stripe.oracle("customers").await.pop_first().unwrap();
        stripe.change(&[json!({"stream": "customers", "do": "delete", "id": gone})]).await;
        stripe.advance(100).await;
        sync().arg("--full-refresh").args(refreshed).run("").await.expect_code(0);
        copy.assert_equals(&stripe, &streams).await;
    }
}

#[tokio::test]
async fn a_full_refresh_sees_what_was_deleted_since_the_last_run() {
    let folder = tempfile::tempdir().unwrap();
    a_refresh_sees_deletes(&Copy::Sqlite(folder.path().join("copy.db"))).await;
    let database = Cluster::shared().create_database().await;
    a_refresh_sees_deletes(&Copy::Postgres(&database)).await;
}

/// Whatever was made before a run begins is in the copy when it ends, though Stripe's clock is so
/// many seconds ahead of the engine's.
async fn is_whole_after_each_run(offset: &str) {
    let account = ["--objects", OBJECTS, "--mutate-seed", "3", "--clock-offset", offset];
    let stripe = FakeStripe::start(account).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let streams = STREAMS.map(str::to_owned);
    for _ in 0..3 {
        stripe.mutate(40).await;
        // Several things may have happened to an object in this second.
        stripe.advance(5).await;
        let sync = copy.sync(&stripe, folder.path());
        let hard = ["--streams", &streams.join(","), "--destination.deletes", "hard"];
        let run = sync.args(hard).args(["--output", "ndjson"]).run("").await.expect_code(0);
        assert!(!run.stdout.contains("events_outside_time"), "{}", run.stdout);
        copy.assert_equals(&stripe, &streams).await;
    }
}

#[tokio::test]
async fn an_engine_whose_clock_is_behind_leaves_nothing_to_a_later_run() {
    is_whole_after_each_run("1000").await;
}

#[tokio::test]
async fn an_engine_whose_clock_is_ahead_leaves_nothing_to_a_later_run() {
    is_whole_after_each_run("-1000").await;
}
