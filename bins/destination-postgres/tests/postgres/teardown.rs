//! What is removed, and what is not.

use serde_json::json;
use testkit::lines;

use crate::copy::{Copy, stream};

const LEFT: &str = "SELECT tablename FROM pg_tables \
                    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";

#[tokio::test]
async fn only_our_tables_go_and_a_schema_that_is_not_empty_stays() {
    let copy = Copy::new().await;
    copy.database.execute("CREATE TABLE stripe.mine (id text)").await;
    copy.run("teardown", "").await.expect_code(0);
    assert_eq!(copy.database.column(LEFT).await, ["mine"]);
    copy.database.execute("DROP TABLE stripe.mine").await;
    let again = copy.run("teardown", "").await.expect_code(0);
    assert!(again.stdout.contains("nothing dropped"), "{}", again.stdout);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'stripe'";
    assert_eq!(copy.database.value(schemas).await, "0");
}

#[tokio::test]
async fn the_streams_of_a_catalog_go_and_the_others_stay() {
    let mut copy = Copy::new().await;
    copy.catalog = lines::catalog(&[stream("charges")]);
    copy.run("teardown", "").await.expect_code(0);
    assert_eq!(copy.database.column(LEFT).await, ["_sync_dead_letter", "_sync_meta", "customers"]);
    let noted = "SELECT stream FROM stripe._sync_meta";
    assert_eq!(copy.database.column(noted).await, ["customers"]);
}

#[tokio::test]
async fn of_a_stream_whose_name_was_cut_for_its_table_nothing_stays_noted() {
    let mut copy = Copy::bare().await;
    let long = stream(&"long".repeat(20));
    copy.catalog = lines::catalog(&[stream("charges"), long.clone()]);
    copy.setup().await.expect_code(0);
    copy.catalog = lines::catalog(&[long]);
    copy.run("teardown", "").await.expect_code(0);
    let noted = "SELECT stream FROM stripe._sync_meta";
    assert_eq!(copy.database.column(noted).await, ["charges"]);
}

#[tokio::test]
async fn public_is_never_dropped() {
    let mut copy = Copy::bare().await;
    copy.config["schema"] = json!("public");
    copy.setup().await.expect_code(0);
    copy.run("teardown", "").await.expect_code(0);
    assert!(copy.database.column(LEFT).await.is_empty());
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'public'";
    assert_eq!(copy.database.value(schemas).await, "1");
}
