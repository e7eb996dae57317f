//! `check`, `discover`, and configurations that are wrong.

use serde_json::{Value, json};
use testkit::program::{Finished, Program};

use crate::fake::Fake;
use crate::run::{catalog, config, copied, read, texts};
use crate::scripted::{Scripted, answer, list, page};

async fn check(config: &Value, catalog: Option<&Value>) -> Finished {
    let program = Program::named("source-stripe").args(["check", "--config", &config.to_string()]);
    match catalog {
        Some(catalog) => program.args(["--catalog", &catalog.to_string()]).run("").await,
        None => program.run("").await,
    }
}

/// The message and the class of a check that failed.
fn failed(finished: Finished) -> (String, String) {
    let finished = finished.expect_code(0);
    let message = finished.of_type("connection_status").remove(0);
    assert_eq!(message["connection_status"]["status"], "failed");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&message["connection_status"]["message"]), text(&message["_class"]))
}

#[tokio::test]
async fn a_key_that_works_is_shown_with_its_account_and_mode() {
    let fake = Fake::start("customers=1", &[]).await;
    let finished = check(&config(&fake.url, json!({})), None).await.expect_code(0);
    let message = &texts(&finished, "connection_status", "message")[0];
    assert!(message.starts_with("account acct_"), "{message}");
    let version = "API version 2026-01-28.clover, which is the account's default";
    assert!(message.contains("test mode") && message.contains(version), "{message}");
}

#[tokio::test]
async fn another_default_version_of_the_account_is_told_with_its_cost() {
    let fake = Fake::start("customers=1", &["--api-version", "2024-06-20"]).await;
    let finished = check(&config(&fake.url, json!({})), None).await.expect_code(0);
    let message = &texts(&finished, "connection_status", "message")[0];
    let told =
        "API version 2026-01-28.clover; the account's default is 2024-06-20: its events come";
    assert!(message.contains(told) && message.contains("a request each"), "{message}");
}

#[tokio::test]
async fn each_stream_of_a_catalog_is_tried() {
    let arguments = ["--restrict", "charges", "--not-enabled", "issuing_cards"];
    let fake = Fake::start("all=3", &arguments).await;
    let catalog = catalog(&["customers", "charges", "issuing_cards", "subscriptions", "nothing"]);
    let finished = check(&config(&fake.url, json!({})), Some(&catalog)).await.expect_code(0);
    let logs = texts(&finished, "log", "message");
    assert_eq!((logs[0].as_str(), logs[3].as_str()), ("`customers`: ok", "`subscriptions`: ok"));
    let missing = "`charges`: permission `rak_charge_read` missing: ";
    assert!(logs[1].starts_with(missing), "{}", logs[1]);
    assert!(logs[2].starts_with("`issuing_cards`: not enabled: "), "{}", logs[2]);
    assert!(logs[4].contains("there is no such stream"), "{}", logs[4]);
    assert_eq!(texts(&finished, "connection_status", "status"), ["succeeded"]);
    let tally = "2 of 5 streams can be read, 1 lack a permission, 1 are not enabled, 1 failed";
    let message = &texts(&finished, "connection_status", "message")[0];
    assert!(message.ends_with(tally), "{message}");
}

#[tokio::test]
async fn a_wrong_key_is_told_without_the_key() {
    let fake = Fake::start("customers=1", &["--api-key", "sk_test_right0000000000"]).await;
    let finished = check(&config(&fake.url, json!({})), None).await;
    assert!(
        !finished.stdout.contains("0123456789abcd") && !finished.stderr.contains("0123456789abcd")
    );
    let (message, class) = failed(finished);
    assert_eq!(class, "credentials");
    assert!(message.contains("401") && message.contains("check `api_key`"), "{message}");
}

#[tokio::test]
async fn an_address_without_stripe_is_told() {
    let web = Scripted::bare(|_| answer(404, "<html>not here</html>")).await;
    let (message, class) = failed(check(&config(&web.url, json!({})), None).await);
    assert_eq!(class, "config");
    assert!(
        message.contains("<html>not here</html>") && message.contains("`base_url`"),
        "{message}"
    );
    let moved = Scripted::bare(|_| answer(301, "")).await;
    let (message, _) = failed(check(&config(&moved.url, json!({})), None).await);
    assert!(message.contains("Stripe's API does not redirect"), "{message}");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (message, class) = failed(check(&config(&closed, json!({})), None).await);
    assert_eq!(class, "unreachable");
    assert!(message.contains(&format!("`{closed}` cannot be reached")), "{message}");
}

