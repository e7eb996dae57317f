//! Streams that are read parent by parent.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stripe_api::Catalogue;
use testkit::program::Program;

use crate::fake::Fake;
use crate::run::{Copied, catalog, config, copied, killed_after, read, texts};
use crate::scripted::{Scripted, answer, list, page};

const STREAMS: [&str; 3] = ["customer_tax_ids", "transfer_reversals", "persons"];
const OBJECTS: &str = "customers=170,tax_ids=500,transfers=260,accounts=120";

fn all() -> Vec<&'static str> {
    Catalogue::embedded().keyed.iter().map(|keyed| keyed.facts.name.as_str()).collect()
}

async fn discovered(config: &Value) -> Vec<Value> {
    let program =
        Program::named("source-stripe").args(["discover", "--config", &config.to_string()]);
    let found = program.run("").await.expect_code(0).of_type("catalog").remove(0);
    found["catalog"]["streams"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_stream_under_parents_yields_its_objects_with_strict_parameters() {
    let fake = Fake::start("all=60", &[]).await;
    let config = config(&fake.url, json!({"child_streams": "all"}));
    let streams = all();
    let finished = read(&config, &catalog(&streams), None).run("").await.expect_code(0);
    let copied = copied(&finished);
    for stream in streams {
        let oracle = fake.oracle(stream).await;
        assert!(!oracle.is_empty(), "{stream}: nothing to compare with");
        copied.assert_equals(stream, &oracle);
        assert!(copied.ended(stream, "complete") && copied.is_done(stream), "{stream}");
    }
}

#[tokio::test]
async fn they_are_discovered_only_when_they_are_named_and_say_what_they_cost() {
    let fake = Fake::start("customers=1", &[]).await;
    let names = |streams: &[Value]| -> BTreeSet<String> {
        streams.iter().map(|stream| stream["name"].as_str().unwrap().to_owned()).collect()
    };
    let without = names(&discovered(&config(&fake.url, json!({}))).await);
    let wishes = json!({"child_streams": ["customer_tax_ids", "capabilitys"]});
    let with = discovered(&config(&fake.url, wishes)).await;
    let more: Vec<String> = names(&with).difference(&without).cloned().collect();
    assert_eq!(more, ["capabilitys", "customer_tax_ids"]);
    let of = |name: &str| with.iter().find(|stream| stream["name"] == name).unwrap().clone();
    let metadata = of("customer_tax_ids")["metadata"].clone();
    assert_eq!(metadata["cost"], "one request per customer");
    assert_eq!((&metadata["keyed_by"], &metadata["parent"]), (&json!("customers"), &Value::Null));
    assert_eq!(of("capabilitys")["primary_key"], json!([["id"], ["account"], ["_account_id"]]));
}

#[tokio::test]
async fn a_stream_that_is_not_named_is_an_error_that_says_so() {
    let fake = Fake::start("customers=1", &[]).await;
    let names = catalog(&["customer_tax_ids", "customers"]);
    let finished = read(&config(&fake.url, json!({})), &names, None).run("").await.expect_code(0);
    assert!(copied(&finished).ended("customers", "complete"));
    let why = texts(&finished, "stream_status", "error").join("");
    assert!(why.contains("reading `customer_tax_ids`: it is read only where `child_streams` names it (one request per customer"), "{why}");
    let wrong = config(&fake.url, json!({"child_streams": ["customer_taxids"]}));
    let finished = read(&wrong, &names, None).run("").await.expect_code(2);
    assert!(finished.stderr.contains("did you mean `customer_tax_ids`?"), "{}", finished.stderr);
}

#[tokio::test]
async fn killed_at_any_state_it_goes_on_and_loses_nothing() {
    let fake = Fake::start(OBJECTS, &[]).await;
    // In turn: where one stream is done before another has begun, no list is left in its middle.
    let config = config(&fake.url, json!({"child_streams": "all", "max_in_flight": 1}));
    let catalog = catalog(&STREAMS);
    let mut copy = Copied::default();
    for states in [1, 3, 2, 4] {
        let resume = copy.to_resume();
        copy.take_in(&killed_after(states, read(&config, &catalog, Some(&resume))).await);
    }
    let cursor = |state: &Value| state["remaining"][0]["cursor"].as_str().map(str::to_owned);
    let cursors: Vec<String> = copy.state.values().filter_map(cursor).collect();
    let is_parent = |id: &String| ["cus_", "tr_", "acct_"].iter().any(|own| id.starts_with(own));
    assert!(!cursors.is_empty() && cursors.iter().all(is_parent), "{cursors:?}");
    let resume = copy.to_resume();
    copy.take_in(&read(&config, &catalog, Some(&resume)).run("").await.expect_code(0).stdout);
    for stream in STREAMS {
        copy.assert_equals(stream, &fake.oracle(stream).await);
        assert!(copy.is_done(stream), "{stream}");
    }
}

#[tokio::test]
async fn a_stream_that_is_named_later_is_filled() {
    let fake = Fake::start(OBJECTS, &[]).await;
    let without = config(&fake.url, json!({}));
    let mut copy =
        copied(&read(&without, &catalog(&["customers"]), None).run("").await.expect_code(0));
    let with = config(&fake.url, json!({"child_streams": ["customer_tax_ids"]}));
    let both = catalog(&["customers", "customer_tax_ids"]);
    let later = read(&with, &both, Some(&copy.to_resume())).run("").await.expect_code(0);
    assert!(!later.stdout.contains("_prune"), "nothing was there that could be gone");
    copy.take_in(&later.stdout);
    copy.assert_equals("customer_tax_ids", &fake.oracle("customer_tax_ids").await);
}

#[tokio::test]
async fn a_key_that_may_not_read_them_skips_the_stream_and_names_the_permission() {
    let fake = Fake::start(OBJECTS, &["--restrict", "customer_tax_ids"]).await;
    let config = config(&fake.url, json!({"child_streams": ["customer_tax_ids"]}));
    let catalog = catalog(&["customers", "customer_tax_ids"]);
    let finished = read(&config, &catalog, None).run("").await.expect_code(0);
    let copied = copied(&finished);
    assert!(copied.ended("customer_tax_ids", "skip") && copied.ended("customers", "complete"));
    let why = texts(&finished, "stream_status", "reason").join("");
    assert!(why.contains("rak_tax_id_read") && why.contains("`customer_tax_ids`"), "{why}");
    let check = Program::named("source-stripe")
        .args(["check", "--config", &config.to_string()])
        .args(["--catalog", &catalog.to_string()]);
    let logs = texts(&check.run("").await.expect_code(0), "log", "message");
    assert_eq!(logs[0], "`customers`: ok");
    let missing = "`customer_tax_ids`: permission `rak_tax_id_read` missing: ";
    assert!(logs[1].starts_with(missing), "{}", logs[1]);
}

#[tokio::test]
async fn a_limit_of_records_is_kept_and_the_rest_comes_later() {
    let fake = Fake::start(OBJECTS, &[]).await;
    let limited = json!({"child_streams": "all", "backfill_limit": 70});
    let names = catalog(&["customer_tax_ids"]);
    let mut copy =
        copied(&read(&config(&fake.url, limited), &names, None).run("").await.expect_code(0));
    assert!(copy.records["customer_tax_ids"].len() <= 70 && !copy.is_done("customer_tax_ids"));
    let config = config(&fake.url, json!({"child_streams": "all"}));
    let resume = copy.to_resume();
    copy.take_in(&read(&config, &names, Some(&resume)).run("").await.expect_code(0).stdout);
    copy.assert_equals("customer_tax_ids", &fake.oracle("customer_tax_ids").await);
}

#[tokio::test]
async fn a_limit_of_calls_ends_the_run_and_the_next_goes_on() {
    let fake = Fake::start(OBJECTS, &[]).await;
    let names = catalog(&["customer_tax_ids"]);
    let limited = config(&fake.url, json!({"child_streams": "all", "max_api_calls": 45}));
    let mut copy = Copied::default();
    let mut runs = 0;
    while !copy.is_done("customer_tax_ids") {
        let resume = copy.to_resume();
        copy.take_in(&read(&limited, &names, Some(&resume)).run("").await.expect_code(0).stdout);
        runs += 1;
        assert!(runs < 20, "it goes on with every run");
    }
    assert!(runs > 3, "{runs} runs of 45 calls");
    copy.assert_equals("customer_tax_ids", &fake.oracle("customer_tax_ids").await);
}

#[tokio::test]
async fn a_parent_that_went_meanwhile_is_no_failure() {
    let gone = json!({"error": {"code": "resource_missing", "message": "No such customer: 'b'", "param": "customer"}});
    let server = Scripted::start(move |asked| match asked.path.as_str() {
        "/v1/customers" => list(&page(&[("a", 3), ("b", 2), ("c", 1)], false)),
        "/v1/customers/b/tax_ids" => answer(404, gone.to_string()),
        path => {
            let parent = path.split('/').nth(3).unwrap();
            list(&page(&[(&format!("txi_{parent}"), 1)], false))
        }
    })
    .await;
    let wishes = json!({"child_streams": ["customer_tax_ids"], "poll_events": false});
    let config = config(&server.url, wishes);
    let finished = read(&config, &catalog(&["customer_tax_ids"]), None).run("").await;
    let copied = copied(&finished.expect_code(0));
    assert!(copied.ended("customer_tax_ids", "complete"));
    let ids: Vec<&String> = copied.records["customer_tax_ids"].keys().collect();
    assert_eq!(ids, ["txi_a", "txi_c"]);
}

#[tokio::test]
async fn a_parent_with_thousands_is_handed_over_in_parts() {
    const PAGES: usize = 60;
    let filler = "x".repeat(400);
    let server = Scripted::start(move |asked| {
        if asked.path == "/v1/customers" {
            return list(&page(&[("cus_1", 1)], false));
        }
        let first = asked.before * 100;
        let data: Vec<Value> =
            (first..first + 100).map(|n| json!({"id": format!("txi_{n}"), "x": filler})).collect();
        list(&json!({"object": "list", "data": data, "has_more": asked.before + 1 < PAGES}))
    })
    .await;
    let config = config(&server.url, json!({"child_streams": ["customer_tax_ids"]}));
    let mut running = read(&config, &catalog(&["customer_tax_ids"]), None).start();
    let (mut records, mut states) = (0, 0);
    while let Some(line) = running.line().await {
        if records == 0 && line.starts_with(r#"{"type":"record""#) {
            let asked = server.asked().len();
            assert!(asked < PAGES / 2, "{asked} requests before the first record is read");
        }
        records += usize::from(line.starts_with(r#"{"type":"record""#));
        states += usize::from(line.contains(r#""state_type":"stream""#));
    }
    assert_eq!((records, states), (PAGES * 100, 1), "only the end of the list is a place");
}

#[tokio::test]
async fn listed_again_it_says_which_are_left() {
    let fake = Fake::start("radar_value_lists=130", &[]).await;
    let config = config(&fake.url, json!({"child_streams": "all", "relist_every": 0}));
    let catalog = catalog(&["radar_value_list_items"]);
    let first = read(&config, &catalog, None).run("").await.expect_code(0);
    assert!(!first.stdout.contains("_prune"));
    let again = read(&config, &catalog, Some(&copied(&first).to_resume())).run("").await;
    let again = again.expect_code(0);
    let oracle = fake.oracle("radar_value_list_items").await;
    let (mut kept, mut lists) = (BTreeSet::new(), BTreeSet::new());
    for record in again.of_type("record") {
        for prune in record["_prune"].as_array().into_iter().flatten() {
            assert_eq!(prune["stream"], "radar_value_list_items");
            lists.insert(prune["where"]["value_list"].as_str().unwrap().to_owned());
            let ids = prune["keep"].as_array().unwrap().iter();
            kept.extend(ids.map(|id| id.as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(kept, oracle.keys().cloned().collect());
    assert_eq!(lists, fake.shown("radar_value_lists").await.into_keys().collect());
}
