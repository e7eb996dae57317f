//! `live-check` against a Stripe that is as we assume it, and against one that is not.

#![cfg(test)]

use std::time::Duration;

use serde_json::{Value, json};
use testkit::program::{Finished, Program, Running};

const KEY: &str = "sk_test_0123456789abcd";

/// What the seed makes up of events and endpoints is not as Stripe shows them.
const OBJECTS: &str = "all=12,customers=130,invoices=40,subscriptions=40,products=60,prices=60,\
    events=0,webhook_endpoints=0";

/// A local Stripe on which something has happened, and its address.
async fn fake(arguments: &[&str]) -> (String, Running) {
    let program = Program::named("fake-stripe")
        .args(["--port", "0", "--until-stdin-closes", "--objects", OBJECTS, "--api-key", KEY])
        .args(arguments);
    let mut running = program.start();
    let line = running.message(|message| message.get("listening").is_some()).await;
    let url = line["listening"].as_str().unwrap().to_owned();
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let customers = http.get(format!("{url}/__oracle/customers")).send().await.unwrap();
    let customers = customers.text().await.unwrap();
    let gone: Value = serde_json::from_str(customers.lines().next().unwrap()).unwrap();
    let delete = json!({"stream": "customers", "do": "delete", "id": gone["id"]});
    for change in [json!({"changes": [delete]}), json!({"steps": 120})] {
        let answer = http.post(format!("{url}/__mutate")).body(change.to_string()).send().await;
        answer.unwrap().error_for_status().unwrap();
    }
    (url, running)
}

async fn live_check(url: &str) -> Finished {
    let program = Program::at(env!("CARGO_BIN_EXE_xtask"));
    let program = program.args(["live-check", "--base-url", url]);
    program.env("STRIPE_API_KEY", KEY).run("").await
}

#[tokio::test]
async fn nothing_differs_where_everything_is_as_assumed() {
    let (url, _fake) = fake(&[]).await;
    let finished = live_check(&url).await.expect_code(0);
    for probe in ["list-shape", "stub", "event-shape", "keys"] {
        assert!(finished.stdout.contains(&format!("{probe}: ok\n")), "{}", finished.stdout);
    }
    assert!(finished.stdout.ends_with("nothing differs\n"), "{}", finished.stdout);
}

#[tokio::test]
async fn a_stripe_that_does_otherwise_is_told() {
    let (url, _fake) = fake(&["--disorder", "customers"]).await;
    let finished = live_check(&url).await.expect_code(1);
    let told = "newest-first: differs: customers are not newest first\n";
    assert!(finished.stdout.contains(told), "{}", finished.stdout);
    assert!(finished.stdout.contains("unknown-cursor: ok\n"), "{}", finished.stdout);
}

#[tokio::test]
async fn a_live_key_is_refused() {
    let program = Program::at(env!("CARGO_BIN_EXE_xtask")).args(["live-check"]);
    let finished = program.env("STRIPE_API_KEY", "rk_live_canary").run("").await.expect_code(1);
    assert!(finished.stdout.contains("not a test key"), "{}", finished.stdout);
    assert!(!finished.stdout.contains("canary"), "{}", finished.stdout);
}
