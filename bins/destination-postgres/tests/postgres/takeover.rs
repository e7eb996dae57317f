//! Databases that the TypeScript connector filled, and the columns that tables may have.

use serde_json::json;
use testkit::lines;

use crate::copy::{Copy, failure, object, stream};

/// A table as its DDL makes it, with a row and a view on it.
const THEIRS: &str = r#"
CREATE SCHEMA stripe;
CREATE TABLE stripe.customers (
    "_raw_data" jsonb NOT NULL,
    "_last_synced_at" timestamptz,
    "_updated_at" timestamptz NOT NULL DEFAULT now(),
    "id" text GENERATED ALWAYS AS ((_raw_data->>'id')::text) STORED,
    "_account_id" text GENERATED ALWAYS AS ((_raw_data->>'_account_id')::text) STORED,
    "amount" text GENERATED ALWAYS AS ((_raw_data->>'amount')::text) STORED,
    "created" bigint GENERATED ALWAYS AS ((NULLIF(_raw_data->>'created', ''))::bigint) STORED,
    "metadata" jsonb GENERATED ALWAYS AS ((_raw_data->'metadata')::jsonb) STORED,
    PRIMARY KEY ("id", "_account_id")
);
ALTER TABLE stripe.customers ADD CONSTRAINT "chk_customers__account_id"
    CHECK ((_raw_data->>'_account_id') IS NOT NULL AND (_raw_data->>'_account_id') IN ('acct_1'));
INSERT INTO stripe.customers (_raw_data, _updated_at) VALUES
    ('{"id": "old", "name": "Old", "_account_id": "acct_1", "_updated_at": 100}', to_timestamp(100)),
    ('{"id": "same", "name": "Ann", "_account_id": "acct_1", "_updated_at": 100}', to_timestamp(100));
CREATE VIEW stripe.names AS SELECT id, amount, _raw_data->>'_updated_at' AS stamp FROM stripe.customers;
CREATE FUNCTION stripe.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER mine BEFORE UPDATE ON stripe.customers EXECUTE FUNCTION stripe.set_updated_at();
"#;

async fn types(copy: &Copy<'_>, table: &str) -> Vec<String> {
    let columns = format!(
        "SELECT column_name || ' ' || data_type FROM information_schema.columns \
         WHERE table_schema = 'stripe' AND table_name = '{table}' ORDER BY ordinal_position"
    );
    copy.database.column(&columns).await
}

async fn filled() -> Copy<'static> {
    let copy = Copy::bare().await;
    copy.database.execute(THEIRS).await;
    copy
}

#[tokio::test]
async fn their_tables_keep_their_types_and_take_our_rows() {
    let copy = filled().await;
    copy.setup().await.expect_code(0);
    let there = types(&copy, "customers").await;
    for column in
        ["amount text", "created bigint", "metadata jsonb", "_hash bigint", "deleted text"]
    {
        assert!(there.contains(&column.to_owned()), "{column} in {there:?}");
    }
    let beside = types(&copy, "charges").await;
    for column in ["amount text", "created bigint", "tags text", "customer text"] {
        assert!(beside.contains(&column.to_owned()), "{column} in {beside:?}");
    }
    let mut odd = object("new", 200, "New");
    odd["amount"] = json!(1.5);
    odd["created"] = json!("soon");
    let input = [
        lines::record("customers", &odd),
        lines::record("customers", &object("old", 50, "Older")),
        lines::record("customers", &object("same", 200, "Eve")),
        lines::record("charges", &object("x", 300, "Ann")),
    ];
    let counts = copy.written(input.concat()).await;
    assert_eq!(counts["customers"], json!({"created": 1, "stale": 1, "updated": 1}));
    let rows = copy
        .database
        .column("SELECT concat_ws(' ', id, amount, stamp) FROM stripe.names ORDER BY id")
        .await;
    assert_eq!(rows, ["new 1.5 200", "old 100", "same 200"]);
    let counts =
        copy.written(lines::record_from("event", "customers", &object("same", 300, "Eve"))).await;
    assert_eq!(counts["customers"], json!({"unchanged": 1}));
    let row = "SELECT stamp FROM stripe.names WHERE id = 'same'";
    assert_eq!(copy.database.value(row).await, "300");
}

#[tokio::test]
async fn a_second_setup_changes_nothing_and_teardown_leaves_what_we_did_not_make() {
    let copy = filled().await;
    copy.setup().await.expect_code(0);
    let before = types(&copy, "customers").await;
    copy.setup().await.expect_code(0);
    assert_eq!(types(&copy, "customers").await, before);
    copy.run("teardown", "").await.expect_code(0);
    assert_eq!(types(&copy, "customers").await, before);
    assert!(types(&copy, "charges").await.is_empty());
    let own = "SELECT (SELECT count(*) FROM pg_proc WHERE proname = 'set_updated_at') + \
               (SELECT count(*) FROM pg_trigger WHERE tgname = 'mine')";
    assert_eq!(copy.database.value(own).await, "2");
}

#[tokio::test]
async fn their_list_of_accounts_may_grow_and_not_lose_one() {
    let mut copy = filled().await;
    let accounts = |list: &[&str]| {
        let mut customers = stream("customers");
        customers["json_schema"]["properties"]["_account_id"]["enum"] = json!(list);
        lines::catalog(&[customers])
    };
    copy.catalog = accounts(&["acct_2"]);
    let (text, _) = failure(&copy.setup().await.expect_code(2), "connection_status");
    assert!(text.contains("DROP CONSTRAINT \"chk_customers__account_id\""), "{text}");
    copy.catalog = accounts(&["acct_1", "acct_2"]);
    copy.setup().await.expect_code(0);
    let mut second = object("a", 1, "Ann");
    second["_account_id"] = json!("acct_2");
    let counts = copy.written(lines::record("customers", &second)).await;
    assert_eq!(counts["customers"], json!({"created": 1}));
}

#[tokio::test]
async fn reference_and_no_columns_may_be_asked_for() {
    let mut copy = Copy::bare().await;
    copy.config["columns"] = json!("none");
    copy.setup().await.expect_code(0);
    let bare = [
        "_raw_data jsonb",
        "_last_synced_at timestamp with time zone",
        "_updated_at timestamp with time zone",
        "_hash bigint",
        "id text",
        "_account_id text",
    ];
    assert_eq!(types(&copy, "charges").await, bare);
    let mut gone = object("a", 1, "Ann");
    copy.write(lines::record("charges", &gone)).await.expect_code(0);
    gone["deleted"] = json!(true);
    assert_eq!(
        copy.written(lines::record("charges", &gone)).await["charges"],
        json!({"deleted": 1})
    );
    copy.run("teardown", "").await.expect_code(0);
    copy.config["columns"] = json!("reference");
    copy.setup().await.expect_code(0);
    copy.config.as_object_mut().unwrap().remove("columns");
    copy.write(lines::record("charges", &object("a", 7, "Ann"))).await.expect_code(0);
    assert_eq!(
        copy.database.value("SELECT _raw_data->>'_updated_at' FROM stripe.charges").await,
        "7"
    );
    assert!(types(&copy, "charges").await.contains(&"amount text".to_owned()));
}
