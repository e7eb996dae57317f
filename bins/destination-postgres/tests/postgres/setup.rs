//! Tables as the catalog asks for them.

use serde_json::json;
use testkit::lines;

use crate::copy::{Copy, failure, object, program, stream};

#[tokio::test]
async fn columns_have_the_types_of_the_schema() {
    let copy = Copy::new().await;
    let columns = copy
        .database
        .column(
            "SELECT column_name || ' ' || data_type || ' ' || is_generated || ' ' || is_nullable \
             FROM information_schema.columns \
             WHERE table_schema = 'stripe' AND table_name = 'customers' ORDER BY ordinal_position",
        )
        .await;
    let expected = [
        "_raw_data jsonb NEVER NO",
        "_last_synced_at timestamp with time zone NEVER YES",
        "_updated_at timestamp with time zone NEVER NO",
        "_hash bigint NEVER YES",
        "id text ALWAYS NO",
        "_account_id text ALWAYS NO",
        "deleted boolean ALWAYS YES",
        "amount bigint ALWAYS YES",
        "created bigint ALWAYS YES",
        "customer text ALWAYS YES",
        "metadata jsonb ALWAYS YES",
        "name text ALWAYS YES",
        "rate numeric ALWAYS YES",
        "tags jsonb ALWAYS YES",
    ];
    assert_eq!(columns, expected);
}

#[tokio::test]
async fn values_reach_their_columns() {
    let copy = Copy::new().await;
    let data = r#"{"id":"cus_1","amount":9007199254740993,"created":1,"customer":{"id":"cus_9","x":1},"rate":1.10,"metadata":{"a":"b"},"tags":null,"name":null,"odd":1E3,"_account_id":"acct_1","_updated_at":1700000000}"#;
    copy.write(lines::raw_record("customers", data)).await.expect_code(0);
    let row = "SELECT concat_ws('|', amount, created, customer, rate, metadata, tags IS NULL, \
               name IS NULL, _raw_data->>'odd', extract(epoch from _updated_at)::bigint, \
               _raw_data ? '_updated_at', _last_synced_at IS NULL) FROM stripe.customers";
    assert_eq!(
        copy.database.value(row).await,
        r#"9007199254740993|1|cus_9|1.10|{"a": "b"}|t|t|1000|1700000000|f|t"#
    );
}

#[tokio::test]
async fn setup_twice_issues_nothing() {
    let copy = Copy::new().await;
    let meta = "SELECT string_agg(stream || ctid::text || xmin::text, ',' ORDER BY stream) \
                FROM stripe._sync_meta";
    let before = copy.database.value(meta).await;
    copy.database
        .execute(
            "CREATE FUNCTION no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'ddl: %', tg_tag; END $$; \
             CREATE EVENT TRIGGER no_ddl ON ddl_command_start EXECUTE FUNCTION no_ddl()",
        )
        .await;
    copy.setup().await.expect_code(0);
    assert_eq!(copy.database.value(meta).await, before);
}

#[tokio::test]
async fn a_new_property_fills_old_rows_and_nothing_else_changes() {
    let mut copy = Copy::new().await;
    let mut data = object("cus_1", 1, "Ann");
    data["phone"] = json!("123");
    copy.write(lines::record("customers", &data)).await.expect_code(0);
    copy.database.execute("ALTER TABLE stripe.customers ADD COLUMN mine text DEFAULT 'kept'").await;
    let phone = json!({"type": "string"});
    copy.catalog["streams"][0]["stream"]["json_schema"]["properties"]["phone"] = phone;
    copy.setup().await.expect_code(0);
    let row = "SELECT concat_ws('|', name, phone, mine) FROM stripe.customers";
    assert_eq!(copy.database.value(row).await, "Ann|123|kept");
}

