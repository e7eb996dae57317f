//! Streams that are fed from a list inside the objects of another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::run::{Copied, catalog, config, copied, killed_after, read, texts};

const STREAMS: [&str; 4] = ["subscriptions", "subscription_items", "invoices", "line_items"];
const OBJECTS: &str = "subscriptions=350,invoices=450";

#[tokio::test]
async fn children_come_with_their_parents_and_parents_say_which_are_left() {
    let fake = Fake::start(OBJECTS, &[]).await;
    let finished = read(&config(&fake.url, json!({})), &catalog(&STREAMS), None).run("").await;
    let finished = finished.expect_code(0);
    let copied = copied(&finished);
    for stream in STREAMS {
        copied.assert_equals(stream, &fake.oracle(stream).await);
        assert!(copied.ended(stream, "complete") && copied.is_done(stream), "{stream}");
    }
    let parents =
        finished.messages().into_iter().filter(|m| m["record"]["stream"] == "subscriptions");
    let mut kept = BTreeSet::new();
    for parent in parents {
        let [prune] = parent["_prune"].as_array().unwrap().as_slice() else { panic!("{parent}") };
        assert_eq!(prune["stream"], "subscription_items");
        assert_eq!(prune["where"]["subscription"], parent["record"]["data"]["id"]);
        kept.extend(
            prune["keep"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(kept, copied.records["subscription_items"].keys().cloned().collect());
}

#[tokio::test]
async fn a_childs_state_comes_before_its_parents() {
    let fake = Fake::start("subscriptions=50", &[]).await;
    let streams = ["subscriptions", "subscription_items"];
    let finished = read(&config(&fake.url, json!({})), &catalog(&streams), None).run("").await;
    let states: Vec<Value> = finished.expect_code(0).of_type("source_state");
    let streams: Vec<&Value> = states
        .iter()
        .map(|state| &state["source_state"]["stream"])
        .filter(|name| !name.is_null())
        .collect();
    assert_eq!(streams, ["subscription_items", "subscriptions"]);
}

#[tokio::test]
async fn a_child_that_is_selected_later_is_filled() {
    let fake = Fake::start(OBJECTS, &[]).await;
    let config = config(&fake.url, json!({}));
    let parents = read(&config, &catalog(&["subscriptions"]), None).run("").await.expect_code(0);
    let mut copy = copied(&parents);
    assert!(!copy.records.contains_key("subscription_items"));
    let resume = copy.to_resume();
    let both = ["subscription_items", "subscriptions"];
    copy.take_in(
        &read(&config, &catalog(&both), Some(&resume)).run("").await.expect_code(0).stdout,
    );
    for stream in both {
        copy.assert_equals(stream, &fake.oracle(stream).await);
        assert!(copy.is_done(stream));
    }
}

#[tokio::test]
async fn killed_between_the_states_of_a_family_it_loses_nothing() {
    let fake = Fake::start(OBJECTS, &["--latency-ms", "5"]).await;
    let (config, catalog) = (config(&fake.url, json!({})), catalog(&STREAMS));
    let mut copy = Copied::default();
    for states in [1, 3, 2, 5, 4] {
        let resume = copy.to_resume();
        copy.take_in(&killed_after(states, read(&config, &catalog, Some(&resume))).await);
    }
    let resume = copy.to_resume();
    copy.take_in(&read(&config, &catalog, Some(&resume)).run("").await.expect_code(0).stdout);
    for stream in STREAMS {
        copy.assert_equals(stream, &fake.oracle(stream).await);
    }
}

#[tokio::test]
async fn a_parent_that_is_left_out_takes_its_children_with_it() {
    let fake = Fake::start("subscriptions=5,customers=5", &["--restrict", "subscriptions"]).await;
    let config = config(&fake.url, json!({}));
    let names = ["subscriptions", "subscription_items", "customers"];
    let refused = read(&config, &catalog(&names), None).run("").await;
    let refused = copied(&refused.expect_code(0));
    assert!(refused.ended("subscriptions", "skip") && refused.ended("subscription_items", "skip"));
    let alone = read(&config, &catalog(&["subscription_items"]), None).run("").await.expect_code(0);
    assert!(copied(&alone).ended("subscription_items", "error"));
    let why = texts(&alone, "stream_status", "error").join("");
    assert!(
        why.contains("come with those of `subscriptions`, which is not in the catalog"),
        "{why}"
    );
}
