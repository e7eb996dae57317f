//! What goes wrong on the way, and what the program makes of it.

use axum::body::Body;
use futures_util::stream;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::run::{catalog, config, copied, read, texts};
use crate::scripted::{Asked, Scripted, answer, list, page};

#[tokio::test]
async fn failures_that_pass_are_tried_again() {
    for status in ["500", "503", "409"] {
        let rule = format!("path=/v1/charges,status={status},times=2");
        let fake = Fake::start("charges=150", &["--fail", &rule]).await;
        let finished =
            read(&config(&fake.url, json!({})), &catalog(&["charges"]), None).run("").await;
        copied(&finished.expect_code(0)).assert_equals("charges", &fake.oracle("charges").await);
    }
}

#[tokio::test]
async fn a_rate_limit_makes_it_slower_and_nothing_else() {
    let fake = Fake::start("charges=900", &["--endpoint-rps", "6"]).await;
    let finished = read(&config(&fake.url, json!({})), &catalog(&["charges"]), None).run("").await;
    let finished = finished.expect_code(0);
    copied(&finished).assert_equals("charges", &fake.oracle("charges").await);
    let logs = texts(&finished, "log", "message");
    assert!(logs[0].contains("limits the rate of `/v1/charges` (endpoint-rate)"), "{logs:?}");
}

#[tokio::test]
async fn a_wrong_key_fails_the_connection() {
    let fake = Fake::start("charges=1", &["--api-key", "sk_test_right0000000000"]).await;
    let finished = read(&config(&fake.url, json!({})), &catalog(&["charges"]), None).run("").await;
    let finished = finished.expect_code(1);
    let status = finished.of_type("connection_status").remove(0);
    assert_eq!(
        (&status["connection_status"]["status"], &status["_class"]),
        (&json!("failed"), &json!("credentials"))
    );
    assert_eq!(finished.stderr.lines().count(), 1);
}

#[tokio::test]
async fn what_the_key_may_not_read_and_the_account_does_not_have_is_skipped() {
    let arguments = ["--restrict", "charges", "--not-enabled", "issuing_cards"];
    let fake = Fake::start("all=12", &arguments).await;
    let streams = ["charges", "issuing_cards", "customers"];
    let finished = read(&config(&fake.url, json!({})), &catalog(&streams), None).run("").await;
    let finished = finished.expect_code(0);
    let copied = copied(&finished);
    assert!(copied.ended("charges", "skip") && copied.ended("issuing_cards", "skip"));
    copied.assert_equals("customers", &fake.oracle("customers").await);
    let reasons = texts(&finished, "stream_status", "reason").join("\n");
    assert!(
        reasons.contains("403") && reasons.contains("read permission for `charges`"),
        "{reasons}"
    );
    assert!(reasons.contains("GET /v1/issuing/cards"), "{reasons}");
    assert!(!copied.state.contains_key("charges"), "a skipped stream holds nothing");
}

#[tokio::test]
async fn a_key_that_may_read_nothing_fails_the_connection() {
    let fake = Fake::start("all=2", &["--restrict", "charges,customers"]).await;
    let streams = catalog(&["charges", "customers"]);
    let finished = read(&config(&fake.url, json!({})), &streams, None).run("").await.expect_code(1);
    assert_eq!(finished.of_type("connection_status")[0]["_class"], "permission");
}

