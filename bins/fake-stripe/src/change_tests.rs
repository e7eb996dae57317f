//! An account that changes while it is read: what lists, retrieves, events and the oracle say of
//! it must fit together.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use stripe_api::{Catalogue, Freshness, StreamFacts};

use crate::app::{App, Asked};
use crate::app_tests::{answer, app, ask, asked_nothing_of_a_version, error, oracle, page_through};

const STILL: &str = "--clock 1800000000";

fn post(app: &App, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let asked = asked_nothing_of_a_version();
    let answer = app.answer(Asked { method: "POST", path, body: body.as_bytes(), ..asked });
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

fn mutate(app: &App, steps: u32) -> Vec<Value> {
    let (status, done) = post(app, "/__mutate", &json!({"steps": steps}));
    assert_eq!(status, 200, "{done}");
    done["changes"].as_array().unwrap().clone()
}

fn order(app: &App, change: Value) -> String {
    let (status, done) = post(app, "/__mutate", &json!({"changes": [change]}));
    assert_eq!(status, 200, "{done}");
    done["changes"][0]["id"].as_str().unwrap().to_owned()
}

fn advance(app: &App, seconds: u32) {
    assert_eq!(post(app, "/__clock", &json!({"advance": seconds})).0, 200);
}

fn facts(stream: &str) -> &'static StreamFacts {
    Catalogue::embedded().stream(stream).unwrap()
}

/// Objects by id, without what changes by itself.
fn by_id(objects: Vec<Value>, facts: &StreamFacts) -> BTreeMap<String, Value> {
    let settled = objects.into_iter().map(|mut object| {
        for field in &facts.volatile {
            object.as_object_mut().unwrap().remove(field);
        }
        (object["id"].as_str().unwrap().to_owned(), object)
    });
    settled.collect()
}

