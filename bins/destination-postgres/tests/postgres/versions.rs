//! The version rule, against rows in a real table.

use serde_json::{Value, json};
use testkit::lines;

use crate::copy::{Copy, object, stub};

async fn counts(copy: &Copy<'_>, origin: &str, data: Value) -> Value {
    copy.written(lines::record_from(origin, "customers", &data)).await["customers"].clone()
}

async fn row(copy: &Copy<'_>) -> String {
    let row = "SELECT concat_ws('|', name, deleted, extract(epoch from _updated_at)::bigint) \
               FROM stripe.customers";
    copy.database.value(row).await
}

#[tokio::test]
async fn an_unchanged_row_does_not_forget_a_newer_event() {
    let copy = Copy::new().await;
    counts(&copy, "list", object("a", 100, "Ann")).await;
    assert_eq!(counts(&copy, "event", object("a", 200, "Ann")).await, json!({"unchanged": 1}));
    assert_eq!(row(&copy).await, "Ann|200");
    assert_eq!(counts(&copy, "list", object("a", 150, "Old")).await, json!({"stale": 1}));
    assert_eq!(row(&copy).await, "Ann|200");
}

#[tokio::test]
async fn a_lagging_page_loses_no_event() {
    let copy = Copy::new().await;
    counts(&copy, "list", object("a", 100, "Ann")).await;
    assert_eq!(counts(&copy, "list", object("a", 300, "Ann")).await, json!({"unchanged": 1}));
    assert_eq!(row(&copy).await, "Ann|100");
    assert_eq!(counts(&copy, "event", object("a", 200, "Eve")).await, json!({"updated": 1}));
    assert_eq!(row(&copy).await, "Eve|200");
}

#[tokio::test]
async fn deleted_wins_a_tie() {
    let copy = Copy::new().await;
    counts(&copy, "list", object("a", 100, "Ann")).await;
    let mut gone = object("a", 100, "Ann");
    gone["deleted"] = json!(true);
    assert_eq!(counts(&copy, "event", gone).await, json!({"deleted": 1}));
    assert_eq!(counts(&copy, "event", object("a", 100, "Eve")).await, json!({"stale": 1}));
    assert_eq!(row(&copy).await, "Ann|t|100");
    assert_eq!(counts(&copy, "event", object("a", 101, "Eve")).await, json!({"updated": 1}));
    assert_eq!(row(&copy).await, "Eve|101");
}

#[tokio::test]
async fn a_deleted_stub_keeps_the_columns() {
    let copy = Copy::new().await;
    counts(&copy, "list", object("a", 100, "Ann")).await;
    assert_eq!(counts(&copy, "event", stub("a", 200)).await, json!({"deleted": 1}));
    assert_eq!(row(&copy).await, "Ann|t|200");
    let before = copy.versions("customers").await;
    assert_eq!(counts(&copy, "list", stub("a", 300)).await, json!({"unchanged": 1}));
    assert_eq!(copy.versions("customers").await, before);
}

#[tokio::test]
async fn a_stub_in_the_batch_of_its_object_marks_it() {
    let copy = Copy::new().await;
    let records = [object("a", 100, "Ann"), object("a", 120, "Eve"), stub("a", 200)];
    let input: String = records.iter().map(|data| lines::record("customers", data)).collect();
    let counts = copy.written(input).await["customers"].clone();
    assert_eq!(counts, json!({"deleted": 1, "superseded": 2}));
    assert_eq!(row(&copy).await, "Eve|t|200");
}

#[tokio::test]
async fn the_later_of_two_with_one_stamp_wins() {
    let copy = Copy::new().await;
    counts(&copy, "event", object("a", 100, "Ann")).await;
    assert_eq!(counts(&copy, "event", object("a", 100, "Eve")).await, json!({"updated": 1}));
    assert_eq!(row(&copy).await, "Eve|100");
}

#[tokio::test]
async fn a_rotated_url_is_no_change() {
    let copy = Copy::new().await;
    let mut data = object("a", 100, "Ann");
    data["url"] = json!("https://a");
    counts(&copy, "list", data.clone()).await;
    data["url"] = json!("https://b");
    data["_updated_at"] = json!(200);
    assert_eq!(counts(&copy, "list", data).await, json!({"unchanged": 1}));
}

#[tokio::test]
async fn a_row_that_somebody_else_changed_is_never_taken_for_unchanged() {
    let copy = Copy::new().await;
    counts(&copy, "list", object("a", 100, "Ann")).await;
    copy.database
        .execute("UPDATE stripe.customers SET _raw_data = _raw_data || '{\"name\": \"Eve\"}', _updated_at = to_timestamp(150)")
        .await;
    assert_eq!(counts(&copy, "list", object("a", 200, "Ann")).await, json!({"updated": 1}));
    copy.database.execute("UPDATE stripe.customers SET _hash = NULL").await;
    assert_eq!(counts(&copy, "list", object("a", 300, "Ann")).await, json!({"updated": 1}));
    assert_eq!(row(&copy).await, "Ann|300");
}

/// A small generator, so that the histories are the same in every run.
fn history(seed: u64, length: usize) -> Vec<String> {
    let mut state = seed;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut lines = Vec::new();
    for _ in 0..length {
        let id = format!("x{}", next(6));
        let stamp = i64::try_from(100 + next(8)).unwrap();
        let origin = ["list", "event", "fetch"][usize::try_from(next(3)).unwrap()];
        let data = match next(5) {
            0 => stub(&id, stamp),
            1 => {
                let mut data = object(&id, stamp, "Ann");
                data["deleted"] = json!(true);
                data
            }
            _ => object(&id, stamp, ["Ann", "Eve"][usize::try_from(next(2)).unwrap()]),
        };
        lines.push(lines::record_from(origin, "customers", &data));
    }
    lines
}

#[tokio::test]
async fn batches_of_any_size_end_in_the_same_rows() {
    const ROWS: &str = "SELECT concat_ws('|', id, _raw_data::text, _updated_at, _hash) \
                        FROM stripe.customers ORDER BY id";
    for seed in 1..4 {
        let input = history(seed, 120).concat();
        let mut outcomes = Vec::new();
        for size in [1, 7, 1000] {
            let mut copy = Copy::new().await;
            copy.config["batch_rows"] = json!(size);
            let counts = copy.written(&input).await["customers"].clone();
            let total: u64 = counts.as_object().unwrap().values().filter_map(Value::as_u64).sum();
            assert_eq!(total, 120, "{counts}");
            outcomes.push(copy.database.column(ROWS).await);
        }
        assert_eq!(outcomes[0], outcomes[1], "seed {seed}");
        assert_eq!(outcomes[0], outcomes[2], "seed {seed}");
    }
}
