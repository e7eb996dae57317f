//! Whole requests and their answers, without a network.

use std::collections::BTreeMap;

use clap::Parser as _;
use serde_json::Value;
use stripe_api::{Catalogue, Field, FieldKind, StreamFacts};

use crate::answer::Answer;
use crate::app::{App, Asked};
use crate::cli::Arguments;
use crate::objects::Facts;

pub(crate) fn app(line: &str) -> App {
    let arguments = Arguments::parse_from(["fake-stripe"].into_iter().chain(line.split(' ')));
    let facts = Facts::embedded();
    App::new(&arguments.population(facts).unwrap(), arguments.behaviour(facts).unwrap())
}

pub(crate) fn answer(app: &App, address: &str) -> Answer {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let authorization = Some("Bearer sk_test_1");
    app.answer(Asked { path, query, authorization, ..asked_nothing_of_a_version() })
}

pub(crate) fn ask(app: &App, address: &str) -> (u16, Value) {
    let answer = answer(app, address);
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

pub(crate) fn error(app: &App, address: &str) -> (u16, Value) {
    let (status, body) = ask(app, address);
    (status, body["error"].clone())
}

pub(crate) fn oracle(app: &App, stream: &str) -> Vec<Value> {
    let body = answer(app, &format!("/__oracle/{stream}")).body;
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Reads a list to its end, as a client does.
pub(crate) fn page_through(app: &App, facts: &StreamFacts) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let mut query: Vec<String> =
            facts.fixed_params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if facts.accepts.limit {
            query.push("limit=7".to_owned());
        }
        if let Some(last) = found.last() {
            query.push(format!("starting_after={}", last["id"].as_str().unwrap()));
        }
        let (status, page) = ask(app, &format!("{}?{}", facts.path, query.join("&")));
        assert_eq!(status, 200, "{}: {page}", facts.path);
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return found;
        }
    }
}

#[test]
fn paging_through_any_list_gives_what_the_oracle_holds() {
    let app = app("--objects all=30");
    let (_, counts) = ask(&app, "/__oracle");
    for facts in &Catalogue::embedded().streams {
        assert_eq!(counts[&facts.name], 30);
        assert_eq!(page_through(&app, facts), oracle(&app, &facts.name), "{}", facts.name);
    }
}

fn fits(field: &Field, value: &Value) -> bool {
    match field.kind {
        _ if value.is_null() => field.nullable,
        FieldKind::String => value.is_string(),
        FieldKind::Integer => value.is_i64(),
        FieldKind::Number => value.is_number(),
        FieldKind::Boolean => value.is_boolean(),
        FieldKind::Object => value.is_object(),
        FieldKind::Array => value.is_array(),
    }
}

#[test]
fn every_object_is_true_to_the_catalogue() {
    let app = app("--objects all=30");
    for facts in &Catalogue::embedded().streams {
        let fields: BTreeMap<&str, &Field> =
            facts.fields.iter().map(|field| (field.name.as_str(), field)).collect();
        for object in oracle(&app, &facts.name) {
            for (name, value) in object.as_object().unwrap() {
                let field =
                    fields.get(name.as_str()).unwrap_or_else(|| panic!("{name} is no field"));
                assert!(fits(field, value), "{}.{name}: {value}", facts.name);
            }
            let is_there = |field: &&Field| object.get(&field.name).is_some();
            assert!(
                facts.fields.iter().filter(|field| field.required).all(|field| is_there(&field))
            );
            assert_eq!(object["object"], facts.object);
        }
    }
}

#[test]
fn one_object_is_printed_as_it_is_in_the_list() {
    let app = app("--objects customers=5");
    let listed = oracle(&app, "customers");
    for customer in &listed {
        let address = format!("/v1/customers/{}", customer["id"].as_str().unwrap());
        assert_eq!(ask(&app, &address), (200, customer.clone()));
        let body = String::from_utf8(answer(&app, &address).body).unwrap();
        assert!(body.starts_with("{\n  \"id\": \"cus_"), "{body}");
    }
}

