//! What a copy is easily short of.

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::run::{Copied, catalog, config, copied, read};

async fn whole_read(fake: &Fake, streams: &[&str]) -> Copied {
    let finished = read(&config(&fake.url, json!({})), &catalog(streams), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    for stream in streams {
        copied.assert_equals(stream, &fake.oracle(stream).await);
        assert!(copied.ended(stream, "complete"), "{stream}");
    }
    copied
}

/// How many records of a stream are so.
fn count(copied: &Copied, stream: &str, is_so: impl Fn(&Value) -> bool) -> usize {
    let all = copied.records[stream].values();
    all.filter(|data| is_so(&serde_json::from_str(data).unwrap())).count()
}

#[tokio::test]
async fn canceled_subscriptions_are_there() {
    let fake = Fake::start("subscriptions=240", &[]).await;
    let copied = whole_read(&fake, &["subscriptions"]).await;
    let canceled = count(&copied, "subscriptions", |object| object["status"] == "canceled");
    assert!(canceled > 0 && canceled < 240, "{canceled}");
}

#[tokio::test]
async fn invoice_lines_beyond_the_tenth_are_there() {
    let fake = Fake::start("invoices=60", &[]).await;
    let copied = whole_read(&fake, &["invoices", "line_items"]).await;
    let lines = |object: &Value| object["lines"]["data"].as_array().unwrap().len();
    assert!(count(&copied, "invoices", |object| lines(object) > 10) > 0);
    let all: usize =
        copied.records["invoices"].values().map(|d| lines(&serde_json::from_str(d).unwrap())).sum();
    assert_eq!(copied.records["line_items"].len(), all);
}

#[tokio::test]
async fn removed_subscription_items_are_told_by_their_subscription() {
    let fake = Fake::start("subscriptions=20", &[]).await;
    let streams = ["subscriptions", "subscription_items"];
    let before = whole_read(&fake, &streams).await;
    let (id, items) = before.records["subscriptions"]
        .iter()
        .find_map(|(id, data)| {
            let object: Value = serde_json::from_str(data).unwrap();
            let items = object["items"].clone();
            (items["data"].as_array().unwrap().len() > 1).then(|| (id.clone(), items))
        })
        .unwrap();
    let removed = items["data"][0]["id"].as_str().unwrap().to_owned();
    let mut fewer = items;
    fewer["data"].as_array_mut().unwrap().remove(0);
    fake.mutate(&json!({"changes": [
        {"stream": "subscriptions", "do": "update", "id": id, "set": {"items": fewer}},
    ]}))
    .await;
    let after =
        read(&config(&fake.url, json!({})), &catalog(&streams), None).run("").await.expect_code(0);
    let told =
        after.of_type("record").into_iter().find(|record| record["record"]["data"]["id"] == *id);
    let prune = told.unwrap()["_prune"][0].clone();
    assert_eq!(
        (&prune["stream"], &prune["where"]),
        (&json!("subscription_items"), &json!({"subscription": id}))
    );
    assert!(!prune["keep"].as_array().unwrap().contains(&json!(removed)), "{prune}");
    assert!(!copied(&after).records["subscription_items"].contains_key(&removed));
}

#[tokio::test]
async fn objects_older_than_the_account_are_there() {
    let created = 1_767_225_600 - 30 * 86_400;
    let fake = Fake::start("charges=700", &["--account-created", &created.to_string()]).await;
    let copied = whole_read(&fake, &["charges"]).await;
    let older = count(&copied, "charges", |object| object["created"].as_i64() < Some(created));
    assert!(older > 500 && older < 700, "{older}");
}

#[tokio::test]
async fn objects_in_the_future_are_there() {
    let now = 1_767_225_600 - 60 * 86_400;
    let fake = Fake::start("charges=700", &["--clock", &now.to_string()]).await;
    let copied = whole_read(&fake, &["charges"]).await;
    let ahead = count(&copied, "charges", |object| object["created"].as_i64() > Some(now));
    assert!(ahead > 50 && ahead < 300, "{ahead}");
}

#[tokio::test]
async fn invoice_items_sorted_by_date_are_there() {
    let fake = Fake::start("invoiceitems=900", &["--latency-ms", "5"]).await;
    let copied = whole_read(&fake, &["invoiceitems"]).await;
    let dated = |object: &Value| object["date"].is_i64() && object.get("created").is_none();
    assert_eq!(count(&copied, "invoiceitems", dated), 900);
    let mut catalog = catalog(&["invoiceitems"]);
    let (from, to) = (1_761_955_200, 1_764_547_200);
    catalog["streams"][0]["time_range"] =
        json!({"gte": "2025-11-01T00:00:00Z", "lt": "2025-12-01T00:00:00Z"});
    let finished = read(&config(&fake.url, json!({})), &catalog, None).run("").await.expect_code(0);
    let mut oracle = fake.oracle("invoiceitems").await;
    oracle.retain(|_, object| {
        let object: Value = serde_json::from_str(object).unwrap();
        (from..to).contains(&object["date"].as_i64().unwrap())
    });
    assert!(!oracle.is_empty() && oracle.len() < 900);
    crate::run::copied(&finished).assert_equals("invoiceitems", &oracle);
}

#[tokio::test]
async fn a_closed_review_arrives_by_its_event() {
    let fake = Fake::start("reviews=20", &[]).await;
    let mut copied = whole_read(&fake, &["reviews"]).await;
    let oracle = fake.oracle("reviews").await;
    // Lists show only open ones: one that was opened and closed between two runs is in none.
    let mut review: Value = serde_json::from_str(oracle.values().next().unwrap()).unwrap();
    review["id"] = json!("prv_closed");
    review["open"] = json!(false);
    review["closed_reason"] = json!("approved");
    let event = json!({
        "type": "review.closed",
        "api_version": "2026-01-28.clover",
        "account": null,
        "data": {"object": review},
    });
    let order = json!({"stream": "events", "do": "create", "set": event});
    fake.mutate(&json!({"changes": [order]})).await;
    let resume = copied.to_resume();
    let later = read(&config(&fake.url, json!({})), &catalog(&["reviews"]), Some(&resume));
    copied.take_in(&later.run("").await.expect_code(0).stdout);
    assert_eq!(count(&copied, "reviews", |object| object["open"] == true), oracle.len());
    let closed: Value = serde_json::from_str(&copied.records["reviews"]["prv_closed"]).unwrap();
    assert_eq!((&closed["open"], &closed["closed_reason"]), (&json!(false), &json!("approved")));
}