#[tokio::test]
async fn eight_setups_at_once_all_succeed() {
    let copy = Copy::bare().await;
    let all = futures_util::future::join_all((0..8).map(|_| copy.setup())).await;
    for finished in all {
        finished.expect_code(0);
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'stripe'";
    assert_eq!(copy.database.value(tables).await, "4");
}

#[tokio::test]
async fn odd_and_long_names_are_kept_apart() {
    let mut copy = Copy::bare().await;
    copy.config["schema"] = json!("we\"ird; drop");
    let long = "a".repeat(70);
    let (one, two) = (format!("{long}1"), format!("{long}\"2"));
    let mut odd = stream(&two);
    odd["json_schema"]["properties"][&one] = json!({"type": "string"});
    odd["json_schema"]["properties"][&two] = json!({"type": "string"});
    odd["json_schema"]["properties"]["it's \\ $$"] = json!({"type": "string"});
    copy.catalog = lines::catalog(&[stream(&one), odd]);
    copy.setup().await.expect_code(0);
    copy.setup().await.expect_code(0);
    let mut data = object("x", 1, "Ann");
    data["it's \\ $$"] = json!("odd");
    let input = format!("{}{}", lines::record(&one, &data), lines::record(&two, &data));
    let counts = copy.written(&input).await;
    assert_eq!(counts[&one], json!({"created": 1}));
    assert_eq!(counts[&two], json!({"created": 1}));
    let tables = copy
        .database
        .column("SELECT tablename FROM pg_tables WHERE schemaname = 'we\"ird; drop'")
        .await;
    assert_eq!(tables.len(), 4, "{tables:?}");
    let odd = tables.iter().find(|name| name.contains("_h") && name.len() == 63).unwrap();
    let named = odd.replace('"', "\"\"");
    let odd = format!("SELECT count(*) FROM \"we\"\"ird; drop\".\"{named}\" WHERE id = 'x'");
    assert_eq!(copy.database.value(&odd).await, "1");
    copy.run("teardown", "").await.expect_code(0);
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'we%'";
    assert_eq!(copy.database.value(left).await, "0");
}

#[tokio::test]
async fn a_missing_privilege_is_told_with_the_statement_that_grants_it() {
    let mut copy = Copy::bare().await;
    let role = format!("writer_{}", copy.database.name());
    copy.database.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await;
    copy.config["url"] = json!(copy.database.url_as(&role, "pw"));
    for verb in ["setup", "check"] {
        let refused = copy.run(verb, "").await;
        assert_eq!(refused.code(), Some(if verb == "check" { 0 } else { 1 }), "{}", refused.stdout);
        let (text, class) = failure(&refused, "connection_status");
        assert_eq!(class, "permission", "{text}");
        assert!(text.contains(&format!("GRANT USAGE, CREATE ON SCHEMA \"stripe\" TO \"{role}\"")));
    }
    let grants = format!("CREATE SCHEMA stripe; GRANT USAGE, CREATE ON SCHEMA stripe TO {role}");
    copy.database.execute(&grants).await;
    copy.setup().await.expect_code(0);
    copy.write(lines::record("customers", &object("a", 1, "Ann"))).await.expect_code(0);
    let checked = copy.run("check", "").await.expect_code(0);
    assert_eq!(checked.of_type("connection_status")[0]["connection_status"]["status"], "succeeded");
}

#[tokio::test]
async fn live_and_test_data_never_share_a_schema() {
    let copy = Copy::new().await;
    let mut live = stream("invoices");
    live["metadata"]["live_mode"] = json!(true);
    let other = Copy { catalog: lines::catalog(&[live]), ..copy };
    for verb in ["setup", "write"] {
        let refused = other.run(verb, "").await.expect_code(2);
        let (text, class) = failure(&refused, "connection_status");
        assert!(text.contains("holds test data") && text.contains("this is live data"), "{text}");
        assert_eq!(class, "config");
    }
    let (text, _) = failure(&other.run("check", "").await.expect_code(0), "connection_status");
    assert!(text.contains("holds test data"), "{text}");
    let (config, catalog) = (other.config.to_string(), other.catalog.to_string());
    let dry = ["setup", "--dry-run", "--config", &config, "--catalog", &catalog];
    let refused = program().args(dry).run("").await.expect_code(2);
    assert!(refused.stderr.contains("holds test data"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_check_says_what_setup_and_write_would_not_be_allowed() {
    let mut copy = Copy::bare().await;
    let role = format!("checker_{}", copy.database.name());
    let grants = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw'; CREATE SCHEMA stripe; \
         GRANT USAGE ON SCHEMA stripe TO {role}"
    );
    copy.database.execute(&grants).await;
    let owner = copy.config.clone();
    copy.config["url"] = json!(copy.database.url_as(&role, "pw"));
    let config = copy.config.to_string();
    let checked = program().args(["check", "--config", &config]).run("").await.expect_code(0);
    let (text, class) = failure(&checked, "connection_status");
    assert_eq!(class, "permission");
    assert!(text.contains("GRANT USAGE, CREATE ON SCHEMA"), "{text}");
    let setup = Copy { config: owner, ..copy };
    setup.setup().await.expect_code(0);
    let mut copy = Copy { config: serde_json::from_str(&config).unwrap(), ..setup };
    let some = format!(
        "GRANT SELECT ON ALL TABLES IN SCHEMA stripe TO {role}; \
         GRANT INSERT, UPDATE ON stripe.customers TO {role}"
    );
    copy.database.execute(&some).await;
    let (text, class) = failure(&copy.run("check", "").await.expect_code(0), "connection_status");
    assert_eq!(class, "permission");
    assert!(text.contains("table `charges`; run") && text.contains("GRANT SELECT"), "{text}");
    copy.catalog = lines::catalog(&[stream("customers")]);
    let checked = copy.run("check", "").await.expect_code(0);
    assert_eq!(checked.of_type("connection_status")[0]["connection_status"]["status"], "succeeded");
    copy.config["deletes"] = json!("hard");
    let (text, _) = failure(&copy.run("check", "").await.expect_code(0), "connection_status");
    assert!(text.contains("table `customers`"), "{text}");
}

#[tokio::test]
async fn a_table_of_somebody_else_or_with_another_key_is_left_alone() {
    let copy = Copy::bare().await;
    copy.database
        .execute("CREATE SCHEMA stripe; CREATE TABLE stripe.customers (id text PRIMARY KEY)")
        .await;
    let (text, _) = failure(&copy.setup().await.expect_code(2), "connection_status");
    assert!(text.contains("was not made by sync-engine"), "{text}");
    let mut other = Copy::new().await;
    other.catalog["streams"][0]["stream"]["primary_key"] = json!([["id"]]);
    let (text, _) = failure(&other.setup().await.expect_code(2), "connection_status");
    assert!(text.contains("has the key (id, _account_id), the catalog wants (id)"), "{text}");
}

#[tokio::test]
async fn setup_waits_for_a_lock_and_gives_way() {
    let copy = Copy::new().await;
    let mut wider = Copy { catalog: copy.catalog.clone(), config: copy.config.clone(), ..copy };
    wider.catalog["streams"][0]["stream"]["json_schema"]["properties"]["extra"] = json!({});
    let mut reader = wider.database.client().await;
    let held = reader.transaction().await.unwrap();
    held.batch_execute("SELECT count(*) FROM stripe.customers").await.unwrap();
    let setup = wider.setup();
    let release = async {
        wider.until_something_waits().await;
        held.commit().await.unwrap();
    };
    let (finished, ()) = tokio::join!(setup, release);
    finished.expect_code(0);
}

#[tokio::test]
async fn printed_grants_are_enough_to_set_up_and_write() {
    let mut copy = Copy::bare().await;
    let role = format!("least_{}", copy.database.name());
    copy.database.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await;
    copy.config["url"] = json!(copy.database.url_as(&role, "pw"));
    copy.config["deletes"] = json!("hard");
    let (config, catalog) = (copy.config.to_string(), copy.catalog.to_string());
    let arguments = ["setup", "--print-grants", "--config", &config, "--catalog", &catalog];
    let printed = program().args(arguments).run("").await.expect_code(0);
    copy.database.execute(&printed.stdout).await;
    copy.setup().await.expect_code(0);
    let mut gone = object("a", 2, "Ann");
    gone["deleted"] = json!(true);
    let input = lines::record("customers", &object("a", 1, "Ann"))
        + &lines::record("customers", &json!({"id": "b", "_account_id": "acct_2"}));
    assert_eq!(copy.written(input).await["customers"], json!({"created": 1, "refused": 1}));
    let counts = copy.written(lines::record("customers", &gone)).await;
    assert_eq!(counts["customers"], json!({"deleted": 1}));
}

#[tokio::test]
async fn indexes_are_made_when_a_stream_is_complete_and_only_once() {
    let mut copy = Copy::bare().await;
    copy.config["indexes"] = json!(true);
    copy.catalog["streams"][0]["system_columns"] =
        json!([{"name": "_run", "type": "text", "index": true}, {"name": "_note"}]);
    copy.setup().await.expect_code(0);
    let indexes = "SELECT indexname FROM pg_indexes WHERE schemaname = 'stripe' \
                   AND indexname LIKE 'idx%' ORDER BY 1";
    copy.write(lines::record("customers", &object("a", 1, "Ann"))).await.expect_code(0);
    assert!(copy.database.column(indexes).await.is_empty());
    let done = lines::status("customers", "complete");
    copy.write(&done).await.expect_code(0);
    let made = ["idx_customers__run", "idx_customers_created", "idx_customers_customer"];
    assert_eq!(copy.database.column(indexes).await, made);
    let broken = "UPDATE pg_index SET indisvalid = false \
                  WHERE indexrelid = 'stripe.idx_customers_created'::regclass";
    copy.database.execute(broken).await;
    let again = copy.write(&done).await.expect_code(0);
    assert!(
        again.stdout.contains("made indexes: \\\"idx_customers_created\\\"\""),
        "{}",
        again.stdout
    );
    let valid = "SELECT bool_and(indisvalid)::text FROM pg_index";
    assert_eq!(copy.database.value(valid).await, "true");
}