#[test]
fn a_page_is_printed_as_stripe_prints_it() {
    let app = app("--objects tax_codes=2");
    let text = |address| String::from_utf8(answer(&app, address).body).unwrap();
    let page = text("/v1/tax_codes");
    let start = "{\n  \"object\": \"list\",\n  \"data\": [\n    {\n      \"id\": \"txcd_";
    assert!(page.starts_with(start), "{page}");
    assert!(page.contains("\n    },\n    {\n      \"id\": "), "{page}");
    let end = "\n    }\n  ],\n  \"has_more\": false,\n  \"url\": \"/v1/tax_codes\"\n}\n";
    assert!(page.ends_with(end), "{page}");
    assert!(text("/v1/charges").contains("\"data\": [],"), "an empty list has no lines");
}

#[test]
fn a_seed_means_the_same_objects_in_any_order() {
    let (first, second) = (app("--objects all=20 --seed 3"), app("--objects all=20 --seed 3"));
    let addresses = ["/v1/charges?limit=20", "/v1/invoices?limit=20", "/v1/customers"];
    let forth: Vec<Vec<u8>> = addresses.iter().map(|a| answer(&first, a).body).collect();
    let mut back: Vec<Vec<u8>> = addresses.iter().rev().map(|a| answer(&second, a).body).collect();
    back.reverse();
    assert_eq!(forth, back);
    let other = app("--objects all=20 --seed 4");
    assert_ne!(answer(&other, "/v1/charges?limit=20").body, forth[0]);
}

