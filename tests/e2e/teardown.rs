//! What teardown removed is read again.

use testkit::postgres::Cluster;
use testkit::program::Program;
use testkit::stripe::{API_KEY, FakeStripe};

use crate::copy::Copy;

async fn comes_back(copy: &Copy<'_>, named: &[&str]) {
    let stripe = FakeStripe::start(["--objects", "customers=120,products=20"]).await;
    let folder = tempfile::tempdir().unwrap();
    let streams = ["customers".to_owned(), "products".to_owned()];
    let sync = || copy.sync(&stripe, folder.path()).args(["--streams", "customers,products"]);
    sync().run("").await.expect_code(0);
    let teardown = Program::named("sync-engine")
        .folder(folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .args(["teardown", "--yes", "--stripe-api-key", API_KEY])
        .args(["--stripe-base-url", &stripe.url()])
        .args(named);
    let torn = teardown.run("").await.expect_code(0);
    assert!(torn.stderr.contains("is removed, and the run log with it"), "{}", torn.stderr);
    assert!(!copy.holds_anything().await, "nothing of ours is left");
    sync().run("").await.expect_code(0);
    copy.assert_equals(&stripe, &streams).await;
}

#[tokio::test]
async fn a_copy_that_was_torn_down_is_filled_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    comes_back(&Copy::Sqlite(path.clone()), &["--sqlite", path.to_str().unwrap()]).await;
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    comes_back(&Copy::Postgres(&database), &["--postgres-url", &database.url()]).await;
}