/// All copies there are, after events were applied to them, oldest first.
fn replay(copies: &mut BTreeMap<&str, BTreeMap<String, Value>>, events: &[Value]) {
    for event in events.iter().rev() {
        let object = &event["data"]["object"];
        let streams = &Catalogue::embedded().streams;
        let owner = streams.iter().find(|facts| {
            let kind = event["type"].as_str().unwrap();
            object["object"] == facts.object && facts.event_types.iter().any(|t| t == kind)
        });
        let facts = owner.unwrap();
        let Some(copy) = copies.get_mut(facts.name.as_str()) else { continue };
        let id = object["id"].as_str().unwrap().to_owned();
        let kind = event["type"].as_str().unwrap();
        if kind.ends_with(".deleted") && kind != "customer.subscription.deleted" {
            copy.remove(&id);
        } else {
            copy.extend(by_id(vec![object.clone()], facts));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn events_lead_from_any_state_to_the_next(seed in 0_u64..1_000_000, before in 0_u32..150, after in 1_u32..300) {
        let app = app(&format!("--objects all=15,events=0 --mutate-seed {seed} {STILL}"));
        mutate(&app, before);
        let told: Vec<&StreamFacts> = Catalogue::embedded()
            .streams
            .iter()
            .filter(|facts| facts.freshness == Freshness::Events)
            .collect();
        let copy = |facts: &&'static StreamFacts| {
            (facts.name.as_str(), by_id(oracle(&app, &facts.name), facts))
        };
        let mut copies: BTreeMap<&str, BTreeMap<String, Value>> = told.iter().map(copy).collect();
        let read = oracle(&app, "events").len();
        mutate(&app, after);
        let events = page_through(&app, facts("events"));
        prop_assert!(events == oracle(&app, "events"));
        replay(&mut copies, &events[..events.len() - read]);
        for facts in told {
            let expected = by_id(oracle(&app, &facts.name), facts);
            prop_assert!(copies[facts.name.as_str()] == expected, "{}", facts.name);
        }
    }

    #[test]
    fn lists_give_what_the_oracle_holds_whatever_changed(seed: u64, steps in 0_u32..400) {
        let app = app(&format!("--objects all=12 --mutate-seed {seed} {STILL}"));
        mutate(&app, steps);
        let (_, counts) = ask(&app, "/__oracle");
        for facts in &Catalogue::embedded().streams {
            let all = oracle(&app, &facts.name);
            prop_assert_eq!(counts[&facts.name].as_u64().unwrap(), u64::try_from(all.len()).unwrap());
            prop_assert!(page_through(&app, facts) == all, "{}", facts.name);
            let sorted = facts.sort_field.as_deref().is_none_or(|field| {
                let times: Vec<i64> = all.iter().filter_map(|o| o[field].as_i64()).collect();
                times.is_sorted_by(|a, b| a >= b)
            });
            prop_assert!(sorted, "{}", facts.name);
        }
    }
}

#[test]
fn a_seed_means_the_same_changes() {
    let streams = "coupons,invoices,subscriptions";
    let run = |seed: u32| {
        let app = app(&format!(
            "--objects all=10 --mutate-seed {seed} --mutate-streams {streams} {STILL}"
        ));
        let done = mutate(&app, 120);
        (done, oracle(&app, "events"))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let deeds: BTreeSet<String> =
        run(1).0.iter().map(|change| change["do"].as_str().unwrap().to_owned()).collect();
    assert_eq!(deeds.len(), 7, "every deed is done: {deeds:?}");
}

#[test]
fn only_the_streams_that_are_named_change() {
    let line = format!("--objects all=10 --mutate-streams customers,charges {STILL}");
    let done = mutate(&app(&line), 100);
    let streams: BTreeSet<&str> =
        done.iter().map(|change| change["stream"].as_str().unwrap()).collect();
    assert_eq!(streams, BTreeSet::from(["charges", "customers"]));
}

#[test]
fn an_update_is_told_with_what_was_before() {
    let app = app(&format!("--objects customers=3 {STILL} --api-version 2020-08-27"));
    let before = oracle(&app, "customers")[0].clone();
    let set = json!({"email": "new@example.com"});
    let id = order(&app, json!({"stream": "customers", "do": "update", "set": set}));
    let (_, customer) = ask(&app, &format!("/v1/customers/{id}"));
    assert_eq!(customer["email"], "new@example.com");
    let (_, events) = ask(&app, "/v1/events?limit=1");
    let event = &events["data"][0];
    assert_eq!(event["type"], "customer.updated");
    assert_eq!(event["data"]["object"], customer);
    assert_eq!(event["data"]["previous_attributes"], json!({"email": before["email"]}));
    assert_eq!(
        (&event["created"], &event["api_version"]),
        (&json!(1_800_000_000), &json!("2020-08-27"))
    );
    assert!(event.get("account").is_none());
    let event_id = event["id"].as_str().unwrap();
    assert_eq!(&ask(&app, &format!("/v1/events/{event_id}")).1, event);
}

#[test]
fn what_is_deleted_leaves_a_stub_or_nothing() {
    let app = app(&format!("--objects customers=3,coupons=3,terminal_readers=3 {STILL}"));
    for (stream, path, leaves_stub) in [
        ("customers", "/v1/customers", true),
        ("coupons", "/v1/coupons", false),
        ("terminal_readers", "/v1/terminal/readers", true),
    ] {
        let last = oracle(&app, stream)[1].clone();
        let id = last["id"].as_str().unwrap();
        order(&app, json!({"stream": stream, "do": "delete", "id": id}));
        let (status, left) = ask(&app, &format!("{path}/{id}"));
        if leaves_stub {
            let stub = json!({"id": id, "object": last["object"], "deleted": true});
            assert_eq!((status, left), (200, stub));
        } else {
            assert_eq!((status, &left["error"]["code"]), (404, &json!("resource_missing")));
        }
        assert_eq!(page_through(&app, facts(stream)).len(), 2);
        let (status, cursor) = error(&app, &format!("{path}?starting_after={id}"));
        assert_eq!((status, &cursor["code"]), (400, &json!("resource_missing")));
        let marked = oracle(&app, &format!("{stream}?deleted=with"));
        let mut expected = last.clone();
        expected["deleted"] = json!(true);
        assert_eq!(marked[1], expected);
        let again = json!({"changes": [{"stream": stream, "do": "delete", "id": id}]});
        assert_eq!(post(&app, "/__mutate", &again).0, 400, "it is deleted already");
    }
}

#[test]
fn a_canceled_subscription_stays_and_is_told_as_deleted() {
    let app = app(&format!("--objects subscriptions=1 {STILL}"));
    let id = order(&app, json!({"stream": "subscriptions", "do": "cancel"}));
    assert_eq!(ask(&app, &format!("/v1/subscriptions/{id}")).1["status"], "canceled");
    assert_eq!(ask(&app, "/v1/subscriptions").1["data"], json!([]));
    assert_eq!(page_through(&app, facts("subscriptions")).len(), 1);
    assert_eq!(oracle(&app, "events")[0]["type"], "customer.subscription.deleted");
}

#[test]
fn a_new_object_is_the_newest_of_its_list() {
    let app = app(&format!("--objects customers=2,charges=0 {STILL}"));
    for stream in ["customers", "charges"] {
        let id = order(&app, json!({"stream": stream, "do": "create"}));
        let first = oracle(&app, stream)[0].clone();
        assert_eq!((&first["id"], &first["created"]), (&json!(id), &json!(1_800_000_000)));
        let (_, page) = ask(&app, &format!("/v1/{stream}?created[gte]=1800000000"));
        assert_eq!(page["data"], json!([first]));
    }
}

#[test]
fn long_lists_stay_whole_through_changes() {
    let app = app(&format!("--objects subscriptions=12 --mutate-streams subscriptions {STILL}"));
    mutate(&app, 300);
    let mut cut = 0;
    let whole = oracle(&app, "subscriptions?lists=whole");
    for (shown, whole) in oracle(&app, "subscriptions").iter().zip(&whole) {
        let items = &shown["items"];
        let (_, page) = ask(&app, &format!("{}&limit=100", items["url"].as_str().unwrap()));
        assert_eq!(page["data"], whole["items"]["data"]);
        assert_eq!(items["total_count"], page["data"].as_array().unwrap().len());
        assert_eq!(items["has_more"], page["data"].as_array().unwrap().len() > 10);
        cut += u32::from(items["has_more"] == true);
    }
    assert!(cut > 0);
}

#[test]
fn a_clock_behind_the_last_date_of_all_is_answered_with_that_date() {
    let app = app("--objects customers=1 --clock 300000000000");
    advance(&app, 86_400);
    let dated = answer(&app, "/v1/customers");
    let last = "Fri, 31 Dec 9999 23:59:59 GMT";
    assert!(dated.headers.contains(&("date", last.to_owned())), "{:?}", dated.headers);
}

#[test]
fn a_lagging_list_shows_what_was() {
    let app = app(&format!("--objects all=20 --list-lag 60 {STILL}"));
    let list = |stream: &str| page_through(&app, facts(stream));
    let mut states = Vec::new();
    for _ in 0..8 {
        states.push((oracle(&app, "customers"), oracle(&app, "invoices")));
        mutate(&app, 60);
        advance(&app, 20);
    }
    // It is 160 seconds later. Lists show second 100, when the sixth round had just happened.
    assert!(list("customers") == states[6].0);
    assert!(list("invoices") == states[6].1);
    let newest = oracle(&app, "customers")[0].clone();
    let id = newest["id"].as_str().unwrap();
    assert_eq!(ask(&app, &format!("/v1/customers/{id}")).1, newest, "a retrieve is current");
    assert_eq!(list("events").len(), oracle(&app, "events").len(), "events do not lag");
    advance(&app, 60);
    assert_eq!(list("customers"), oracle(&app, "customers"));
}

#[test]
fn events_may_come_late_and_go_after_thirty_days() {
    let app = app(&format!("--objects customers=1,events=2 --events-lag 30 {STILL}"));
    order(&app, json!({"stream": "customers", "do": "toggle"}));
    let count =
        |query: &str| ask(&app, &format!("/v1/events{query}")).1["data"].as_array().unwrap().len();
    assert_eq!(count(""), 2, "it is not there yet");
    advance(&app, 30);
    assert_eq!(count(""), 3);
    assert_eq!(count("?created[gte]=1800000000"), 1);
    let (_, page) = ask(&app, "/v1/events?limit=1");
    let id = page["data"][0]["id"].as_str().unwrap().to_owned();
    advance(&app, 30 * 86_400 - 30);
    assert_eq!(count(""), 3);
    advance(&app, 1);
    assert_eq!(count(""), 2, "what the seed made up stays");
    assert_eq!(error(&app, &format!("/v1/events/{id}")).0, 404);
}

#[test]
fn events_are_asked_for_by_type() {
    let app = app(&format!("--objects all=10,events=0 {STILL}"));
    mutate(&app, 200);
    let all = oracle(&app, "events");
    let of = |is_meant: &dyn Fn(&str) -> bool| -> Vec<Value> {
        all.iter().filter(|event| is_meant(event["type"].as_str().unwrap())).cloned().collect()
    };
    let list = |query: &str| ask(&app, &format!("/v1/events?limit=100&{query}")).1["data"].clone();
    let updated = of(&|kind| kind == "customer.updated");
    assert!(!updated.is_empty());
    assert_eq!(list("type=customer.updated"), Value::from(updated));
    assert_eq!(list("type=customer.*"), Value::from(of(&|kind| kind.starts_with("customer."))));
    let two = of(&|kind| kind == "customer.updated" || kind == "product.updated");
    assert_eq!(list("types[]=customer.updated&types[]=product.updated"), Value::from(two));
    let types = vec!["types[]=charge.updated"; 21].join("&");
    assert_eq!(error(&app, &format!("/v1/events?{types}")).0, 400);
    assert_eq!(error(&app, "/v1/events?type=a&types[]=b").0, 400);
}

#[test]
fn whoever_pages_while_things_change_misses_nothing_that_stays() {
    let app = app("--objects customers=400 --mutate-streams customers");
    let before = oracle(&app, "customers");
    let seen: Vec<Vec<Value>> = std::thread::scope(|scope| {
        scope.spawn(|| (0..2_000).for_each(|_| drop(app.mutate(1))));
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_through_deletes(&app))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    let after: BTreeSet<String> =
        oracle(&app, "customers").iter().map(|c| c["id"].as_str().unwrap().to_owned()).collect();
    let stayed: Vec<&str> = before
        .iter()
        .filter_map(|customer| customer["id"].as_str())
        .filter(|id| after.contains(*id))
        .collect();
    assert!(stayed.len() < before.len(), "some were deleted meanwhile");
    for seen in seen {
        let ids: Vec<&str> = seen.iter().filter_map(|customer| customer["id"].as_str()).collect();
        let old: Vec<&str> = ids.iter().copied().filter(|id| stayed.contains(id)).collect();
        assert_eq!(old, stayed, "each once, in order");
    }
}

/// Reads all customers; where the cursor was deleted meanwhile it goes back to one that was not.
fn read_through_deletes(app: &App) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let after = found.last().map(|last| last["id"].as_str().unwrap().to_owned());
        let after = after.map_or(String::new(), |id| format!("&starting_after={id}"));
        let (status, page) = ask(app, &format!("/v1/customers?limit=20{after}"));
        if status == 400 {
            found.pop();
            continue;
        }
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return found;
        }
    }
}

