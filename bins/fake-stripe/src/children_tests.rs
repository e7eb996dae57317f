//! Lists inside objects, under parents, and of API v2: what is paged is what the oracle holds.

use std::collections::BTreeSet;

use serde_json::Value;
use stripe_api::Catalogue;

use crate::app_tests::{app, ask, error, oracle};

/// Reads a list to its end by `starting_after`.
fn page_through(app: &crate::app::App, url: &str, limit: usize) -> Vec<Value> {
    if url.starts_with("/v2") {
        return v2_pages(app, url).concat();
    }
    let mut found: Vec<Value> = Vec::new();
    let joint = if url.contains('?') { '&' } else { '?' };
    loop {
        let after = found.last().map(|last| last["id"].as_str().unwrap().to_owned());
        let after = after.map_or(String::new(), |id| format!("&starting_after={id}"));
        let (status, page) = ask(app, &format!("{url}{joint}limit={limit}{after}"));
        assert_eq!(status, 200, "{url}: {page}");
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return found;
        }
    }
}

/// Reads a list of API v2 to its end, page by page.
fn v2_pages(app: &crate::app::App, url: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut url) = (Vec::new(), Some(url.to_owned()));
    while let Some(at) = url {
        let (status, page) = ask(app, &at);
        assert_eq!(status, 200, "{page}");
        pages.push(page["data"].as_array().unwrap().clone());
        url = page["next_page_url"].as_str().map(str::to_owned);
    }
    pages
}

