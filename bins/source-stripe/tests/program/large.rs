//! Objects so large that a page of a hundred does not fit into memory.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::run::{catalog, config, copied, read};
use crate::scripted::{Asked, Scripted, list, page};

const LARGE: usize = 3_000_000;
const FIRST: i64 = 1_600_000_000;

/// The numbers below `count` that a page shows, newest first, and whether the list goes on.
pub(crate) fn shown(asked: &Asked, count: i64, created: impl Fn(i64) -> i64) -> (Vec<i64>, bool) {
    let number = |name: &str| asked.query.get(name).and_then(|text| text.parse::<i64>().ok());
    let after = asked.query.get("starting_after").map(|id| id.rsplit_once('_').unwrap().1);
    let after = after.map(|at| at.parse::<i64>().unwrap());
    let (from, to) = (number("created[gte]"), number("created[lt]"));
    let all = (0..count).rev().filter(|at| after.is_none_or(|after| *at < after));
    let mut left = all.filter(|at| from.is_none_or(|from| created(*at) >= from));
    let mut left = left.by_ref().filter(|at| to.is_none_or(|to| created(*at) < to)).peekable();
    let limit = usize::try_from(number("limit").unwrap()).unwrap();
    let page = left.by_ref().take(limit).collect();
    (page, left.peek().is_some())
}

/// A page of eight elements of 1.3 MB each.
fn elements(asked: &Asked, prefix: &str) -> Value {
    let (page, has_more) = shown(asked, 8, |at| at);
    let element = |at: &i64| json!({"id": format!("{prefix}_{at}"), "fat": "x".repeat(1_300_000)});
    let data: Vec<Value> = page.iter().map(element).collect();
    json!({"object": "list", "data": data, "has_more": has_more})
}

fn nothing() -> Value {
    json!({"object": "list", "data": [], "has_more": false})
}

/// How many requests to paths that end so had each limit.
fn limits(stripe: &Scripted, path: &str) -> BTreeMap<String, usize> {
    let mut limits: BTreeMap<String, usize> = BTreeMap::new();
    for asked in stripe.asked().iter().filter(|asked| asked.path.ends_with(path)) {
        *limits.entry(asked.query["limit"].clone()).or_default() += 1;
    }
    limits
}

/// Five large objects and, older than they, 150 small ones.
fn history(asked: &Asked) -> Value {
    let created = |at: i64| FIRST + at * 1000;
    let (page, has_more) = shown(asked, 155, created);
    let of_size = |at: i64| if at >= 150 { LARGE } else { 10 };
    let object = |at: i64| json!({"id": format!("cus_{at:03}"), "created": created(at), "fat": "x".repeat(of_size(at))});
    let data: Vec<Value> = page.into_iter().map(object).collect();
    json!({"object": "list", "data": data, "has_more": has_more})
}

/// Twelve large changes, four seconds apart, from the first moment that is asked for.
fn changes(asked: &Asked, first: i64) -> Value {
    let created = |at: i64| first + 4 * at;
    let (page, has_more) = shown(asked, 12, created);
    let event = |at: i64| {
        let object = json!({"id": format!("cus_{at:03}"), "object": "customer", "fat": "x".repeat(1_300_000)});
        json!({
            "id": format!("evt_{at:03}"), "object": "event", "type": "customer.updated",
            "created": created(at), "api_version": "2026-01-28.clover", "data": {"object": object},
        })
    };
    let data: Vec<Value> = page.into_iter().map(event).collect();
    json!({"object": "list", "data": data, "has_more": has_more})
}

