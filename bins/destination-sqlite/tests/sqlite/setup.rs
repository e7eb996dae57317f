use serde_json::{Value, json};

use crate::copy::{Copy, failure, places, record, stream};

#[tokio::test]
async fn a_second_setup_changes_nothing() {
    let streams = [stream("customers"), stream("charges")];
    let copy = Copy::new();
    let first = copy.setup(&streams).await.expect_code(0);
    let dump = || {
        let version = copy.column("SELECT schema_version AS x FROM pragma_schema_version");
        (version, copy.column("SELECT group_concat(sql, ';') AS x FROM sqlite_master"))
    };
    let before = dump();
    let second = copy.setup(&streams).await.expect_code(0);
    assert_eq!(places(&first), places(&second));
    assert_eq!(dump(), before);
}

#[tokio::test]
async fn a_file_is_in_wal_mode_with_the_columns_of_the_contract() {
    let copy = Copy::of(&[stream("customers")]).await;
    assert_eq!(copy.column("SELECT journal_mode AS x FROM pragma_journal_mode"), ["wal"]);
    let columns = copy.column("SELECT name AS x FROM pragma_table_info('customers') ORDER BY cid");
    assert_eq!(
        columns,
        ["id", "_account_id", "_updated_at", "_hash", "_raw_data", "_readable_data"]
    );
    let virtual_ones =
        copy.column("SELECT name AS x FROM pragma_table_xinfo('customers') WHERE hidden = 2");
    assert_eq!(virtual_ones, ["name", "amount", "deleted"]);
    let key = copy
        .column("SELECT name AS x FROM pragma_table_info('customers') WHERE pk > 0 ORDER BY pk");
    assert_eq!(key, ["id", "_account_id"]);
}

#[tokio::test]
async fn a_dropped_table_is_made_anew_at_a_new_place() {
    let streams = [stream("customers"), stream("charges")];
    let copy = Copy::new();
    let before = places(&copy.setup(&streams).await.expect_code(0));
    copy.open().execute_batch("DROP TABLE customers").unwrap();
    let after = places(&copy.setup(&streams).await.expect_code(0));
    assert_ne!(before["customers"]["id"], after["customers"]["id"]);
    assert_eq!(before["charges"]["id"], after["charges"]["id"]);
}

#[tokio::test]
async fn a_new_property_is_a_column_of_old_rows_too() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &record("customers", "cus_1", "x")).await.expect_code(0);
    let mut wider = stream("customers");
    wider["json_schema"]["properties"]["NAME"] = json!({"type": "string"});
    wider["json_schema"]["properties"]["_account_id_copy"] = json!({"type": "string"});
    copy.setup(&[wider.clone()]).await.expect_code(0);
    copy.setup(&[wider]).await.expect_code(0);
    assert_eq!(copy.column("SELECT name AS x FROM customers"), ["x"]);
    assert_eq!(copy.column("SELECT count(_account_id_copy) AS x FROM customers"), ["0"]);
}

#[tokio::test]
async fn setups_at_once_make_one_file() {
    let streams: Vec<Value> = (0..20).map(|number| stream(&format!("stream_{number}"))).collect();
    let copy = Copy::new();
    let [a, b, c] = [(); 3].map(|()| copy.program("setup", &streams).run(""));
    let (a, b, c) = tokio::join!(a, b, c);
    let told = places(&a.expect_code(0));
    assert_eq!(told, places(&b.expect_code(0)));
    assert_eq!(told, places(&c.expect_code(0)));
}

#[tokio::test]
async fn live_and_test_data_never_meet() {
    let copy = Copy::of(&[stream("customers")]).await;
    let mut live = stream("charges");
    live["metadata"]["live_mode"] = true.into();
    for verb in ["setup", "write"] {
        let run = copy.program(verb, &[live.clone()]).run("").await.expect_code(2);
        let (message, class) = failure(&run);
        assert!(
            message.contains(
                "holds test data (stream `customers`, account `acct_1`), this is live data"
            ),
            "{message}"
        );
        assert_eq!(class, "config");
    }
    assert_eq!(copy.column("SELECT name AS x FROM sqlite_master WHERE name = 'charges'").len(), 0);
}

#[tokio::test]
async fn another_account_is_refused_and_a_wider_list_is_not() {
    let copy = Copy::of(&[stream("customers")]).await;
    let mut other = stream("customers");
    other["metadata"]["account_id"] = "acct_2".into();
    other["json_schema"]["properties"]["_account_id"]["enum"] = json!(["acct_2"]);
    let (message, _) = failure(&copy.setup(&[other.clone()]).await.expect_code(2));
    assert!(message.contains("table `customers` holds data of account `acct_1`, the catalog is of `acct_2`; use another `path`"), "{message}");
    other["json_schema"]["properties"]["_account_id"]["enum"] = json!(["acct_2", "acct_1"]);
    copy.setup(&[other]).await.expect_code(0);
}

#[tokio::test]
async fn a_table_of_somebody_else_is_left_alone() {
    let copy = Copy::new();
    copy.open()
        .execute_batch("CREATE TABLE Customers (id TEXT); INSERT INTO Customers VALUES ('mine')")
        .unwrap();
    let (message, _) =
        failure(&copy.setup(&[stream("charges"), stream("customers")]).await.expect_code(2));
    assert!(message.contains("was not made by sync-engine; it is left alone"), "{message}");
    assert_eq!(copy.column("SELECT id AS x FROM customers"), ["mine"]);
    assert_eq!(copy.column("SELECT name AS x FROM sqlite_master"), ["Customers"]);
}

#[tokio::test]
async fn a_dry_run_names_every_statement_that_setup_runs_in_a_file_of_somebody_else() {
    let copy = Copy::new();
    copy.open().execute_batch("CREATE TABLE mine (x)").unwrap();
    let run = copy.program("setup", &[stream("customers")]).args(["--dry-run"]).run("").await;
    let run = run.expect_code(0);
    for table in ["_sync_meta", "customers"] {
        assert!(run.stdout.contains(table), "{table}: {}", run.stdout);
    }
    assert_eq!(copy.column("SELECT name AS x FROM sqlite_master"), ["mine"]);
}

#[tokio::test]
async fn streams_that_differ_in_case_only_are_refused() {
    let run = Copy::new().setup(&[stream("customers"), stream("Customers")]).await.expect_code(2);
    assert!(failure(&run).0.contains("but for its case"), "{}", run.stdout);
}

#[tokio::test]
async fn a_check_says_what_it_would_do_and_makes_nothing() {
    let copy = Copy::new();
    let streams = [stream("customers")];
    let message = async || {
        let run = copy.program("check", &streams).run("").await.expect_code(0);
        let status = run.of_type("connection_status").pop().unwrap();
        assert_eq!(status["connection_status"]["status"], "succeeded");
        status["connection_status"]["message"].as_str().unwrap().to_owned()
    };
    assert!(message().await.ends_with("to be made, with 1 tables"));
    assert!(!copy.path.exists());
    copy.setup(&streams).await.expect_code(0);
    assert!(message().await.ends_with("1 tables are there, 0 to be made"));
}

#[tokio::test]
async fn a_check_of_a_folder_that_is_not_there_says_no() {
    let mut copy = Copy::new();
    copy.path = "/no/such/folder/copy.db".into();
    let run = copy.program("check", &[]).run("").await.expect_code(0);
    let (message, class) = failure(&run);
    assert_eq!(
        message,
        "opening `/no/such/folder/copy.db`: no folder `/no/such/folder`; make the folder, or choose another `path`"
    );
    assert_eq!(class, "config");
}