#[test]
fn references_lead_to_objects_that_exist() {
    let app = app("--objects all=40");
    let mut found = 0;
    for charge in oracle(&app, "charges") {
        for (property, path) in [("customer", "customers"), ("payment_intent", "payment_intents")] {
            let Some(id) = charge[property].as_str() else { continue };
            assert_eq!(ask(&app, &format!("/v1/{path}/{id}")).0, 200, "{id}");
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn a_list_inside_an_object_shows_ten() {
    let app = app("--objects invoices=24,subscriptions=24");
    for (stream, list) in [("invoices", "lines"), ("subscriptions", "items")] {
        let objects = oracle(&app, stream);
        let lists: Vec<&Value> = objects.iter().map(|object| &object[list]).collect();
        let shown = |list: &&&Value| list["data"].as_array().unwrap().len();
        assert!(lists.iter().all(|list| shown(&list) <= 10));
        let cut = lists.iter().filter(|list| list["has_more"] == true);
        let cut: Vec<usize> = cut.map(|list| shown(&list)).collect();
        assert_eq!(cut, [10, 10], "{stream}");
    }
}

#[test]
fn metadata_has_what_breaks_parsers() {
    let app = app("--objects customers=24");
    let text = String::from_utf8(answer(&app, "/__oracle/customers").body).unwrap();
    for needle in ["größe", "🎉", "\\\\\\\\c", "\\u00a0", "\"metadata\":{}"] {
        assert!(text.contains(needle), "{needle}");
    }
}

#[test]
fn subscriptions_leave_out_canceled_ones_unless_asked() {
    let app = app("--objects subscriptions=48");
    let listed = |query: &str| -> Vec<Value> {
        ask(&app, &format!("/v1/subscriptions?limit=100{query}")).1["data"]
            .as_array()
            .unwrap()
            .clone()
    };
    let (usual, all, canceled) = (listed(""), listed("&status=all"), listed("&status=canceled"));
    assert!(!canceled.is_empty());
    assert_eq!(usual.len() + canceled.len(), all.len());
    assert!(usual.iter().all(|subscription| subscription["status"] != "canceled"));
    assert_eq!(error(&app, "/v1/subscriptions?status=happy").0, 400);
}

#[test]
fn a_cursor_that_leads_nowhere_is_missing() {
    let app = app("--objects customers=3");
    let (status, error) = error(&app, "/v1/customers?starting_after=cus_x");
    assert_eq!(status, 400);
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(error["param"], "starting_after");
    assert_eq!(error["message"], "No such customer: 'cus_x'");
    assert_eq!(error["type"], "invalid_request_error");
}

#[test]
fn what_is_not_there_is_told() {
    let app = app("--objects customers=3");
    assert_eq!(error(&app, "/v1/customers/cus_x").0, 404);
    let (status, error) = error(&app, "/v1/custmers");
    assert_eq!(status, 404);
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Unrecognized request URL (GET: /v1/custmers)."), "{message}");
    let asked = Asked { method: "POST", path: "/v1/customers", query: "", ..asked_nothing() };
    assert_eq!(app.answer(asked).status, 404);
}

fn asked_nothing() -> Asked<'static> {
    Asked { version: Some("2024-06-20"), ..asked_nothing_of_a_version() }
}

pub(crate) fn asked_nothing_of_a_version() -> Asked<'static> {
    Asked {
        method: "GET",
        path: "/",
        query: "",
        authorization: Some("Bearer sk_test_1"),
        version: None,
        account: None,
        host: None,
        idempotency_key: None,
        body: b"",
    }
}

#[test]
fn a_key_without_permission_is_told_which() {
    let app = app("--restrict charges --not-enabled issuing_cards,treasury_financial_accounts");
    let (status, restricted) = error(&app, "/v1/charges");
    assert_eq!((status, &restricted["code"]), (403, &Value::from("more_permissions_required")));
    assert!(restricted["message"].as_str().unwrap().contains("rak_charge_read"));
    let (status, not_enabled) = error(&app, "/v1/issuing/cards");
    assert_eq!(status, 400);
    assert!(not_enabled["message"].as_str().unwrap().contains("not set up to use Issuing"));
    let (_, treasury) = error(&app, "/v1/treasury/financial_accounts");
    assert!(treasury["message"].as_str().unwrap().contains("onboarded to Treasury"));
    assert_eq!(ask(&app, "/v1/customers").0, 200);
}

#[test]
fn a_wrong_key_learns_nothing() {
    let app = app("--api-key sk_test_right --fail path=/v1/*,status=500");
    let asked = Asked { path: "/v1/customers", ..asked_nothing() };
    assert_eq!(app.answer(asked).status, 401);
    let right = Asked { authorization: Some("Bearer sk_test_right"), ..asked };
    assert_eq!(app.answer(right).status, 500, "the failure waits for the right key");
}

#[test]
fn an_answer_carries_stripes_headers() {
    let app = app("--endpoint-rps 1 --objects all=1");
    let header = |answer: &Answer, name: &str| {
        answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    let first = app.answer(Asked { path: "/v1/charges", ..asked_nothing() });
    assert!(header(&first, "request-id").unwrap().starts_with("req_"));
    assert_eq!(header(&first, "stripe-version").as_deref(), Some("2024-06-20"));
    let second = answer(&app, "/v1/charges");
    assert_eq!(second.status, 429);
    assert_eq!(header(&second, "stripe-rate-limited-reason").as_deref(), Some("endpoint-rate"));
    assert_eq!(header(&second, "stripe-version").as_deref(), Some("2026-01-28.clover"));
}

#[test]
fn the_account_is_as_old_as_its_objects() {
    let app = app("--objects charges=50 --span-days 10 --newest 1000000000");
    let (_, account) = ask(&app, "/v1/account");
    assert!(account["id"].as_str().unwrap().starts_with("acct_"));
    assert_eq!(account["created"], 1_000_000_000 - 864_000);
    let oldest = oracle(&app, "charges").pop().unwrap()["created"].as_i64().unwrap();
    assert!((999_136_000..1_000_000_000).contains(&oldest));
    let young = self::app("--objects charges=50 --newest 1000000000 --account-created 990000000");
    assert_eq!(ask(&young, "/v1/account").1["created"], 990_000_000);
    let (_, same) = ask(&app, &format!("/v1/accounts/{}", account["id"].as_str().unwrap()));
    assert_eq!(same, account);
}

#[test]
fn nothing_was_changed_before_it_was_made_or_after_the_account_was_filled() {
    let app = app("--objects products=300 --span-days 20 --newest 1000000000");
    let products = oracle(&app, "products");
    let times = |name: &str| products.iter().map(|one| one[name].as_i64().unwrap()).collect();
    let (created, updated): (Vec<i64>, Vec<i64>) = (times("created"), times("updated"));
    assert!(created.iter().zip(&updated).all(|(created, updated)| created <= updated));
    assert!(updated.iter().all(|updated| *updated < 1_000_000_000));
    assert_ne!(created, updated);
}