#[test]
fn a_deleted_object_may_be_created_again_in_the_same_second() {
    let app = app(&format!("--objects coupons=2 {STILL}"));
    let before = oracle(&app, "coupons");
    let id = before[0]["id"].as_str().unwrap();
    for deed in ["delete", "recreate"] {
        order(&app, json!({"stream": "coupons", "do": deed, "id": id}));
    }
    assert_eq!(oracle(&app, "coupons"), before);
    let kinds: Vec<Value> =
        oracle(&app, "events").iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["coupon.created", "coupon.deleted"], "newest first");
    let again = json!({"changes": [{"stream": "coupons", "do": "recreate", "id": id}]});
    assert_eq!(post(&app, "/__mutate", &again).0, 400, "it is there");
}

#[test]
fn an_object_is_created_as_it_is_ordered() {
    let app = app(&format!("--objects customers=1,events=0 {STILL}"));
    let set = json!({"email": "ordered@example.com"});
    order(&app, json!({"stream": "customers", "do": "create", "set": set}));
    assert_eq!(oracle(&app, "customers")[0]["email"], "ordered@example.com");
    let poison = json!({"type": "what.happened", "data": {"object": {"no": "id"}}});
    let id = order(&app, json!({"stream": "events", "do": "create", "set": poison}));
    let (_, event) = ask(&app, &format!("/v1/events/{id}"));
    assert_eq!((&event["type"], &event["data"]), (&poison["type"], &poison["data"]));
    assert_eq!(ask(&app, "/v1/events?type=what.happened").1["data"], json!([event]));
}

