//! Children that their parent no longer has.

use serde_json::{Value, json};
use testkit::lines;

use crate::copy::{Copy, object, stream};

/// `customers` are parents of `charges`, by the field `customer`.
fn child(id: &str, parent: &str, stamp: i64) -> Value {
    let mut data = object(id, stamp, "Ann");
    data["customer"] = json!(parent);
    data
}

fn parent(id: &str, stamp: i64, origin: &str, keep: &[&str]) -> String {
    let prune = json!({"stream": "charges", "where": {"customer": id}, "keep": keep});
    lines::line(&json!({
        "type": "record", "_origin": origin, "_prune": [prune],
        "record": {"stream": "customers", "data": object(id, stamp, "Ann"), "emitted_at": "2026-01-01T00:00:00.000Z"},
    }))
}

async fn children(copy: &Copy<'_>) -> Vec<String> {
    let rows = "SELECT concat_ws(' ', id, deleted, extract(epoch from _updated_at)::bigint) \
                FROM stripe.charges ORDER BY id";
    copy.database.column(rows).await
}

#[tokio::test]
async fn children_not_kept_are_marked_with_the_stamp_of_their_parent() {
    let copy = Copy::new().await;
    let input = [
        lines::record("charges", &child("gone", "p", 100)),
        lines::record("charges", &child("kept", "p", 100)),
        lines::record("charges", &child("newer", "p", 300)),
        lines::record("charges", &child("other", "q", 100)),
        lines::record(
            "charges",
            &child("expanded", "p", 100)
                .as_object()
                .map(|data| {
                    let mut data = data.clone();
                    data.insert("customer".to_owned(), json!({"id": "p", "name": "Ann"}));
                    Value::Object(data)
                })
                .unwrap(),
        ),
        parent("p", 200, "list", &["kept"]),
        lines::state("customers", &json!(1)),
    ];
    let done = copy.write(input.concat()).await.expect_code(0);
    assert_eq!(done.of_type("source_state").len(), 1);
    let expected = ["expanded t 200", "gone t 200", "kept 100", "newer 300", "other 100"];
    assert_eq!(children(&copy).await, expected);
    assert_eq!(
        copy.database.value("SELECT name FROM stripe.charges WHERE id = 'gone'").await,
        "Ann"
    );
}

#[tokio::test]
async fn a_prune_counts_whatever_becomes_of_its_record() {
    let copy = Copy::new().await;
    copy.write(parent("p", 500, "event", &[]) + &lines::record("charges", &child("a", "p", 100)))
        .await
        .expect_code(0);
    assert_eq!(children(&copy).await, ["a 100"], "a record that came after it is not touched");
    let counts = copy.written(parent("p", 400, "event", &[])).await;
    assert_eq!(counts["customers"], json!({"unchanged": 1}));
    assert_eq!(children(&copy).await, ["a t 400"]);
    copy.write(parent("p", 450, "list", &[])).await.expect_code(0);
    assert_eq!(
        children(&copy).await,
        ["a t 400"],
        "a page does not move the stamp of a marked row"
    );
    copy.write(parent("p", 450, "event", &[])).await.expect_code(0);
    assert_eq!(children(&copy).await, ["a t 450"]);
    copy.write(lines::record("charges", &child("a", "p", 440))).await.expect_code(0);
    assert_eq!(children(&copy).await, ["a t 450"]);
}

#[tokio::test]
async fn a_child_that_comes_back_in_the_same_input_is_alive() {
    let copy = Copy::new().await;
    let input = [
        lines::record("charges", &child("a", "p", 100)),
        parent("p", 200, "list", &[]),
        lines::record("charges", &child("a", "p", 300)),
        lines::record("charges", &child("b", "p", 200)),
        parent("p", 400, "list", &["a"]),
    ];
    copy.write(input.concat()).await.expect_code(0);
    assert_eq!(children(&copy).await, ["a 300", "b t 400"]);
}

#[tokio::test]
async fn a_prune_of_a_failed_stream_is_dropped_and_the_parent_goes_on() {
    let mut copy = Copy::new().await;
    copy.database.execute("DROP TABLE stripe.charges").await;
    copy.catalog = lines::catalog(&[stream("customers"), stream("charges")]);
    let input = parent("p", 200, "list", &[]) + &lines::state("customers", &json!(1));
    let done = copy.write(input).await.expect_code(0);
    assert_eq!(done.of_type("source_state").len(), 1);
}

#[tokio::test]
async fn a_pruned_child_is_removed_where_deletes_are_hard() {
    let mut copy = Copy::bare().await;
    copy.config["deletes"] = json!("hard");
    copy.setup().await.expect_code(0);
    let input = lines::record("charges", &child("a", "p", 100))
        + &lines::record("charges", &child("b", "p", 100))
        + &parent("p", 200, "list", &["b"]);
    copy.write(input).await.expect_code(0);
    assert_eq!(children(&copy).await, ["b 100"]);
    let late = copy.written(lines::record("charges", &child("a", "p", 150))).await;
    assert_eq!(late["charges"], json!({"stale": 1}));
    assert_eq!(children(&copy).await, ["b 100"]);
}