#[tokio::test]
async fn a_refusal_of_one_list_fails_its_stream_and_no_other() {
    let fake = Fake::start("charges=5,customers=5", &[]).await;
    let wrong = json!({"list_params": {"charges": {"nonsense": "x"}}});
    let streams = catalog(&["charges", "customers"]);
    let finished = read(&config(&fake.url, wrong), &streams, None).run("").await.expect_code(0);
    let copied = copied(&finished);
    assert!(copied.ended("charges", "error") && copied.ended("customers", "complete"));
    let errors = texts(&finished, "stream_status", "error").join("");
    assert!(
        errors.contains("listing `charges` (GET /v1/charges): 400 `parameter_unknown`"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_body_that_is_no_whole_list_is_asked_for_again() {
    let stripe = Scripted::start(|asked| match asked.before {
        0 => answer(200, "<html>a portal</html>"),
        1 => answer(200, r#"{"object":"list","data":[{"id":"c"#),
        2 => answer(
            200,
            Body::from_stream(stream::iter([Ok("{"), Err(std::io::Error::other("reset"))])),
        ),
        _ => list(&page(&[("cus_1", 1_600_000_000)], false)),
    })
    .await;
    let config = config(&stripe.url, json!({"poll_events": false}));
    let finished = read(&config, &catalog(&["customers"]), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    assert_eq!(copied.records["customers"].len(), 1);
    assert!(copied.ended("customers", "complete"));
    assert_eq!(stripe.asked().len(), 4);
}

fn history(asked: &Asked) -> Value {
    let objects = [
        ("c4", 1_600_000_400),
        ("c3", 1_600_000_300),
        ("c2", 1_600_000_200),
        ("c1", 1_600_000_100),
    ];
    let from = asked
        .query
        .get("starting_after")
        .map_or(0, |after| objects.iter().position(|(id, _)| id == after).unwrap() + 1);
    let to = (from + 2).min(objects.len());
    page(&objects[from..to], to < objects.len())
}

#[tokio::test]
async fn a_page_says_who_asks_and_for_what() {
    let stripe = Scripted::start(|asked| list(&history(asked))).await;
    let config = config(
        &format!("{}/prefix/", stripe.url),
        json!({"account": "acct_1", "max_in_flight": 1}),
    );
    let finished = read(&config, &catalog(&["customers"]), None).run("").await;
    assert_eq!(copied(&finished.expect_code(0)).records["customers"].len(), 4);
    let asked = stripe.asked();
    assert_eq!(asked[0].path, "/prefix/v1/customers");
    assert_eq!(asked[0].query, [("limit".to_owned(), "100".to_owned())].into());
    assert_eq!(asked[1].query["starting_after"], "c3");
    let header = |name: &str| asked[0].headers[name].clone();
    assert_eq!(header("authorization"), "Bearer sk_test_0123456789abcd");
    assert_eq!(header("stripe-version"), "2026-01-28.clover");
    assert_eq!(header("stripe-account"), "acct_1");
    assert_eq!(header("user-agent"), concat!("sync-engine/", env!("CARGO_PKG_VERSION")));
    assert!(header("accept-encoding").contains("gzip"));
}

#[tokio::test]
async fn an_object_deleted_under_the_cursor_repeats_a_second_and_loses_nothing() {
    let gone = r#"{"error":{"code":"resource_missing","param":"starting_after","message":"gone"}}"#;
    let stripe = Scripted::start(move |asked| {
        if asked.query.contains_key("starting_after") {
            return answer(400, gone);
        }
        list(&match asked.query.get("created[lt]").map(String::as_str) {
            Some("1600000301") => page(&[("c2", 1_600_000_200), ("c1", 1_600_000_100)], false),
            _ => page(&[("c4", 1_600_000_400), ("c3", 1_600_000_300)], true),
        })
    })
    .await;
    let one_by_one = config(&stripe.url, json!({"max_in_flight": 1}));
    let finished = read(&one_by_one, &catalog(&["customers"]), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    assert_eq!(copied.records["customers"].keys().collect::<Vec<_>>(), ["c1", "c2", "c3", "c4"]);
    assert!(copied.ended("customers", "complete"));
}

#[tokio::test]
async fn a_list_out_of_order_is_read_to_its_end_with_a_warning() {
    let stripe =
        Scripted::start(|asked| match asked.query.get("starting_after").map(String::as_str) {
            None => list(&page(&[("c1", 1_600_000_100), ("c3", 1_600_000_300)], true)),
            Some("c3") => list(&page(&[("c2", 1_600_000_200)], false)),
            Some(_) => answer(400, "{}"),
        })
        .await;
    let finished =
        read(&config(&stripe.url, json!({})), &catalog(&["customers"]), None).run("").await;
    let finished = finished.expect_code(0);
    assert_eq!(copied(&finished).records["customers"].len(), 3);
    assert!(texts(&finished, "log", "message")[0].contains("not in order of time"));
}

#[tokio::test]
async fn stamps_come_from_stripes_clock_whatever_ours_says() {
    let stripe = Scripted::start(|_| {
        let object = json!({"id": "c1", "created": 5});
        let updated = json!({"id": "c2", "created": 4, "updated": 77});
        let mut answer =
            list(&json!({"object": "list", "data": [object, updated], "has_more": false}));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap();
        answer.headers_mut().insert("date", date);
        answer
    })
    .await;
    let finished =
        read(&config(&stripe.url, json!({})), &catalog(&["customers"]), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    let stamp = |id: &str| {
        let record: Value = serde_json::from_str(&copied.records["customers"][id]).unwrap();
        record["_updated_at"].as_i64().unwrap()
    };
    assert_eq!(stamp("c1"), 784_111_777 - 10);
    assert_eq!(stamp("c2"), 77);
}
