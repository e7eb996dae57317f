use serde_json::{Value, json};
use testkit::lines;

use crate::copy::{Copy, counts, object, page, record, stream};

#[tokio::test]
async fn records_become_rows_and_states_come_back_after_them() {
    let copy = Copy::of(&[stream("customers"), stream("charges")]).await;
    let input = page("customers", (0, 3), ("a", 7)) + &page("charges", (0, 2), ("b", 7));
    let run = copy.write(&[stream("customers"), stream("charges")], &input).await.expect_code(0);
    assert_eq!(run.of_type("source_state").len(), 2);
    assert_eq!(counts(&run, "customers")["created"], 3);
    assert_eq!(copy.rows("customers").len(), 3);
    assert_eq!(copy.column("charges", "name")["cus_00001"], "b");
    let overview = copy.cells("Overview");
    let line = overview.iter().find(|row| row.first() == Some(&json!("charges"))).unwrap();
    assert_eq!((&line[1], &line[2]), (&json!("acct_1 (test)"), &json!(2)));
    assert!(line[3].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn values_are_kept_as_they_are_and_nothing_is_evaluated() {
    let copy = Copy::of(&[stream("customers")]).await;
    let mut all = String::new();
    for (number, name) in
        ["=1+1", "+1", "-1", "@SUM(A1)", "007", "TRUE", "1/2", "'x", " x\n\"y\""].iter().enumerate()
    {
        all += &record("customers", &format!("c{number}"), name);
    }
    let mut full = object("full", "{}", 7);
    full["amount"] = json!(-1250);
    full["created"] = json!(1_700_000_000);
    full["parent"] = json!({"id": "par_1", "object": "parent"});
    full["deleted"] = json!(false);
    full["not_in_the_schema"] = json!(1);
    all += &lines::record("customers", &full);
    let huge = r#"{"id":"huge","name":{"a": [1, "b c"]},"amount":12345678901234567890,"_account_id":"acct_1","_updated_at":7}"#;
    all += &lines::raw_record("customers", huge);
    copy.write(&[stream("customers")], &all).await.expect_code(0);
    let names = copy.column("customers", "name");
    assert_eq!(names["c0"], "=1+1");
    assert_eq!(names["c1"], "+1");
    assert_eq!(names["c4"], "007");
    assert_eq!(names["c5"], "TRUE");
    assert_eq!(names["c7"], "'x");
    assert_eq!(names["c8"], " x\n\"y\"");
    assert_eq!(names["huge"], r#"{"a":[1,"b c"]}"#);
    let rows = copy.rows("customers");
    assert_eq!(rows["full"]["amount"], json!(-1250));
    assert_eq!(rows["full"]["created"], json!(45_244.925_925_925_93));
    assert_eq!(rows["full"]["parent"], "par_1");
    assert_eq!(rows["full"]["deleted"], json!(false));
    assert_eq!(rows["full"]["_updated_at"], json!(7));
    assert_eq!(rows["huge"]["amount"], "12345678901234567890");
}

#[tokio::test]
async fn in_text_mode_every_cell_is_text() {
    let mut copy = Copy::new().await;
    copy.more = json!({"value_mode": "text"});
    copy.setup(&[stream("customers")]).await.expect_code(0);
    let mut full = object("a", "x", 7);
    full["amount"] = json!(1.5);
    full["deleted"] = json!(true);
    for expected in ["deleted", "unchanged"] {
        let input = lines::record("customers", &full);
        let run = copy.write(&[stream("customers")], &input).await.expect_code(0);
        assert_eq!(counts(&run, "customers").keys().next().unwrap(), expected);
    }
    let row = &copy.rows("customers")["a"];
    assert!(row.as_object().unwrap().values().all(Value::is_string), "{row}");
    assert_eq!((&row["amount"], &row["deleted"]), (&json!("1.5"), &json!("true")));
}

#[tokio::test]
async fn delivering_again_writes_nothing() {
    let copy = Copy::of(&[stream("customers")]).await;
    let input = page("customers", (0, 50), ("a", 7));
    copy.write(&[stream("customers")], &input).await.expect_code(0);
    let before = copy.cells("customers");
    copy.sheets.forget_requests();
    let later = page("customers", (0, 50), ("a", 99));
    let run = copy.write(&[stream("customers")], &later).await.expect_code(0);
    assert_eq!(counts(&run, "customers")["unchanged"], 50);
    assert_eq!(copy.cells("customers"), before);
    assert!(copy.sheets.requests().iter().all(|one| one.line.starts_with("GET")));
}

#[tokio::test]
async fn the_newest_version_stays_and_a_deleted_row_is_marked() {
    let copy = Copy::of(&[stream("customers")]).await;
    let streams = [stream("customers")];
    let event = |object: &Value| lines::record_from("event", "customers", object);
    copy.write(&streams, &event(&object("a", "new", 20))).await.expect_code(0);
    let run = copy.write(&streams, &event(&object("a", "old", 10))).await.expect_code(0);
    assert_eq!(counts(&run, "customers")["stale"], 1);
    let stub = json!({"id": "a", "object": "customer", "deleted": true, "_account_id": "acct_1", "_updated_at": 21});
    let run = copy.write(&streams, &event(&stub)).await.expect_code(0);
    assert_eq!(counts(&run, "customers")["deleted"], 1);
    let row = copy.rows("customers")["a"].clone();
    assert_eq!((&row["name"], &row["deleted"]), (&json!("new"), &json!(true)));
    let run = copy.write(&streams, &event(&object("a", "again", 22))).await.expect_code(0);
    assert_eq!(counts(&run, "customers")["updated"], 1);
    let row = copy.rows("customers")["a"].clone();
    assert_eq!((&row["name"], &row["deleted"]), (&json!("again"), &json!("")));
    assert_eq!(copy.rows("customers").len(), 1);
}

#[tokio::test]
async fn an_update_and_a_delete_in_one_batch_end_as_one_by_one() {
    let copy = Copy::of(&[stream("customers")]).await;
    let streams = [stream("customers")];
    copy.write(&streams, &page("customers", (0, 3), ("a", 5))).await.expect_code(0);
    let gone = |id: &str, stamp: u64| {
        let mut object = object(id, "last", stamp);
        object["deleted"] = json!(true);
        lines::record("customers", &object)
    };
    let input = lines::record("customers", &object("cus_00000", "b", 6))
        + &gone("cus_00000", 7)
        + &gone("cus_00001", 6)
        + &lines::record("customers", &object("cus_00001", "back", 7));
    let run = copy.write(&streams, &input).await.expect_code(0);
    assert_eq!(counts(&run, "customers").values().sum::<u64>(), 4);
    let rows = copy.rows("customers");
    assert_eq!(
        (&rows["cus_00000"]["deleted"], &rows["cus_00000"]["name"]),
        (&json!(true), &json!("last"))
    );
    assert_eq!(
        (&rows["cus_00001"]["deleted"], &rows["cus_00001"]["name"]),
        (&json!(""), &json!("back"))
    );
    assert_eq!(rows["cus_00002"]["name"], "a");
}

#[tokio::test]
async fn children_that_are_gone_are_marked() {
    let streams = [stream("parents"), stream("children")];
    let copy = Copy::of(&streams).await;
    let child = |id: &str, parent: &str| {
        let mut object = object(id, "x", 5);
        object["parent"] = json!(parent);
        lines::record("children", &object)
    };
    let parent = lines::line(&json!({
        "type": "record",
        "record": {"stream": "parents", "data": object("p1", "x", 9), "emitted_at": "2026-01-01T00:00:00.000Z"},
        "_prune": [{"stream": "children", "where": {"parent": "p1"}, "keep": ["c1"]}],
    }));
    let before = child("c1", "p1") + &child("c2", "p1") + &child("c3", "p2");
    copy.write(&streams, &before).await.expect_code(0);
    let run = copy.write(&streams, &(parent + &child("c4", "p1"))).await.expect_code(0);
    assert_eq!(counts(&run, "parents")["created"], 1);
    let deleted = copy.column("children", "deleted");
    let marked: Vec<&String> =
        deleted.iter().filter(|(_, cell)| **cell == json!(true)).map(|(id, _)| id).collect();
    assert_eq!(marked, ["c2"]);
    assert_eq!(deleted.len(), 4);
}

#[tokio::test]
async fn the_run_is_noted_with_its_first_rows() {
    let mut copy = Copy::of(&[stream("customers")]).await;
    copy.more = json!({"run_id": "run_1"});
    copy.write(&[stream("customers")], "").await.expect_code(0);
    let run = async |copy: &Copy| {
        let run = copy.setup(&[stream("customers")]).await.expect_code(0);
        crate::copy::places(&run)["customers"]["run"].clone()
    };
    assert_eq!(run(&copy).await, Value::Null);
    copy.write(&[stream("customers")], &record("customers", "a", "x")).await.expect_code(0);
    assert_eq!(run(&copy).await, "run_1");
}
