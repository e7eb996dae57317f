//! Children that their parent no longer has.

use serde_json::{Value, json};
use testkit::lines;

use crate::place::{all_places, object, places};

/// A record of a child.
pub(crate) fn child(id: &str, parent: &str, stamp: i64) -> String {
    let mut data = object(id, stamp, "Ann");
    data["parent"] = json!(parent);
    lines::record("children", &data)
}

/// A record of a parent that says which children it has.
pub(crate) fn parent(data: &Value, origin: &str, keep: &[&str]) -> String {
    let prune = json!({"stream": "children", "where": {"parent": data["id"]}, "keep": keep});
    lines::line(&json!({
        "type": "record", "_origin": origin, "_prune": [prune],
        "record": {"stream": "parents", "data": data, "emitted_at": "2026-01-01T00:00:00.000Z"},
    }))
}

#[tokio::test]
async fn children_not_kept_are_marked_with_the_stamp_of_their_parent() {
    let expanded = child("e", "p", 100).replace("\"parent\":\"p\"", "\"parent\":{\"id\":\"p\"}");
    let input = [
        child("gone", "p", 100),
        child("kept", "p", 100),
        child("newer", "p", 300),
        child("other", "q", 100),
        expanded,
        parent(&object("p", 200, "Ann"), "list", &["kept"]),
        lines::state("parents", &json!(1)),
    ]
    .concat();
    for place in all_places(json!({})).await {
        let done = place.write(&input).await.expect_code(0);
        assert_eq!(done.of_type("source_state").len(), 1);
        let expected = [
            "e Ann deleted 200",
            "gone Ann deleted 200",
            "kept Ann 100",
            "newer Ann 300",
            "other Ann 100",
        ];
        assert_eq!(place.short("children").await, expected, "{}", place.name());
    }
}

#[tokio::test]
async fn a_prune_counts_whatever_becomes_of_its_record() {
    for place in all_places(json!({})).await {
        let early = parent(&object("p", 500, "Ann"), "event", &[]) + &child("a", "p", 100);
        place.write(&early).await.expect_code(0);
        assert_eq!(place.short("children").await, ["a Ann 100"], "{}", place.name());
        let stale = parent(&object("p", 400, "Old"), "event", &[]);
        let counts = place.counts("parents", &stale).await;
        assert_eq!(counts, json!({"stale": 1}), "{}", place.name());
        assert_eq!(place.short("children").await, ["a Ann deleted 400"], "{}", place.name());
        let page = parent(&object("p", 600, "Ann"), "list", &[]);
        place.write(&page).await.expect_code(0);
        assert_eq!(place.short("children").await, ["a Ann deleted 400"], "{}", place.name());
    }
}

#[tokio::test]
async fn a_child_that_comes_back_later_in_the_input_is_alive() {
    let input = [
        child("a", "p", 100),
        parent(&object("p", 200, "Ann"), "list", &[]),
        child("a", "p", 300),
        child("b", "p", 200),
        parent(&object("p", 400, "Ann"), "list", &["a"]),
    ]
    .concat();
    for place in all_places(json!({})).await {
        place.write(&input).await.expect_code(0);
        let expected = ["a Ann 300", "b Ann deleted 400"];
        assert_eq!(place.short("children").await, expected, "{}", place.name());
    }
}

#[tokio::test]
async fn a_pruned_child_is_removed_where_deletes_are_hard() {
    for place in places(json!({"deletes": "hard"})).await {
        let input = child("a", "p", 100)
            + &child("b", "p", 100)
            + &parent(&object("p", 200, "Ann"), "list", &["b"]);
        place.write(&input).await.expect_code(0);
        assert_eq!(place.short("children").await, ["b Ann 100"], "{}", place.name());
        let late = place.counts("children", &child("a", "p", 150)).await;
        assert_eq!(late, json!({"stale": 1}), "{}", place.name());
    }
}
