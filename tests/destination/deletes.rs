//! Rows of deleted objects, removed.

use serde_json::json;

use crate::place::{event, gone, list, object, places, stub};

#[tokio::test]
async fn a_removed_row_is_not_brought_back_by_anything_older() {
    for place in places(json!({"deletes": "hard"})).await {
        place.write(&list(&object("a", 100, "Ann"))).await.expect_code(0);
        let deleted = place.counts("parents", &event(&stub("a", 200))).await;
        assert_eq!(deleted, json!({"deleted": 1}), "{}", place.name());
        assert!(place.rows("parents").await.is_empty(), "{}", place.name());
        for late in [list(&object("a", 150, "Old")), event(&object("a", 200, "Tie"))] {
            let counts = place.counts("parents", &late).await;
            assert_eq!(counts, json!({"stale": 1}), "{}", place.name());
        }
        place.write(&event(&stub("a", 300))).await.expect_code(0);
        let late = place.counts("parents", &event(&object("a", 250, "Old"))).await;
        assert_eq!(late, json!({"stale": 1}), "{}", place.name());
        place.write(&event(&object("a", 301, "Eve"))).await.expect_code(0);
        assert_eq!(place.short("parents").await, ["a Eve 301"], "{}", place.name());
        place.write(&event(&gone("a", 302, "Eve"))).await.expect_code(0);
        assert!(place.rows("parents").await.is_empty(), "{}", place.name());
    }
}

#[tokio::test]
async fn an_object_that_comes_deleted_leaves_only_its_tombstone() {
    for place in places(json!({"deletes": "hard"})).await {
        let counts = place.counts("parents", &event(&gone("a", 100, "Ann"))).await;
        assert_eq!(counts, json!({"deleted": 1}), "{}", place.name());
        let late = place.counts("parents", &list(&object("a", 90, "Old"))).await;
        assert_eq!(late, json!({"stale": 1}), "{}", place.name());
        assert!(place.rows("parents").await.is_empty(), "{}", place.name());
    }
}

#[tokio::test]
async fn deletes_in_one_batch_end_as_one_by_one() {
    let input = [
        event(&object("a", 100, "Ann")),
        event(&stub("a", 200)),
        list(&object("a", 150, "Old")),
        event(&object("b", 100, "Ann")),
        event(&stub("b", 200)),
        event(&object("b", 300, "Eve")),
    ]
    .concat();
    for rows in [1, 1000] {
        for place in places(json!({"deletes": "hard", "batch_rows": rows})).await {
            place.write(&input).await.expect_code(0);
            assert_eq!(place.short("parents").await, ["b Eve 300"], "{}", place.name());
            let late = place.counts("parents", &list(&object("a", 199, "Old"))).await;
            assert_eq!(late, json!({"stale": 1}), "{}", place.name());
        }
    }
}

#[tokio::test]
async fn a_table_made_anew_has_forgotten_what_was_removed() {
    for place in places(json!({"deletes": "hard"})).await {
        place.write(&event(&stub("a", 200))).await.expect_code(0);
        place.execute("DROP TABLE stripe.parents").await;
        place.run(&["setup"], "").await.expect_code(0);
        let counts = place.counts("parents", &list(&object("a", 100, "Ann"))).await;
        assert_eq!(counts, json!({"created": 1}), "{}", place.name());
    }
}
