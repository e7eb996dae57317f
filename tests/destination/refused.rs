//! Records that cannot be stored.

use serde_json::json;
use testkit::lines;

use crate::place::{all_places, counts, event, list, object, places};

/// No row of this name is taken.
fn rule(place: &crate::place::Place) -> &'static str {
    if place.name() == "destination-sqlite" {
        "CREATE TRIGGER mine BEFORE INSERT ON parents WHEN new.name = 'Bad' \
         BEGIN SELECT raise(ABORT, 'not here'); END"
    } else {
        "ALTER TABLE stripe.parents ADD CONSTRAINT mine CHECK (name <> 'Bad')"
    }
}

fn no_rule(place: &crate::place::Place) -> &'static str {
    if place.name() == "destination-sqlite" {
        "DROP TRIGGER mine"
    } else {
        "ALTER TABLE stripe.parents DROP CONSTRAINT mine"
    }
}

#[tokio::test]
async fn a_guilty_row_is_kept_apart_and_the_rest_is_stored() {
    for place in places(json!({})).await {
        place.execute(rule(&place)).await;
        let name = |number: u32| if number % 150 == 7 { "Bad" } else { "Ann" };
        let row = |number| list(&object(&format!("x{number:03}"), 1, name(number)));
        let input = (0..400).map(row).collect::<String>() + &lines::state("parents", &json!(1));
        let done = place.write(&input).await.expect_code(0);
        assert_eq!(counts(&done, "parents"), json!({"created": 397, "refused": 3}));
        assert_eq!(done.of_type("source_state").len(), 1, "{}", place.name());
        assert_eq!((place.rows("parents").await.len(), place.letters().await.len()), (397, 3));
    }
}

#[tokio::test]
async fn what_cannot_be_a_row_is_kept_with_the_reason() {
    for place in places(json!({})).await {
        let mut foreign = object("c", 1, "Eve");
        foreign["_account_id"] = json!("acct_9");
        let mut nameless = object("d", 1, "Eve");
        nameless["id"] = json!(null);
        let mut timeless = object("e", 1, "Eve");
        timeless["_updated_at"] = json!("soon");
        let input: String =
            [&foreign, &nameless, &timeless, &object("f", 1, "Ann")].map(event).concat();
        let done = place.counts("parents", &(input.clone() + &input)).await;
        assert_eq!(done, json!({"created": 1, "refused": 6, "unchanged": 1}), "{}", place.name());
        let letters = place.letters().await;
        for (letter, part) in letters.iter().zip(["acct_9", "no value for its key", "`\"soon\"`"]) {
            assert!(letter.0.contains(part), "{letter:?}");
        }
        assert_eq!(letters.len(), 3, "{}: told once each", place.name());
    }
}

#[tokio::test]
async fn a_retry_brings_back_what_fits_now_and_keeps_the_rest() {
    for place in places(json!({})).await {
        place.execute(rule(&place)).await;
        let mut foreign = object("c", 1, "Eve");
        foreign["_account_id"] = json!("acct_9");
        let input = event(&object("a", 7, "Bad")) + &event(&foreign);
        assert_eq!(place.counts("parents", &input).await, json!({"refused": 2}));
        place.run(&["dead-letters", "retry"], "").await.expect_code(0);
        assert_eq!(place.letters().await.len(), 2, "{}", place.name());
        place.execute(no_rule(&place)).await;
        let done = place.run(&["dead-letters", "retry"], "").await.expect_code(0);
        assert_eq!(counts(&done, "parents"), json!({"created": 1, "refused": 1}));
        let left = place.letters().await;
        assert_eq!((left.len(), &left[0].1["_account_id"]), (1, &json!("acct_9")));
        assert_eq!(place.short("parents").await, ["a Bad 7"], "{}", place.name());
    }
}

#[tokio::test]
async fn nasty_values_cost_no_row_and_no_second_write() {
    let documents = [
        r#"{"id":"a","amount":1.5,"name":"\u0000\ud800","_account_id":"acct_1","_updated_at":1}"#.to_owned(),
        r#"{"id":"b","amount":"many","n":9007199254740993,"e":1E3,"z":-0,"_account_id":"acct_1","_updated_at":1}"#.to_owned(),
        r#"{"id":"'\"$1.;--","name":"","amount":1e308,"_account_id":"acct_1","_updated_at":1}"#.to_owned(),
        r#"{"id":"d","id":"d2","name":"one","name":"two","_account_id":"acct_1","_updated_at":1}"#.to_owned(),
        format!(r#"{{"id":"e","deep":{}{},"_account_id":"acct_1","_updated_at":1}}"#, "[".repeat(1000), "]".repeat(1000)),
        format!(r#"{{"id":"{}","name":"😀","_account_id":"acct_1","_updated_at":1}}"#, "k".repeat(100)),
        format!(r#"{{"id":"g","big":"{}","_account_id":"acct_1","_updated_at":1}}"#, "x".repeat(5_000_000)),
    ];
    let input: String = documents.iter().map(|data| lines::raw_record("parents", data)).collect();
    for place in all_places(json!({})).await {
        let first = place.counts("parents", &input).await;
        assert_eq!(first, json!({"created": documents.len()}), "{}", place.name());
        let again = place.counts("parents", &input).await;
        assert_eq!(again, json!({"unchanged": documents.len()}), "{}", place.name());
        let late = input.replace("\"_updated_at\":1}", "\"_updated_at\":0}");
        let late = place.counts("parents", &late).await;
        assert_eq!(late, json!({"unchanged": documents.len()}), "{}", place.name());
    }
}
