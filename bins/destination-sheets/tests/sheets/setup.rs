use serde_json::{Value, json};
use testkit::sheets::Fault;

use crate::copy::{Copy, counts, failure, page, places, record, stream};

#[tokio::test]
async fn a_spreadsheet_is_made_when_none_is_given_and_its_id_told() {
    let mut copy = Copy::new().await;
    copy.more = json!({"spreadsheet_id": null, "spreadsheet_title": "Mine"});
    let run = copy.setup(&[stream("customers")]).await.expect_code(0);
    let control = run.of_type("control").pop().unwrap()["control"].clone();
    assert_eq!(control["control_type"], "destination_config");
    let config = &control["destination_config"];
    assert_eq!((&config["spreadsheet_title"], &config["flush_ms"]), (&json!("Mine"), &json!(0)));
    copy.id = config["spreadsheet_id"].as_str().unwrap().to_owned();
    copy.more = json!({});
    let titles = copy.sheets.edit(&copy.id, |book| book.titles());
    assert_eq!(titles, ["Overview", "customers"]);
    copy.write(&[stream("customers")], &record("customers", "a", "x")).await.expect_code(0);
    assert_eq!(copy.rows("customers").len(), 1);
    let run = copy.program("teardown", &[stream("customers")]).run("").await.expect_code(0);
    assert!(run.stdout.contains("deleted spreadsheet `Mine`"), "{}", run.stdout);
    assert!(!copy.sheets.spreadsheets().contains(&copy.id));
}

#[tokio::test]
async fn setup_makes_tabs_with_headers_and_a_second_one_changes_nothing() {
    let copy = Copy::new().await;
    let streams = [stream("customers"), stream("charges")];
    let first = copy.setup(&streams).await.expect_code(0);
    let titles = copy.sheets.edit(&copy.id, |book| book.titles());
    assert_eq!(titles, ["Overview", "Sheet1", "customers", "charges"]);
    let header = copy.cells("customers");
    let names: Vec<&str> = header[0].iter().map(|cell| cell.as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "id",
            "_account_id",
            "name",
            "amount",
            "created",
            "parent",
            "deleted",
            "_updated_at",
            "_hash"
        ]
    );
    let (protected, formats) = copy.sheets.edit(&copy.id, |book| book.trimmings("customers"));
    assert_eq!((protected.len(), &protected[0]["warningOnly"]), (1, &json!(true)));
    assert_eq!(formats[0]["range"]["startColumnIndex"], 4);
    copy.sheets.forget_requests();
    let second = copy.setup(&streams).await.expect_code(0);
    assert_eq!(places(&first), places(&second));
    assert!(copy.sheets.requests().iter().all(|one| one.line.starts_with("GET")));
}

#[tokio::test]
async fn a_stream_that_comes_later_gets_its_tab_and_its_line_in_the_overview() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.setup(&[stream("charges")]).await.expect_code(0);
    let lines: Vec<Value> =
        copy.cells("Overview").iter().skip(4).map(|row| row[0].clone()).collect();
    assert_eq!(lines, ["customers", "charges"]);
}

#[tokio::test]
async fn a_new_column_is_added_at_the_end_and_filled_as_rows_come_again() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &page("customers", (0, 3), ("a", 7))).await.expect_code(0);
    let before = places(&copy.setup(&[stream("customers")]).await);
    let mut wider = stream("customers");
    wider["json_schema"]["properties"]["email"] = json!({"type": "string"});
    let run = copy.setup(std::slice::from_ref(&wider)).await.expect_code(0);
    assert_ne!(places(&run)["customers"]["id"], before["customers"]["id"], "it is read afresh");
    assert!(run.stdout.contains("columns added (email)"), "{}", run.stdout);
    assert_eq!(copy.cells("customers")[0].last().unwrap(), "email");
    let again = page("customers", (0, 3), ("a", 7)).replace("\"name\"", "\"email\":\"e\",\"name\"");
    let run = copy.write(&[wider], &again).await.expect_code(0);
    assert_eq!(counts(&run, "customers")["updated"], 3);
    assert_eq!(copy.column("customers", "email")["cus_00002"], "e");
    assert_eq!(copy.column("customers", "name")["cus_00002"], "a");
}

#[tokio::test]
async fn a_tab_of_somebody_else_is_left_alone() {
    let copy = Copy::new().await;
    copy.sheets.edit(&copy.id, |book| book.add_tab("customers", 10, 3));
    let run = copy.setup(&[stream("customers")]).await.expect_code(2);
    assert!(failure(&run).0.contains("tab `customers` is there and not ours"), "{}", run.stdout);
}

#[tokio::test]
async fn live_and_test_data_and_two_accounts_never_share_a_spreadsheet() {
    let copy = Copy::of(&[stream("customers")]).await;
    let mut live = stream("charges");
    live["metadata"]["live_mode"] = json!(true);
    let run = copy.setup(&[live]).await.expect_code(2);
    assert!(failure(&run).0.contains("this is live data"), "{}", run.stdout);
    let mut other = stream("customers");
    other["metadata"]["account_id"] = json!("acct_2");
    let run = copy.write(&[other], "").await.expect_code(2);
    assert!(failure(&run).0.contains("data of account `acct_1`"), "{}", run.stdout);
}

#[tokio::test]
async fn writing_before_setup_says_what_to_run() {
    let copy = Copy::of(&[stream("customers")]).await;
    let both = [stream("customers"), stream("charges")];
    let input = record("charges", "a", "x") + &page("customers", (0, 2), ("x", 7));
    let run = copy.write(&both, &input).await.expect_code(0);
    let status = &run.of_type("stream_status")[0]["stream_status"];
    assert_eq!(status["stream"], "charges");
    assert!(status["error"].as_str().unwrap().contains("run `destination-sheets setup`"));
    assert_eq!(run.of_type("source_state").len(), 1);
    assert_eq!(copy.rows("customers").len(), 2);
}

#[tokio::test]
async fn a_setup_that_dies_leaves_no_half_made_tab() {
    let copy = Copy::new().await;
    copy.sheets.fail(Fault::once(":batchUpdate", 403));
    let run = copy.setup(&[stream("customers")]).await.expect_code(1);
    assert_eq!(failure(&run).1, "permission");
    assert_eq!(copy.sheets.edit(&copy.id, |book| book.titles()), ["Sheet1"]);
}

#[tokio::test]
async fn teardown_removes_what_setup_made_and_nothing_else() {
    let copy = Copy::of(&[stream("customers"), stream("charges")]).await;
    copy.sheets.edit(&copy.id, |book| book.add_tab("mine", 10, 3));
    let run = copy.program("teardown", &[stream("charges")]).run("").await.expect_code(0);
    assert!(run.stdout.contains("charges"), "{}", run.stdout);
    let titles = || copy.sheets.edit(&copy.id, |book| book.titles());
    assert_eq!(titles(), ["Overview", "Sheet1", "customers", "mine"]);
    copy.program("teardown", &[stream("customers")]).run("").await.expect_code(0);
    assert_eq!(titles(), ["Sheet1", "mine"]);
    let run = copy.program("teardown", &[stream("customers")]).run("").await.expect_code(0);
    assert!(run.stdout.contains("nothing removed"), "{}", run.stdout);
}
