//! An account that changes while it is copied, between runs, and while programs die: once it rests,
//! the tables equal the oracle.

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
    // Long enough ago that nothing claims to have been changed in the future, and that a run asks
    // for all that is there: it reads up to its own start on the clock of this machine.
    let old = ["--newest", "1700000000", "--clock-offset", "-1000"];
    let account = ["--objects", OBJECTS, "--seed", &text, "--mutate-seed", &text];
    let stripe = FakeStripe::start(account.into_iter().chain(lags).chain(old)).await;
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
