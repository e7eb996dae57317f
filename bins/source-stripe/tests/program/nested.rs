//! Lists inside objects, which show ten elements and say where the rest is.

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::run::{catalog, config, copied, read, texts};
use crate::scripted::{Scripted, answer, list};

#[tokio::test]
async fn objects_are_whole_whatever_their_lists_show() {
    let fake = Fake::start("invoices=250,subscriptions=150,charges=100", &[]).await;
    let streams = ["invoices", "subscriptions", "charges"];
    let finished = read(&config(&fake.url, json!({})), &catalog(&streams), None).run("").await;
    let finished = finished.expect_code(0);
    let copied = copied(&finished);
    for stream in streams {
        copied.assert_equals(stream, &fake.oracle(stream).await);
        assert!(copied.ended(stream, "complete"), "{stream}");
    }
    assert!(!finished.stdout.contains(r#""has_more":true"#), "no list is left cut");
    let cut = fake.shown("invoices").await;
    assert!(cut.values().any(|invoice| invoice.contains(r#""has_more":true"#)));
}

#[tokio::test]
async fn whoever_does_not_want_whole_lists_pays_nothing_for_them() {
    let fake = Fake::start("invoices=100", &[]).await;
    let config = config(&fake.url, json!({"expand_lists": false}));
    let copied = copied(&read(&config, &catalog(&["invoices"]), None).run("").await.expect_code(0));
    copied.assert_equals("invoices", &fake.shown("invoices").await);
    assert_eq!(fake.requests("/v1/invoices").await, 1);
}

/// An invoice whose lines go on after the second.
fn invoice() -> Value {
    json!({"object": "list", "has_more": false, "data": [{"id": "in_1", "created": 5, "lines": {
        "object": "list", "has_more": true, "url": "/v1/invoices/in_1/lines",
        "data": [{"id": "il_1"}, {"id": "il_2"}]
    }}]})
}

fn line_ids(record: &str) -> Vec<String> {
    let record: Value = serde_json::from_str(record).unwrap();
    assert_eq!(record["lines"]["has_more"], false);
    let data = record["lines"]["data"].as_array().unwrap();
    data.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_line_deleted_meanwhile_makes_the_list_be_read_from_its_top() {
    let gone = r#"{"error":{"code":"resource_missing","param":"starting_after","message":"gone"}}"#;
    let stripe = Scripted::start(move |asked| {
        if asked.path == "/v1/invoices" {
            return list(&invoice());
        }
        match asked.query.get("starting_after").map(String::as_str) {
            Some("il_2") => answer(400, gone),
            None => list(&json!({"data": [{"id": "il_1"}, {"id": "il_3"}], "has_more": true})),
            Some(_) => list(&json!({"data": [{"id": "il_4"}], "has_more": false})),
        }
    })
    .await;
    let read = read(&config(&stripe.url, json!({})), &catalog(&["invoices"]), None);
    let copied = copied(&read.run("").await.expect_code(0));
    assert_eq!(line_ids(&copied.records["invoices"]["in_1"]), ["il_1", "il_3", "il_4"]);
}

#[tokio::test]
async fn a_list_that_may_not_be_read_stays_cut_and_is_told() {
    let denied =
        r#"{"error":{"type":"invalid_request_error","message":"no permission for lines"}}"#;
    let stripe = Scripted::start(move |asked| {
        if asked.path == "/v1/invoices" { list(&invoice()) } else { answer(403, denied) }
    })
    .await;
    let read = read(&config(&stripe.url, json!({})), &catalog(&["invoices"]), None);
    let finished = read.run("").await.expect_code(0);
    let copied = copied(&finished);
    assert!(copied.records["invoices"]["in_1"].contains(r#""has_more":true"#));
    assert!(copied.ended("invoices", "complete"));
    let logs = texts(&finished, "log", "message").join("\n");
    assert!(logs.contains("`invoices`: 1 lists inside its objects are not whole: "), "{logs}");
    assert!(logs.contains("no permission for lines"), "{logs}");
}

#[tokio::test]
async fn a_list_of_an_object_that_was_deleted_meanwhile_is_no_fault_of_the_address() {
    let gone = r#"{"error":{"code":"resource_missing","param":"id","message":"No such invoice"}}"#;
    let stripe = Scripted::start(move |asked| match asked.path.as_str() {
        "/v1/invoices" => list(&invoice()),
        "/v1/events" => list(&json!({"data": [], "has_more": false})),
        _ => answer(404, gone),
    })
    .await;
    let read = read(&config(&stripe.url, json!({})), &catalog(&["invoices"]), None);
    let finished = read.run("").await.expect_code(0);
    assert!(copied(&finished).ended("invoices", "complete"));
    let logs = texts(&finished, "log", "message").join("\n");
    assert!(logs.contains("are not whole: the object was deleted meanwhile"), "{logs}");
    assert!(!logs.contains("base_url"), "{logs}");
}

#[tokio::test]
async fn a_limit_of_calls_ends_a_page_before_the_first_object_that_is_not_whole() {
    let fake = Fake::start("invoices=90", &[]).await;
    let catalog = catalog(&["invoices"]);
    let mut copy = crate::run::Copied::default();
    for calls in [4, 5, 1_000] {
        let limited = config(&fake.url, json!({"max_api_calls": calls}));
        let resume = copy.to_resume();
        copy.take_in(&read(&limited, &catalog, Some(&resume)).run("").await.expect_code(0).stdout);
    }
    copy.assert_equals("invoices", &fake.oracle("invoices").await);
}
