//! Bad input: one clear error, the right exit status, nothing lost.

use testkit::postgres::Cluster;
use testkit::program::Program;
use testkit::stripe::{API_KEY, FakeStripe};

use crate::copy::Copy;

/// `sync-engine sync` in an empty folder, with nothing from the environment.
fn sync(folder: &tempfile::TempDir) -> Program {
    Program::named("sync-engine")
        .folder(folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .arg("sync")
}

async fn fails(program: Program, code: i32, says: &[&str]) {
    let run = program.run("").await.expect_code(code);
    for text in says {
        assert!(run.stderr.contains(text), "`{text}` is not in: {}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert!(!run.stderr.contains(API_KEY), "the key is shown: {}", run.stderr);
}

#[tokio::test]
async fn no_key_names_every_place_where_it_could_be_given() {
    let folder = tempfile::tempdir().unwrap();
    fails(sync(&folder), 4, &["--stripe-api-key", "STRIPE_API_KEY", ".env"]).await;
}

#[tokio::test]
async fn a_wrong_key_is_a_matter_of_credentials() {
    let stripe = FakeStripe::start(["--objects", "customers=3"]).await;
    let folder = tempfile::tempdir().unwrap();
    let wrong = ["--stripe-api-key", "sk_test_thiskeyisnotright99"];
    let program = sync(&folder).args(wrong).args(["--stripe-base-url", &stripe.url()]);
    fails(program, 5, &["Invalid API Key", "401"]).await;
}

#[tokio::test]
async fn a_wrong_base_url_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago, and refuses.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let program = sync(&folder).args(["--stripe-api-key", API_KEY, "--stripe-base-url", &url]);
    fails(program, 6, &[&url]).await;
}

#[tokio::test]
async fn an_unknown_stream_offers_the_nearest_names() {
    let stripe = FakeStripe::start(["--objects", "customers=3"]).await;
    let folder = tempfile::tempdir().unwrap();
    let program = sync(&folder)
        .args(["--stripe-api-key", API_KEY, "--stripe-base-url", &stripe.url()])
        .args(["--streams", "custmers"]);
    fails(program, 4, &["custmers", "customers"]).await;
}

#[tokio::test]
async fn an_unknown_config_key_offers_the_nearest_and_all() {
    let folder = tempfile::tempdir().unwrap();
    let program = sync(&folder).args(["--stripe-api-key", API_KEY, "--source.base_ulr", "x"]);
    fails(program, 4, &["base_ulr", "base_url"]).await;
}

#[tokio::test]
async fn postgres_away_is_the_destinations_failure() {
    let stripe = FakeStripe::start(["--objects", "customers=3"]).await;
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://me:secretpassword@127.0.0.1:{port}/db");
    let program = sync(&folder)
        .args(["--stripe-api-key", API_KEY, "--stripe-base-url", &stripe.url()])
        .args(["--postgres-url", &url]);
    let run = program.run("").await.expect_code(7);
    assert!(run.stderr.contains(&format!("127.0.0.1:{port}")), "{}", run.stderr);
    assert!(!run.stderr.contains("secretpassword"), "{}", run.stderr);
}

#[tokio::test]
async fn a_wrong_password_and_a_schema_not_permitted_are_matters_of_access() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    let name = database.name();
    database
        .execute(&format!(
            "CREATE ROLE \"poor_{name}\" LOGIN PASSWORD 'right'; REVOKE CREATE ON DATABASE \"{name}\" FROM PUBLIC"
        ))
        .await;
    let stripe = FakeStripe::start(["--objects", "customers=3"]).await;
    let folder = tempfile::tempdir().unwrap();
    let with = |url: &str| {
        sync(&folder)
            .args(["--stripe-api-key", API_KEY, "--stripe-base-url", &stripe.url()])
            .args(["--postgres-url", url, "--streams", "customers"])
    };
    let user = format!("poor_{name}");
    fails(with(&database.url_as(&user, "right")), 5, &["GRANT CREATE ON DATABASE"]).await;
    let wrong = with(&database.url_as(&user, "wrongpassword")).run("").await.expect_code(5);
    assert!(!wrong.stderr.contains("wrongpassword"), "{}", wrong.stderr);
}

#[tokio::test]
async fn a_connector_that_is_missing_is_named_with_where_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let destination = r#"{"type":"nowhere","nowhere":{}}"#;
    let program = sync(&folder).args(["--stripe-api-key", API_KEY, "--destination", destination]);
    fails(program, 4, &["destination-nowhere", "PATH"]).await;
}

#[tokio::test]
async fn a_closed_stdout_stops_with_the_state_saved() {
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy::Sqlite(folder.path().join("copy.db"));
    let stripe = FakeStripe::start(["--objects", "customers=2000", "--latency-ms", "20"]).await;
    let sync =
        || copy.sync(&stripe, folder.path()).args(["--streams", "customers", "--output", "ndjson"]);
    let mut running = sync().start();
    running.message(|message| message["type"] == "source_state").await;
    running.close_stdout();
    let stopped = running.finish().await;
    assert!(!stopped.stderr.contains("panicked"), "{}", stopped.stderr);
    sync().run("").await.expect_code(0);
    copy.assert_equals(&stripe, &["customers".to_owned()]).await;
}