#[tokio::test]
async fn another_account_than_the_configured_one_is_refused() {
    let fake = Fake::start("customers=1", &[]).await;
    let (message, class) =
        failed(check(&config(&fake.url, json!({"account_id": "acct_other"})), None).await);
    assert_eq!(class, "config");
    assert!(
        message.contains("the key belongs to `acct_") && message.contains("not to `acct_other`")
    );
}

#[tokio::test]
async fn a_key_that_may_not_read_the_account_is_enough_with_its_id() {
    let denied = r#"{"error":{"type":"invalid_request_error","message":"no permission"}}"#;
    let stripe = Scripted::bare(move |asked| match asked.path.as_str() {
        "/v1/account" => answer(403, denied),
        _ => list(&page(&[("cus_1", 1_600_000_000)], false)),
    })
    .await;
    let (message, class) = failed(check(&config(&stripe.url, json!({})), None).await);
    assert_eq!(class, "permission");
    assert!(message.contains("or give `account_id`"), "{message}");
    let with_id = config(&stripe.url, json!({"account_id": "acct_9"}));
    let finished = read(&with_id, &catalog(&["customers"]), None).run("").await.expect_code(0);
    let record = &copied(&finished).records["customers"]["cus_1"];
    assert!(record.contains(r#""_account_id":"acct_9""#), "{record}");
}

#[tokio::test]
async fn a_catalog_needs_no_network_when_the_account_is_known() {
    let known = config("http://127.0.0.1:9", json!({"account_id": "acct_9"}));
    let discover =
        Program::named("source-stripe").args(["discover", "--config", &known.to_string()]);
    let found = discover.run("").await.expect_code(0).of_type("catalog").remove(0);
    let stream = &found["catalog"]["streams"][0];
    assert_eq!(stream["json_schema"]["properties"]["_account_id"]["enum"], json!(["acct_9"]));
}

#[tokio::test]
async fn a_catalog_says_what_a_destination_has_to_know() {
    let fake = Fake::start("customers=1", &[]).await;
    let discover = Program::named("source-stripe").args([
        "discover",
        "--config",
        &config(&fake.url, json!({})).to_string(),
    ]);
    let found = discover.run("").await.expect_code(0).of_type("catalog").remove(0);
    let streams = found["catalog"]["streams"].as_array().unwrap();
    let stream = |name: &str| streams.iter().find(|stream| stream["name"] == name).unwrap();
    let charges = stream("charges");
    assert_eq!(charges["primary_key"], json!([["id"], ["_account_id"]]));
    assert_eq!(charges["newer_than_field"], "_updated_at");
    assert_eq!(charges["soft_delete_field"], "deleted");
    let metadata = &charges["metadata"];
    assert_eq!(metadata["live_mode"], false);
    assert_eq!(metadata["api_version"], "2026-01-28.clover");
    assert_eq!(metadata["volatile"], json!(["receipt_url"]));
    assert_eq!(metadata["supports_time_range"], true);
    assert_eq!(stream("payment_methods")["metadata"]["supports_time_range"], false);
    assert_eq!(stream("tax_codes")["metadata"]["default_selected"], false);
}

#[tokio::test]
async fn a_wrong_configuration_is_one_clear_error() {
    let missing = Program::named("source-stripe").args([
        "check",
        "--config",
        r#"{"api_version":"2026-01-28.clover"}"#,
    ]);
    let finished = missing.run("").await.expect_code(2);
    assert!(
        finished
            .stderr
            .contains("`api_key` is missing; give it in --config, or set STRIPE_API_KEY")
    );
    let of_environment = Program::named("source-stripe")
        .env("STRIPE_API_KEY", "rk_live_0123456789abcd")
        .args(["check", "--config", r#"{"api_version":"2026-01-28.clover","livemode":false}"#]);
    let finished = of_environment.run("").await.expect_code(2);
    assert!(
        finished.stderr.contains("`livemode` asks for test data and `api_key` is for live data")
    );
    let unknown = Program::named("source-stripe").args(["check", "--config", r#"{"api_kye":"x"}"#]);
    assert!(unknown.run("").await.expect_code(2).stderr.contains("did you mean `api_key`?"));
}