#[test]
fn a_text_stands_in_a_page_byte_for_byte() {
    let app = app(&format!("--objects customers=2 {STILL}"));
    let id = oracle(&app, "customers")[0]["id"].as_str().unwrap().to_owned();
    let raw =
        format!(r#"{{"id":"{id}","a":1.10,"a":1E3,"b":"\u0000\ud800","c":9007199254740993}}"#);
    order(&app, json!({"stream": "customers", "do": "update", "id": id, "raw": raw}));
    let page = answer(&app, "/v1/customers").body;
    assert!(String::from_utf8(page).unwrap().contains(&raw));
    let one = answer(&app, &format!("/v1/customers/{id}")).body;
    assert_eq!(String::from_utf8(one).unwrap().trim_end(), raw);
    assert_eq!(oracle(&app, "events"), Vec::<Value>::new(), "no event tells");
}

#[test]
fn objects_of_v2_change_too() {
    let app = app(&format!("--objects v2_core_event_destinations=8 {STILL}"));
    let before = oracle(&app, "v2_core_event_destinations");
    let done = mutate(&app, 60);
    assert!(!done.is_empty());
    let after = oracle(&app, "v2_core_event_destinations");
    assert_ne!(after, before);
    let (_, page) = ask(&app, "/v2/core/event_destinations?limit=100");
    assert_eq!(page["data"], Value::from(after.clone()));
    let changed = after
        .iter()
        .find(|object| before.iter().any(|old| old["id"] == object["id"] && old != *object));
    assert_eq!(changed.unwrap()["updated"], "2027-01-15T08:00:00.000Z");
}
