//! Where a value comes from, and what is said when it comes from nowhere.

use serde_json::json;

use crate::desk::{CANARY, Desk};

#[tokio::test]
async fn a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default() {
    let desk = Desk::usual();
    desk.write(".env", "STRIPE_API_KEY=sk_test_from_dot_env_00\n");
    let config = json!({"source": {"type": "stripe", "stripe":
        {"api_key": "sk_test_from_the_file_00", "base_url": "http://file", "rate_limit": 1}}});
    desk.write("pipeline.json", &config.to_string());
    let sync = || desk.command("sync").args(["--config", "pipeline.json"]);

    sync().run("").await.expect_code(0);
    let given = desk.json("config.json");
    assert_eq!(given["api_key"], "sk_test_from_dot_env_00");
    assert_eq!(given["base_url"], "http://file");
    assert_eq!(given["api_version"], "FIRST");

    let run = sync().env("STRIPE_API_KEY", "sk_test_from_the_environment_00");
    run.args(["--source.rate_limit", "7"]).run("").await.expect_code(0);
    let given = desk.json("config.json");
    assert_eq!(given["api_key"], "sk_test_from_the_environment_00");
    assert_eq!(given["rate_limit"], 7);

    let run = sync().env("STRIPE_API_KEY", "sk_test_from_the_environment_00");
    run.args(["--stripe-api-key", CANARY, "--stripe-base-url", "http://flag"])
        .run("")
        .await
        .expect_code(0);
    let given = desk.json("config.json");
    assert_eq!((&given["api_key"], &given["base_url"]), (&CANARY.into(), &"http://flag".into()));
}

#[tokio::test]
async fn a_missing_key_names_every_place_where_it_can_be_given() {
    let run = Desk::usual().command("sync").run("").await.expect_code(4);
    for place in ["--stripe-api-key", "STRIPE_API_KEY", ".env", "--source.api_key", "--config"] {
        assert!(run.stderr.contains(place), "{place} is not in: {}", run.stderr);
    }
}

#[tokio::test]
async fn an_unknown_key_offers_the_nearest_and_a_wrong_value_is_not_repeated() {
    let desk = Desk::usual();
    let run = desk.sync().args(["--source.rate_limt", "7"]).run("").await.expect_code(4);
    assert!(run.stderr.contains("unknown key `rate_limt`"), "{}", run.stderr);
    assert!(run.stderr.contains("did you mean `rate_limit`"), "{}", run.stderr);
    let run = desk.sync().args(["--source.rate_limit", "secretvalue"]).run("").await;
    let run = run.expect_code(4);
    assert!(run.stderr.contains("expected integer"), "{}", run.stderr);
    assert!(!run.stderr.contains("secretvalue"), "{}", run.stderr);
}

#[tokio::test]
async fn a_database_url_counts_from_the_real_environment_only() {
    let desk = Desk::usual();
    desk.write(".env", "DATABASE_URL=postgres://me:canarypassword@127.0.0.1:1/db\n");
    let run = desk.sync().run("").await.expect_code(0);
    assert!(run.stderr.contains("SQLite file `./stripe.db`"), "{}", run.stderr);

    let url = "postgres://me:canarypassword@127.0.0.1:1/db";
    let run = desk.sync().env("DATABASE_URL", url).run("").await.expect_code(7);
    assert!(run.stderr.contains("database `db` at `127.0.0.1:1`"), "{}", run.stderr);
    assert!(!run.stderr.contains("canarypassword"), "{}", run.stderr);
}

#[tokio::test]
async fn a_pipeline_may_come_by_stdin() {
    let desk = Desk::usual();
    let pipeline = json!({"source": {"type": "stripe", "stripe": {"api_key": CANARY}},
        "destination": {"type": "sqlite", "sqlite": {"path": "other.db"}},
        "streams": [{"name": "charges", "backfill_limit": 5}]});
    let run = desk.command("sync").args(["--config", "-"]).run(pipeline.to_string()).await;
    let run = run.expect_code(0);
    assert!(run.stderr.contains("SQLite file `other.db`: 1 streams"), "{}", run.stderr);
    let catalog = desk.json("catalog.json");
    assert_eq!(catalog["streams"][0]["backfill_limit"], 5);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_without_what_it_holds() {
    let desk = Desk::usual();
    let run = desk.sync().args(["--config", "no-such.json"]).run("").await.expect_code(4);
    assert!(run.stderr.contains("reading `--config`: `no-such.json`"), "{}", run.stderr);
    desk.write(".env", &format!("STRIPE_API_KEY='{CANARY}\n"));
    let run = desk.sync().run("").await.expect_code(4);
    assert!(run.stderr.contains("reading `.env`"), "{}", run.stderr);
    assert!(!run.stderr.contains(CANARY), "{}", run.stderr);
}

#[tokio::test]
async fn a_pipeline_keeps_the_version_it_began_with() {
    let desk = Desk::usual();
    desk.sync().run("").await.expect_code(0);
    assert_eq!(desk.json("config.json")["api_version"], "FIRST");
    // A newer connector has a newer default.
    let script = std::fs::read_to_string(desk.path("source.sh")).unwrap();
    desk.write("source.sh", &script.replace("FIRST", "SECOND"));
    desk.sync().run("").await.expect_code(0);
    assert_eq!(desk.json("config.json")["api_version"], "FIRST");
    desk.sync().args(["--stripe-api-version", "THIRD"]).run("").await.expect_code(0);
    desk.sync().run("").await.expect_code(0);
    assert_eq!(desk.json("config.json")["api_version"], "THIRD");
}
