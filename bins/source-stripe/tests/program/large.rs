//! Objects so large that a page of a hundred does not fit into memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::run::{catalog, config, copied, read};
use crate::scripted::{Asked, Scripted, list};

const LARGE: usize = 3_000_000;
const FIRST: i64 = 1_600_000_000;

/// Five large objects and, older than they, 150 small ones.
fn history(asked: &Asked) -> Value {
    let number = |name: &str| asked.query.get(name).and_then(|text| text.parse::<i64>().ok());
    let after = asked.query.get("starting_after").map(|id| id.strip_prefix("cus_").unwrap());
    let after = after.map(|at| at.parse::<i64>().unwrap());
    let (from, to) = (number("created[gte]"), number("created[lt]"));
    let all = (0..155).rev().filter(|at| after.is_none_or(|after| *at < after));
    let created = |at: i64| FIRST + at * 1000;
    let mut left = all.filter(|at| from.is_none_or(|from| created(*at) >= from));
    let mut left = left.by_ref().filter(|at| to.is_none_or(|to| created(*at) < to)).peekable();
    let limit = usize::try_from(number("limit").unwrap()).unwrap();
    let of_size = |at: i64| if at >= 150 { LARGE } else { 10 };
    let object = |at: i64| json!({"id": format!("cus_{at:03}"), "created": created(at), "fat": "x".repeat(of_size(at))});
    let data: Vec<Value> = left.by_ref().take(limit).map(object).collect();
    json!({"object": "list", "data": data, "has_more": left.peek().is_some()})
}

#[tokio::test]
async fn a_page_too_large_for_memory_is_asked_for_again_with_fewer_objects() {
    let stripe = Scripted::start(|asked| match asked.path.as_str() {
        "/v1/customers" => list(&history(asked)),
        _ => list(&json!({"object": "list", "data": [], "has_more": false})),
    })
    .await;
    let finished = read(&config(&stripe.url, json!({})), &catalog(&["customers"]), None).run("");
    let copied = copied(&finished.await.expect_code(0));
    let records = &copied.records["customers"];
    assert_eq!(records.len(), 155);
    assert!(copied.ended("customers", "complete"));
    let large = records.values().filter(|record| record.len() > LARGE).count();
    assert_eq!(large, 5);
    let asked = stripe.asked();
    let mut limits: BTreeMap<String, usize> = BTreeMap::new();
    for asked in asked.iter().filter(|asked| asked.path == "/v1/customers") {
        *limits.entry(asked.query["limit"].clone()).or_default() += 1;
    }
    assert_eq!((asked[0].query["limit"].as_str(), limits["1"] >= 5), ("100", true), "{limits:?}");
    let others: usize = limits.values().sum::<usize>() - limits["1"];
    assert!(others <= 24, "small objects come in large pages again: {limits:?}");
}
