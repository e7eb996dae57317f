//! Connected accounts, permissions, and what goes wrong with answers and lists.

use std::collections::BTreeSet;

use serde_json::Value;
use stripe_api::Catalogue;

use crate::answer::Delivery;
use crate::app::{App, Asked};
use crate::app_tests::{answer, app, ask, asked_nothing_of_a_version, error, oracle, page_through};

fn ask_as(app: &App, account: &str, path: &str) -> (u16, Value) {
    let asked = asked_nothing_of_a_version();
    let answer = app.answer(Asked { path, account: Some(account), ..asked });
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[test]
fn each_connected_account_has_objects_of_its_own() {
    let app = app("--accounts 2 --objects customers=5");
    let ids: Vec<String> = oracle(&app, "accounts")
        .iter()
        .map(|account| account["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2);
    let mut seen = BTreeSet::new();
    for id in &ids {
        assert_eq!(ask_as(&app, id, "/v1/account").1["id"], **id);
        let (_, customers) = ask_as(&app, id, "/v1/customers");
        assert_eq!(customers["data"].as_array().unwrap().len(), 5);
        assert_eq!(
            Value::from(oracle(&app, &format!("customers?account={id}"))),
            customers["data"]
        );
        seen.insert(customers["data"].to_string());
        assert_eq!(ask_as(&app, id, "/v1/accounts").1["data"], Value::Array(Vec::new()));
    }
    let (_, own) = ask(&app, "/v1/customers");
    seen.insert(own["data"].to_string());
    assert_eq!(seen.len(), 3);
    let me = ask(&app, "/v1/account").1["id"].as_str().unwrap().to_owned();
    assert_eq!(ask_as(&app, &me, "/v1/customers").1, own);
    let body = br#"{"changes": [{"stream": "customers", "do": "toggle"}]}"#;
    let asked = Asked { method: "POST", path: "/__mutate", body, ..asked_nothing_of_a_version() };
    app.answer(Asked { account: Some(&ids[0]), ..asked });
    let (_, events) = ask_as(&app, &ids[0], "/v1/events");
    assert_eq!(events["data"][0]["account"], *ids[0]);
    assert_eq!(ask(&app, "/v1/events").1["data"], Value::Array(Vec::new()));
}

#[test]
fn an_account_that_is_not_connected_is_refused() {
    let (status, body) = ask_as(&app("--objects customers=5"), "acct_x", "/v1/customers");
    assert_eq!((status, &body["error"]["code"]), (403, &Value::from("account_invalid")));
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("does not have access to account 'acct_x'"), "{message}");
}

#[test]
fn a_permission_covers_all_that_is_read_with_it() {
    let app = app("--restrict rak_charge_read,rak_plan_read,account,tax_ids --objects all=2");
    for (path, permission) in [
        ("/v1/charges", "rak_charge_read"),
        ("/v1/refunds", "rak_charge_read"),
        ("/v1/prices", "rak_plan_read"),
        ("/v1/plans/plan_1", "rak_plan_read"),
        ("/v1/tax_ids", "rak_tax_id_read"),
        ("/v1/account", "rak_accounts_kyc_basic_read"),
    ] {
        let (status, error) = error(&app, path);
        assert_eq!(status, 403, "{path}");
        assert!(error["message"].as_str().unwrap().contains(permission), "{error}");
    }
    assert_eq!(ask(&app, "/v1/customers").0, 200);
}

#[test]
fn a_fault_strikes_the_request_it_is_meant_for() {
    let rules = "--fault path=/v1/charges,nth=2,kind=429,seconds=7 --fault path=/v1/charges,nth=3,kind=empty --fault path=/v1/charges,nth=4,kind=reset --fault path=/v1/charges,nth=5,kind=403";
    let app = app(&format!("--objects charges=3 {rules}"));
    let get = || answer(&app, "/v1/charges");
    let whole = get();
    let limited = get();
    assert_eq!((whole.status, limited.status), (200, 429));
    assert!(limited.headers.contains(&("retry-after", "7".to_owned())));
    assert!(get().body.is_empty());
    let reset = get();
    assert_eq!((reset.status, reset.delivery), (200, Delivery::Broken));
    assert_eq!(reset.body, whole.body, "the half of it is sent");
    let forbidden = get();
    assert_eq!(forbidden.status, 403);
    assert!(String::from_utf8(forbidden.body).unwrap().contains("rak_charge_read"));
    assert_eq!(get().body, whole.body);
}

#[test]
fn chance_strikes_its_share_and_nothing_of_ours() {
    let app = app("--objects customers=3 --fault-rate 0.3 --fault-seed 5 --fault-kinds 500,html");
    let kinds: Vec<(u16, bool)> = (0..400)
        .map(|_| answer(&app, "/v1/customers"))
        .map(|answer| (answer.status, answer.body.starts_with(b"<html>")))
        .collect();
    let count = |kind| kinds.iter().filter(|found| **found == kind).count();
    assert!((40..85).contains(&count((500, false))), "{}", count((500, false)));
    assert!((40..85).contains(&count((200, true))), "{}", count((200, true)));
    let (_, stats) = ask(&app, "/__stats");
    assert_eq!(stats["by_fault"]["500"], count((500, false)));
    assert_eq!(stats["by_fault"]["html"], count((200, true)));
    assert_eq!(count((200, false)) + count((500, false)) + count((200, true)), 400);
    assert!((0..100).all(|_| answer(&app, "/__oracle/customers").status == 200));
}

#[test]
fn a_repeated_object_stands_on_two_pages_and_none_is_lost() {
    let app =
        app("--objects customers=50 --fault path=/v1/customers,nth=1,times=99,kind=duplicate");
    let facts = Catalogue::embedded().stream("customers").unwrap();
    let mut paged = page_through(&app, facts);
    assert!(paged.len() > 50);
    paged.dedup();
    assert_eq!(paged, oracle(&app, "customers"));
}

#[test]
fn a_list_out_of_order_is_whole_and_rises_within_and_across_pages() {
    let app = app("--objects customers=50 --disorder customers");
    let facts = Catalogue::embedded().stream("customers").unwrap();
    let paged = page_through(&app, facts);
    let created = |object: &Value| object["created"].as_i64().unwrap();
    let rises = paged.windows(2).filter(|pair| created(&pair[1]) > created(&pair[0])).count();
    assert!(rises >= 3, "{rises}");
    assert!(created(&paged[7]) > created(&paged[6]), "from the first page to the second");
    let mut sorted = paged.clone();
    sorted.sort_by_key(|object| -created(object));
    assert_eq!(sorted, oracle(&app, "customers"));
    let (gte, lt) = (created(&sorted[29]), created(&sorted[9]));
    let filter = format!("/v1/customers?limit=100&created[gte]={gte}&created[lt]={lt}");
    assert_eq!(ask(&app, &filter).1["data"].as_array().unwrap().len(), 20);
}
