//! `setup` and `teardown` of the webhook endpoint.

use serde_json::{Value, json};
use testkit::program::{Finished, Program};

use crate::fake::Fake;
use crate::run::{catalog, config, texts};
use crate::scripted::{Scripted, answer};

const ADDRESS: &str = "http://127.0.0.1:9/webhook";

async fn call(verb: &str, config: &Value, streams: &[&str]) -> Finished {
    Program::named("source-stripe")
        .args([verb, "--config", &config.to_string()])
        .args(["--catalog", &catalog(streams).to_string()])
        .run("")
        .await
}

fn with_webhook(fake: &Fake, more: Value) -> Value {
    let mut config = config(&fake.url, json!({"webhook_url": ADDRESS}));
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// The configuration that came back.
fn given_back(finished: &Finished) -> Option<Value> {
    let control = finished.of_type("control").pop()?;
    assert_eq!(control["control"]["control_type"], "source_config");
    Some(control["control"]["source_config"].clone())
}

/// Endpoints at the address, as they stand in the account.
async fn endpoints(fake: &Fake) -> Vec<Value> {
    let all = fake.oracle("webhook_endpoints").await;
    let all = all.values().map(|text| serde_json::from_str::<Value>(text).unwrap());
    all.filter(|endpoint| endpoint["url"] == ADDRESS).collect()
}

#[tokio::test]
async fn an_endpoint_is_made_once_and_its_secret_comes_back() {
    let fake = Fake::start("webhook_endpoints=230", &[]).await;
    let first = call("setup", &with_webhook(&fake, json!({})), &["customers"]).await.expect_code(0);
    let config = given_back(&first).unwrap();
    let secret = config["webhook_secret"].as_str().unwrap();
    assert!(
        secret.starts_with("whsec_") && config["account_id"].as_str().unwrap().starts_with("acct_")
    );
    assert_eq!(
        config["api_key"], "sk_test_0123456789abcd",
        "the whole configuration, no difference"
    );
    let made = endpoints(&fake).await;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["metadata"]["managed_by"], "stripe-sync");
    assert_eq!(made[0]["api_version"], "2026-01-28.clover");
    let types = made[0]["enabled_events"].as_array().unwrap();
    assert!(
        types.contains(&json!("customer.created")) && types.contains(&json!("customer.deleted"))
    );
    assert!(!types.contains(&json!("charge.succeeded")) && !types.contains(&json!("*")));
    assert!(!first.stderr.contains(secret), "{}", first.stderr);

    let again = call("setup", &config, &["customers"]).await.expect_code(0);
    assert_eq!((given_back(&again), endpoints(&fake).await.len()), (None, 1));
    assert!(texts(&again, "log", "message")[0].ends_with("is there"));
}

#[tokio::test]
async fn an_endpoint_that_is_off_or_lacks_events_is_completed() {
    let fake = Fake::start("webhook_endpoints=3", &[]).await;
    let first = call("setup", &with_webhook(&fake, json!({})), &["customers"]).await.expect_code(0);
    let config = given_back(&first).unwrap();
    let id = endpoints(&fake).await[0]["id"].as_str().unwrap().to_owned();
    fake.post(&format!("/v1/webhook_endpoints/{id}"), "disabled=true").await;
    let again = call("setup", &config, &["charges"]).await.expect_code(0);
    let logs = texts(&again, "log", "message");
    let done = format!("webhook endpoint `{id}` was switched on and given more events");
    assert_eq!(logs, [done.as_str(), "3 requests were made"]);
    let endpoint = endpoints(&fake).await.remove(0);
    assert_eq!(endpoint["status"], "enabled");
    let types = endpoint["enabled_events"].as_array().unwrap();
    assert!(
        types.contains(&json!("customer.created")) && types.contains(&json!("charge.succeeded"))
    );
}

#[tokio::test]
async fn an_endpoint_is_given_the_events_of_lists_under_parents_too() {
    let fake = Fake::start("webhook_endpoints=1", &[]).await;
    let config = with_webhook(&fake, json!({"child_streams": "persons, customer_tax_ids"}));
    call("setup", &config, &["persons", "customer_tax_ids"]).await.expect_code(0);
    let endpoint = endpoints(&fake).await.remove(0);
    let types = endpoint["enabled_events"].as_array().unwrap();
    for kind in ["person.updated", "customer.tax_id.deleted"] {
        assert!(types.contains(&json!(kind)), "{kind}: {types:?}");
    }
}

#[tokio::test]
async fn a_secret_that_nobody_knows_any_more_is_told() {
    let fake = Fake::start("webhook_endpoints=3", &[]).await;
    call("setup", &with_webhook(&fake, json!({})), &["customers"]).await.expect_code(0);
    let again = call("setup", &with_webhook(&fake, json!({})), &["customers"]).await.expect_code(0);
    let told = texts(&again, "log", "message").join("\n");
    assert!(told.contains("its secret is not known here"), "{told}");
}

#[tokio::test]
async fn teardown_removes_exactly_the_one_that_was_made() {
    let fake = Fake::start("webhook_endpoints=5", &[]).await;
    fake.post("/v1/webhook_endpoints", &format!("url={ADDRESS}&enabled_events[]=*")).await;
    let before = fake.oracle("webhook_endpoints").await;
    let config = with_webhook(&fake, json!({}));
    call("setup", &config, &["customers"]).await.expect_code(0);
    let down = call("teardown", &config, &["customers"]).await.expect_code(0);
    assert!(texts(&down, "log", "message")[0].starts_with("removed webhook endpoint `we_"));
    assert_eq!(fake.oracle("webhook_endpoints").await, before, "the one by hand is still there");
    let again = call("teardown", &config, &["customers"]).await.expect_code(0);
    assert!(texts(&again, "log", "message")[0].starts_with("there is no webhook endpoint of ours"));
    let anew = call("setup", &config, &["customers"]).await.expect_code(0);
    assert!(given_back(&anew).unwrap()["webhook_secret"].is_string());
    assert_eq!(endpoints(&fake).await.len(), 2);
}

#[tokio::test]
async fn nothing_is_written_without_an_address() {
    let stripe = Scripted::bare(|_| answer(500, "nobody should ask")).await;
    for verb in ["setup", "teardown"] {
        let done = call(verb, &config(&stripe.url, json!({})), &["customers"]).await.expect_code(0);
        assert_eq!(done.stdout, "");
    }
}

#[tokio::test]
async fn a_key_that_may_not_write_is_told_what_to_do() {
    let denied = r#"{"error":{"type":"invalid_request_error","message":"The provided key does not have the required permissions for this endpoint"}}"#;
    let stripe = Scripted::bare(move |asked| match asked.path.as_str() {
        "/v1/account" => answer(200, r#"{"id":"acct_1","object":"account"}"#),
        _ => answer(403, denied),
    })
    .await;
    let config = config(&stripe.url, json!({"webhook_url": ADDRESS}));
    let done = call("setup", &config, &["customers"]).await.expect_code(1);
    let status = done.of_type("connection_status").remove(0);
    assert_eq!(status["_class"], "permission");
    let message = status["connection_status"]["message"].as_str().unwrap();
    for part in [
        "(GET /v1/webhook_endpoints): 403",
        "give the key write permission for webhook endpoints",
        "by hand (Dashboard, Developers, Webhooks, API version 2026-01-28.clover)",
        ADDRESS,
    ] {
        assert!(message.contains(part), "{message}");
    }
}
