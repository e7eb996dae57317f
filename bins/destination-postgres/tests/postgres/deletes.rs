//! Rows of deleted objects, removed.

use serde_json::{Value, json};
use testkit::lines;

use crate::copy::{Copy, object, stub};

async fn hard() -> Copy<'static> {
    let mut copy = Copy::bare().await;
    copy.config["deletes"] = json!("hard");
    copy.setup().await.expect_code(0);
    copy
}

async fn counts(copy: &Copy<'_>, origin: &str, data: Value) -> Value {
    copy.written(lines::record_from(origin, "customers", &data)).await["customers"].clone()
}

async fn rows(copy: &Copy<'_>) -> Vec<String> {
    copy.database.column("SELECT id || ' ' || name FROM stripe.customers ORDER BY id").await
}

#[tokio::test]
async fn a_deleted_row_is_gone_and_nothing_older_brings_it_back() {
    let copy = hard().await;
    counts(&copy, "list", object("a", 100, "Ann")).await;
    assert_eq!(counts(&copy, "event", stub("a", 200)).await, json!({"deleted": 1}));
    assert!(rows(&copy).await.is_empty());
    assert_eq!(counts(&copy, "event", object("a", 150, "Old")).await, json!({"stale": 1}));
    assert_eq!(counts(&copy, "event", object("a", 200, "Tie")).await, json!({"stale": 1}));
    assert_eq!(counts(&copy, "event", stub("a", 300)).await, json!({"unchanged": 1}));
    assert_eq!(counts(&copy, "list", object("a", 250, "Old")).await, json!({"stale": 1}));
    assert!(rows(&copy).await.is_empty());
    counts(&copy, "event", object("a", 301, "Eve")).await;
    assert_eq!(rows(&copy).await, ["a Eve"]);
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe._sync_tombstone").await, "0");
}

#[tokio::test]
async fn an_object_first_seen_deleted_leaves_a_tombstone_only() {
    let copy = hard().await;
    let mut gone = object("a", 100, "Ann");
    gone["deleted"] = json!(true);
    assert_eq!(counts(&copy, "event", gone).await, json!({"deleted": 1}));
    assert_eq!(counts(&copy, "list", object("a", 90, "Old")).await, json!({"stale": 1}));
    assert!(rows(&copy).await.is_empty());
}

#[tokio::test]
async fn versions_in_one_batch_end_as_one_by_one() {
    let copy = hard().await;
    let input = [
        lines::record_from("event", "customers", &object("a", 100, "Ann")),
        lines::record_from("event", "customers", &stub("a", 200)),
        lines::record_from("list", "customers", &object("a", 150, "Old")),
        lines::record_from("event", "customers", &object("b", 100, "Ann")),
        lines::record_from("event", "customers", &stub("b", 200)),
        lines::record_from("event", "customers", &object("b", 300, "Eve")),
    ];
    copy.write(input.concat()).await.expect_code(0);
    assert_eq!(rows(&copy).await, ["b Eve"]);
    assert_eq!(
        copy.database.value("SELECT key[1] || stamp FROM stripe._sync_tombstone").await,
        "a200"
    );
}

#[tokio::test]
async fn a_tombstone_expires_after_thirty_days() {
    let copy = hard().await;
    counts(&copy, "event", stub("a", 200)).await;
    counts(&copy, "event", stub("b", 200)).await;
    let age =
        "UPDATE stripe._sync_tombstone SET at = now() - interval '31 days' WHERE key[1] = 'a'";
    copy.database.execute(age).await;
    assert_eq!(counts(&copy, "list", object("a", 100, "Ann")).await, json!({"created": 1}));
    assert_eq!(counts(&copy, "list", object("b", 100, "Ann")).await, json!({"stale": 1}));
}

#[tokio::test]
async fn a_table_that_is_made_anew_has_no_tombstones() {
    let copy = hard().await;
    counts(&copy, "event", stub("a", 200)).await;
    copy.database.execute("DROP TABLE stripe.customers").await;
    copy.setup().await.expect_code(0);
    assert_eq!(counts(&copy, "list", object("a", 100, "Ann")).await, json!({"created": 1}));
    copy.run("teardown", "").await.expect_code(0);
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'stripe'";
    assert_eq!(copy.database.value(left).await, "0");
}
