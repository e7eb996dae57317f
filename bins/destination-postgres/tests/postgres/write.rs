//! Rows, counts and states.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use testkit::{lines, program::Signal};

use crate::copy::{Copy, object, records, written};

#[tokio::test]
async fn a_second_run_over_the_same_data_rewrites_no_row() {
    let copy = Copy::new().await;
    let first = copy.written(records("customers", 2300, 100)).await;
    assert_eq!(first["customers"], json!({"created": 2300}));
    let before = copy.versions("customers").await;
    let same = copy.written(records("customers", 2300, 100)).await;
    assert_eq!(same["customers"], json!({"unchanged": 2300}));
    let newer = copy.written(records("customers", 2300, 3700)).await;
    assert_eq!(newer["customers"], json!({"unchanged": 2300}));
    assert_eq!(copy.versions("customers").await, before);
}

#[tokio::test]
async fn a_row_that_a_batch_before_changes_is_not_taken_for_what_was_seen_of_it() {
    let mut copy = Copy::new().await;
    copy.config["batch_rows"] = json!(2);
    let version = |stamp, name| lines::record("customers", &object("x", stamp, name));
    let other = |number: i64| lines::record("customers", &object(&format!("y{number}"), 1, "Ann"));
    let stored = version(1, "Ann") + &(0..200).map(other).collect::<String>();
    copy.write(stored).await.expect_code(0);
    // Each version is in a batch of its own, and those of one name are what is stored in the end.
    let mut input = String::new();
    for number in 0..200 {
        input += &version(number + 2, if number % 2 == 0 { "Eve" } else { "Ann" });
        input += &other(number);
    }
    let counts = copy.written(input).await;
    assert_eq!(counts["customers"], json!({"updated": 200, "unchanged": 200}));
    let row = "SELECT name || ' ' || date_part('epoch', _updated_at) FROM stripe.customers \
               WHERE id = 'x'";
    assert_eq!(copy.database.value(row).await, "Ann 201");
}

#[tokio::test]
async fn one_connection_is_enough_to_look_ahead_and_write() {
    let mut copy = Copy::new().await;
    copy.config["connections"] = json!(1);
    copy.config["batch_rows"] = json!(50);
    copy.write(records("customers", 900, 100)).await.expect_code(0);
    let mut input = records("customers", 600, 100);
    for number in 600..900 {
        input += &lines::record("customers", &object(&format!("x_{number:05}"), 200, "Eve"));
    }
    let counts = copy.written(input).await;
    assert_eq!(counts["customers"], json!({"updated": 300, "unchanged": 600}));
}

#[tokio::test]
async fn new_changed_stale_and_equal_rows_are_told_apart() {
    let copy = Copy::new().await;
    copy.write(records("customers", 600, 100)).await.expect_code(0);
    let mut input = String::new();
    for number in 0..800 {
        let (stamp, name) = match number % 3 {
            0 => (200, "Eve"),
            1 => (50, "Old"),
            _ => (200, "Ann"),
        };
        input += &lines::record("customers", &object(&format!("x_{number:05}"), stamp, name));
    }
    let counts = copy.written(input).await;
    let expected = json!({"created": 200, "updated": 200, "stale": 200, "unchanged": 200});
    assert_eq!(counts["customers"], expected);
    let names = "SELECT string_agg(name || ' ' || total, ', ' ORDER BY name) FROM \
                 (SELECT name, count(*) AS total FROM stripe.customers GROUP BY name) counted";
    assert_eq!(copy.database.value(names).await, "Ann 466, Eve 267, Old 67");
}

#[tokio::test]
async fn states_come_out_only_after_commit() {
    let copy = Copy::new().await;
    let mut program = copy.start();
    let client = copy.database.client().await;
    let mut sent = 0_i64;
    for page in 0..5 {
        let mut lines = lines::state("charges", &json!({"page": page}));
        for _ in 0..130 {
            lines += &lines::record("customers", &object(&format!("c{sent}"), 1, "Ann"));
            lines += &lines::record("charges", &object(&format!("c{sent}"), 1, "Ann"));
            sent += 1;
        }
        lines += &lines::state("customers", &json!({"sent": sent}));
        program.send(&lines).await;
        let is_ours = |message: &Value| message["source_state"]["data"]["sent"] == json!(sent);
        program.message(is_ours).await;
        for stream in ["customers", "charges"] {
            let count = format!("SELECT count(*) FROM stripe.{stream}");
            let rows: i64 = client.query_one(&count, &[]).await.unwrap().get(0);
            assert_eq!(rows, sent);
        }
    }
    let done = program.finish().await.expect_code(0);
    assert_eq!(done.of_type("source_state").len(), 10);
    assert_eq!(
        written(&done),
        BTreeMap::from([
            ("charges".to_owned(), json!({"created": sent})),
            ("customers".to_owned(), json!({"created": sent})),
        ])
    );
}

#[tokio::test]
async fn no_state_comes_out_while_its_rows_wait_for_a_lock() {
    let copy = Copy::new().await;
    copy.write(lines::record("customers", &object("a", 1, "Ann"))).await.expect_code(0);
    let mut client = copy.database.client().await;
    let held = client.transaction().await.unwrap();
    held.batch_execute("SELECT FROM stripe.customers FOR UPDATE").await.unwrap();
    let mut program = copy.start();
    program.send(&lines::record("customers", &object("a", 2, "Eve"))).await;
    program.send(&lines::state("customers", &json!(1))).await;
    copy.until_something_waits().await;
    assert_eq!(program.line().now_or_never(), None);
    held.commit().await.unwrap();
    program.message(|message| message["type"] == "source_state").await;
    assert_eq!(copy.database.value("SELECT name FROM stripe.customers").await, "Eve");
    program.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_stop_in_the_middle_stores_what_came_and_ends_well() {
    let copy = Copy::new().await;
    let mut program = copy.start();
    program.send(&records("customers", 700, 1)).await;
    program.send(&lines::state("customers", &json!(1))).await;
    program.message(|message| message["type"] == "source_state").await;
    program.send(&lines::record("charges", &object("a", 1, "Ann"))).await;
    program.signal(Signal::TERM);
    let done = program.finish().await.expect_code(0);
    assert_eq!(written(&done)["customers"], json!({"created": 700}));
    let rows = "SELECT count(*) FROM stripe.customers";
    assert_eq!(copy.database.value(rows).await, "700");
}

#[tokio::test]
async fn a_lone_stream_is_written_over_all_connections() {
    let mut copy = Copy::new().await;
    copy.config["connections"] = json!(4);
    copy.config["run_id"] = json!("run_1");
    let counts = copy.written(records("customers", 5000, 1)).await;
    assert_eq!(counts["customers"], json!({"created": 5000}));
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe.customers").await, "5000");
}

#[tokio::test]
async fn two_writers_of_the_same_keys_end_with_every_row() {
    let mut copy = Copy::new().await;
    copy.config["batch_rows"] = json!(300);
    let forward = records("customers", 2000, 1);
    let backward: String =
        records("customers", 2000, 2).lines().rev().map(|line| format!("{line}\n")).collect();
    let (one, two) = tokio::join!(copy.write(&forward), copy.write(backward.replace("Ann", "Eve")));
    let total = |finished| {
        written(&finished)["customers"]
            .as_object()
            .unwrap()
            .values()
            .map(|count| count.as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(total(one.expect_code(0)), 2000);
    assert_eq!(total(two.expect_code(0)), 2000);
    let rows = "SELECT count(*) || ' ' || min(name) FROM stripe.customers";
    assert_eq!(copy.database.value(rows).await, "2000 Eve");
}
