//! The version rule, trap by trap.

use serde_json::{Value, json};
use testkit::lines;

use crate::place::{all_places, event, gone, list, object, stub};

#[tokio::test]
async fn an_unchanged_row_does_not_forget_a_newer_event() {
    for place in all_places(json!({})).await {
        place.write(&list(&object("a", 100, "Ann"))).await.expect_code(0);
        let newer = place.counts("parents", &event(&object("a", 200, "Ann"))).await;
        assert_eq!(newer, json!({"unchanged": 1}), "{}", place.name());
        let older = place.counts("parents", &list(&object("a", 150, "Old"))).await;
        assert_eq!(older, json!({"stale": 1}), "{}", place.name());
        assert_eq!(place.short("parents").await, ["a Ann 200"], "{}", place.name());
    }
}

#[tokio::test]
async fn a_lagging_page_loses_no_event() {
    for place in all_places(json!({})).await {
        place.write(&list(&object("a", 100, "Ann"))).await.expect_code(0);
        place.write(&list(&object("a", 300, "Ann"))).await.expect_code(0);
        place.write(&event(&object("a", 200, "Eve"))).await.expect_code(0);
        assert_eq!(place.short("parents").await, ["a Eve 200"], "{}", place.name());
    }
}

#[tokio::test]
async fn deleted_wins_a_tie() {
    for place in all_places(json!({})).await {
        place.write(&event(&object("a", 100, "Ann"))).await.expect_code(0);
        place.write(&event(&gone("a", 100, "Ann"))).await.expect_code(0);
        let tie = place.counts("parents", &event(&object("a", 100, "Eve"))).await;
        assert_eq!(tie, json!({"stale": 1}), "{}", place.name());
        assert_eq!(place.short("parents").await, ["a Ann deleted 100"], "{}", place.name());
        place.write(&event(&object("a", 101, "Eve"))).await.expect_code(0);
        assert_eq!(place.short("parents").await, ["a Eve 101"], "{}", place.name());
    }
}

#[tokio::test]
async fn a_deleted_stub_keeps_the_columns() {
    for place in all_places(json!({})).await {
        place.write(&list(&object("a", 100, "Ann"))).await.expect_code(0);
        place.write(&event(&stub("a", 200))).await.expect_code(0);
        assert_eq!(place.short("parents").await, ["a Ann deleted 200"], "{}", place.name());
        let again = place.counts("parents", &list(&stub("a", 300))).await;
        assert_eq!(again, json!({"unchanged": 1}), "{}", place.name());
    }
}

#[tokio::test]
async fn versions_of_a_key_in_one_batch_end_as_one_by_one() {
    let input = [
        list(&object("a", 100, "Ann")),
        event(&object("a", 120, "Eve")),
        list(&object("a", 110, "Old")),
        event(&stub("a", 200)),
        event(&object("b", 100, "Ann")),
        event(&object("b", 100, "Eve")),
        list(&object("c", 100, "Ann")),
        event(&object("c", 200, "Ann")),
        list(&object("c", 150, "Old")),
    ]
    .concat();
    for rows in [1, 2, 1000] {
        for place in all_places(json!({"batch_rows": rows})).await {
            let counts = place.counts("parents", &input).await;
            let total: u64 = counts.as_object().unwrap().values().filter_map(Value::as_u64).sum();
            assert_eq!(total, 9, "{} {counts}", place.name());
            let expected = ["a Eve deleted 200", "b Eve 100", "c Ann 200"];
            assert_eq!(place.short("parents").await, expected, "{} {rows}", place.name());
        }
    }
}

#[tokio::test]
async fn one_id_of_two_accounts_is_two_rows() {
    for place in all_places(json!({})).await {
        let mut second = object("a", 100, "Eve");
        second["_account_id"] = json!("acct_2");
        let both = list(&object("a", 100, "Ann")) + &list(&second);
        let counts = place.counts("parents", &both).await;
        assert_eq!(counts, json!({"created": 2}), "{}", place.name());
        second["name"] = json!("Mia");
        second["_updated_at"] = json!(200);
        let counts = place.counts("parents", &list(&second)).await;
        assert_eq!(counts, json!({"updated": 1}), "{}", place.name());
        let counts = place.counts("parents", &list(&object("a", 100, "Ann"))).await;
        assert_eq!(counts, json!({"unchanged": 1}), "{}", place.name());
    }
}

#[tokio::test]
async fn a_rotated_url_is_no_change() {
    for place in all_places(json!({})).await {
        let at = |stamp: i64, url: &str| {
            let mut data = object("a", stamp, "Ann");
            data["url"] = json!(url);
            lines::record("parents", &data)
        };
        place.write(&at(100, "one")).await.expect_code(0);
        let again = place.counts("parents", &at(200, "two")).await;
        assert_eq!(again, json!({"unchanged": 1}), "{}", place.name());
    }
}