#[tokio::test]
async fn a_page_too_large_for_memory_is_asked_for_again_with_fewer_objects() {
    let stripe = Scripted::start(|asked| match asked.path.as_str() {
        "/v1/customers" => list(&history(asked)),
        _ => list(&nothing()),
    })
    .await;
    let finished = read(&config(&stripe.url, json!({})), &catalog(&["customers"]), None).run("");
    let copied = copied(&finished.await.expect_code(0));
    let records = &copied.records["customers"];
    assert_eq!(records.len(), 155);
    assert!(copied.ended("customers", "complete"));
    let large = records.values().filter(|record| record.len() > LARGE).count();
    assert_eq!(large, 5);
    let limits = limits(&stripe, "/v1/customers");
    let first = stripe.asked()[0].query["limit"].clone();
    assert_eq!((first.as_str(), limits["1"] >= 5), ("100", true), "{limits:?}");
    let others: usize = limits.values().sum::<usize>() - limits["1"];
    assert!(others <= 24, "small objects come in large pages again: {limits:?}");
}

#[tokio::test]
async fn changes_too_large_for_memory_are_asked_for_again_with_fewer_events() {
    let first = Arc::new(OnceLock::new());
    let stripe = Scripted::start(move |asked| match asked.path.as_str() {
        "/v1/events" => {
            let from = asked.query["created[gte]"].parse::<i64>().unwrap();
            list(&changes(asked, *first.get_or_init(|| from)))
        }
        _ => list(&nothing()),
    })
    .await;
    let finished = read(&config(&stripe.url, json!({})), &catalog(&["customers"]), None).run("");
    let copied = copied(&finished.await.expect_code(0));
    assert_eq!(copied.records["customers"].len(), 12);
    assert!(copied.ended("customers", "complete"));
    let limits = limits(&stripe, "/v1/events");
    let all = ["100", "25", "6"].iter().all(|limit| limits.contains_key(*limit));
    assert!(all, "{limits:?}");
}

#[tokio::test]
async fn lists_inside_objects_that_are_too_large_are_asked_for_again_with_fewer_elements() {
    let stripe = Scripted::start(|asked| match asked.path.as_str() {
        "/v1/invoices" => list(&json!({"object": "list", "has_more": false, "data": [
            {"id": "in_1", "created": 5, "lines": {
                "object": "list", "has_more": true, "url": "/v1/invoices/in_1/lines", "data": [],
            }},
        ]})),
        "/v1/invoices/in_1/lines" => list(&elements(asked, "il")),
        _ => list(&nothing()),
    })
    .await;
    let finished = read(&config(&stripe.url, json!({})), &catalog(&["invoices"]), None).run("");
    let copied = copied(&finished.await.expect_code(0));
    let invoice: Value = serde_json::from_str(&copied.records["invoices"]["in_1"]).unwrap();
    let ids: Vec<&str> =
        (0..8).map(|at| invoice["lines"]["data"][at]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["il_7", "il_6", "il_5", "il_4", "il_3", "il_2", "il_1", "il_0"]);
    let limits = limits(&stripe, "/lines");
    assert_eq!(limits, [("100", 1), ("25", 1), ("6", 1), ("3", 1)].map(of).into(), "{limits:?}");
}

#[tokio::test]
async fn lists_under_parents_that_are_too_large_are_asked_for_again_with_fewer_objects() {
    let stripe = Scripted::start(|asked| match asked.path.as_str() {
        "/v1/customers" => list(&page(&[("a", 3), ("b", 2), ("c", 1)], false)),
        "/v1/events" => list(&nothing()),
        path => list(&elements(asked, &format!("txi_{}", path.split('/').nth(3).unwrap()))),
    })
    .await;
    let config = config(&stripe.url, json!({"child_streams": ["customer_tax_ids"]}));
    let finished = read(&config, &catalog(&["customer_tax_ids"]), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    assert_eq!(copied.records["customer_tax_ids"].len(), 24);
    assert!(copied.ended("customer_tax_ids", "complete"));
    let limits = limits(&stripe, "/tax_ids");
    assert!(limits["1"] >= 1 && limits["100"] == 3, "{limits:?}");
}

fn of((limit, count): (&str, usize)) -> (String, usize) {
    (limit.to_owned(), count)
}