#[test]
fn a_list_inside_an_object_goes_on_at_its_own_address() {
    let line = "--objects all=0,invoices=24,subscriptions=24,credit_notes=24,transfers=24,application_fees=24,radar_value_lists=24";
    let app = app(line);
    let lists = [
        ("invoices", "lines", "line_items"),
        ("subscriptions", "items", "subscription_items"),
        ("credit_notes", "lines", "credit_note_line_items"),
        ("transfers", "reversals", "transfer_reversals"),
        ("application_fees", "refunds", "fee_refunds"),
        ("radar_value_lists", "list_items", "radar_value_list_items"),
    ];
    for (stream, name, children) in lists {
        let whole: Vec<Value> = oracle(&app, &format!("{stream}?lists=whole"));
        let mut all = Vec::new();
        for (shown, whole) in oracle(&app, stream).iter().zip(&whole) {
            let (list, whole) = (&shown[name], &whole[name]["data"]);
            let paged = page_through(&app, list["url"].as_str().unwrap(), 7);
            assert_eq!(&Value::from(paged.clone()), whole, "{stream}");
            assert_eq!(list["total_count"], paged.len());
            assert_eq!(list["has_more"], paged.len() > 10);
            let shown = list["data"].as_array().unwrap();
            assert_eq!(shown[..], paged[..shown.len()]);
            all.extend(paged);
        }
        let ids: BTreeSet<&str> = all.iter().map(|child| child["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), all.len(), "{stream}: every element has an id of its own");
        assert!(all.len() > 24, "{stream}");
        assert_eq!(oracle(&app, children), all);
    }
}

#[test]
fn whole_lists_are_all_that_tells_whole_objects_from_shown_ones() {
    let app = app("--objects invoices=12,customers=12");
    assert_eq!(oracle(&app, "customers"), oracle(&app, "customers?lists=whole"));
    let whole = oracle(&app, "invoices?lists=whole");
    let differ = oracle(&app, "invoices").iter().zip(&whole).filter(|(a, b)| a != b).count();
    assert_eq!(differ, 1);
    assert!(whole.iter().all(|invoice| invoice["lines"]["has_more"] == false));
}

/// The address of a list under one parent.
fn address(path: &str, required: &[String], parent: &Value) -> String {
    let id = parent["id"].as_str().unwrap();
    let is_in_path = path.contains('{');
    let path = match path.split_once('{').zip(path.split_once('}')) {
        Some(((before, _), (_, after))) => format!("{before}{id}{after}"),
        None => path.to_owned(),
    };
    let rest = required.iter().skip(usize::from(is_in_path)).enumerate().map(|(at, name)| {
        let value = if at == 0 && !is_in_path { id } else { parent[name].as_str().unwrap_or("1") };
        format!("{name}={value}")
    });
    let query: Vec<String> = rest.collect();
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

#[test]
fn every_list_under_a_parent_gives_what_the_oracle_holds() {
    let app = app("--objects all=14");
    let catalogue = Catalogue::embedded();
    let mut served = Vec::new();
    for list in app.world().child_lists() {
        let facts = list.facts;
        let mut found = BTreeSet::new();
        for parent in oracle(&app, &list.parent.name) {
            if list.properties().any(|(_, property)| parent[property].is_null()) {
                continue;
            }
            let url = address(&facts.path, &facts.required_params, &parent);
            let elements = match facts.name.as_str() {
                "capabilitys" => ask(&app, &url).1["data"].as_array().unwrap().clone(),
                _ => page_through(&app, &url, 4),
            };
            let names: Vec<&str> = elements.iter().filter_map(|e| e["id"].as_str()).collect();
            assert_eq!(names.len(), elements.len(), "{}", facts.path);
            found.extend(names.into_iter().map(str::to_owned));
            if let Some(named) = elements.first().and_then(|e| e.get(list.parameter().0)) {
                let is_same = list.parameter().0 == "id" || *named == parent["id"];
                assert!(is_same, "{}: {named}", facts.path);
            }
        }
        let all = oracle(&app, list.name);
        let all: BTreeSet<&str> = all.iter().filter_map(|object| object["id"].as_str()).collect();
        assert!(found.iter().all(|id| all.contains(id.as_str())), "{}", facts.path);
        assert!(!found.is_empty(), "{}", facts.path);
        served.push(facts.path.as_str());
    }
    let unserved = ["apps_secrets", "payment_attempt_records", "source_transactions"];
    let gone = ["/v1/linked_accounts/{account}/owners"];
    let all = catalogue.parent_keyed.iter().filter(|list| {
        !unserved.contains(&list.name.as_str())
            && !gone.contains(&list.path.as_str())
            && !list.name.starts_with("tax_calculation")
            && !list.name.starts_with("tax_transaction")
    });
    assert_eq!(served, all.map(|list| list.path.as_str()).collect::<Vec<_>>());
}

#[test]
fn a_parent_that_is_not_there_is_told() {
    let app = app("--objects all=2");
    let (status, missing) = error(&app, "/v1/invoices/in_x/lines");
    assert_eq!((status, &missing["message"]), (404, &Value::from("No such invoice: 'in_x'")));
    let (status, missing) = error(&app, "/v1/subscription_items?subscription=sub_x");
    assert_eq!((status, &missing["param"]), (400, &Value::from("subscription")));
    let (status, missing) = error(&app, "/v1/subscription_items");
    assert_eq!(status, 400);
    assert_eq!(missing["message"], "Missing required param: subscription.");
    let first = oracle(&app, "accounts")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(error(&app, &format!("/v1/accounts/{first}/capabilities?limit=3")).0, 400);
    let (status, missing) = error(&app, &format!("/v1/accounts/{first}/persons?starting_after=x"));
    assert_eq!((status, &missing["code"]), (400, &Value::from("resource_missing")));
}

#[test]
fn a_v2_list_is_paged_by_the_address_of_the_next_page() {
    let app = app("--objects all=45");
    for facts in &Catalogue::embedded().v2_streams {
        let pages = v2_pages(&app, &facts.path);
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 5]);
        let found = pages.concat();
        assert_eq!(found, oracle(&app, &facts.name));
        for object in &found {
            assert_eq!(object["object"], facts.object);
            assert!(object["created"].as_str().unwrap().ends_with(".000Z"), "{object}");
            let id = object["id"].as_str().unwrap();
            assert_eq!(ask(&app, &format!("{}/{id}", facts.path)), (200, object.clone()));
        }
    }
}

#[test]
fn a_v2_list_takes_a_range_of_time_across_its_pages() {
    let app = app("--objects v2_core_events=50");
    let all = oracle(&app, "v2_core_events");
    let (gte, lt) = (all[39]["created"].as_str().unwrap(), all[9]["created"].as_str().unwrap());
    let url = format!("/v2/core/events?limit=8&created[gte]={gte}&created[lt]={lt}");
    assert_eq!(v2_pages(&app, &url).concat(), all[10..40]);
}
