//! What every destination does with the messages on its stdin.

use testkit::lines;
use testkit::program::Signal;

use crate::command_line::assert_protocol;
use crate::connector::{ALL, Connector, spec};

const CUSTOMERS: &str = include_str!("../fixtures/pipe/customers.ndjson");

async fn destinations() -> Vec<Connector> {
    let mut all = Vec::new();
    for name in ALL {
        let connector = Connector::named(name).await;
        if !connector.is_source() {
            connector.with_catalog("setup").run("").await.expect_code(0);
            all.push(connector);
        }
    }
    assert!(!all.is_empty());
    all
}

#[tokio::test]
async fn setup_tells_the_places_and_a_second_one_the_same() {
    for destination in destinations().await {
        let places = async || {
            let run = destination.with_catalog("setup").run("").await.expect_code(0);
            assert_protocol(&run);
            let told =
                run.messages().into_iter().find_map(|message| message.get("_places").cloned());
            told.expect("setup tells the places")["customers"]["id"].clone()
        };
        let first = places().await;
        assert!(first.as_str().is_some_and(|id| id.len() >= 16), "{first}");
        assert_eq!(places().await, first, "{}", destination.name);
    }
}

#[tokio::test]
async fn a_dry_run_of_setup_tells_what_it_would_do_and_does_nothing() {
    let mut asked = 0;
    for name in ALL {
        let destination = Connector::named(name).await;
        if destination.is_source() || spec(destination.name).await["setup_dry_run"] != true {
            continue;
        }
        asked += 1;
        let planned = async || {
            let run = destination.with_catalog("setup").arg("--dry-run").run("").await;
            let run = run.expect_code(0);
            assert_protocol(&run);
            run.of_type("log").len()
        };
        let before = planned().await;
        assert!(before > 0, "{name}");
        assert_eq!(planned().await, before, "{name}: nothing was made");
        destination.with_catalog("setup").run("").await.expect_code(0);
        assert_eq!(planned().await, 0, "{name}: nothing is left to do");
    }
    assert!(asked >= 3);
}

#[tokio::test]
async fn states_come_back_in_order_with_counts_that_add_up() {
    for destination in destinations().await {
        let run = destination.with_catalog("write").run(CUSTOMERS).await.expect_code(0);
        assert_protocol(&run);
        let states = run.of_type("source_state");
        assert_eq!(states.len(), 2, "{}", destination.name);
        assert_eq!(states[1]["source_state"]["data"]["remaining"].as_array().unwrap().len(), 0);
        let written: u64 = run
            .messages()
            .iter()
            .filter_map(|message| message["_written"]["customers"].as_object().cloned())
            .flat_map(|counts| counts.into_iter().map(|(_, count)| count.as_u64().unwrap()))
            .sum();
        assert_eq!(written, 4, "{}", destination.name);
        let last = run.of_type("stream_status").pop().unwrap();
        assert_eq!(last["stream_status"]["status"], "complete");
    }
}

#[tokio::test]
async fn delivering_again_changes_nothing() {
    for destination in destinations().await {
        destination.with_catalog("write").run(CUSTOMERS).await.expect_code(0);
        let again = destination.with_catalog("write").run(CUSTOMERS).await.expect_code(0);
        for message in again.messages() {
            let counts = &message["_written"]["customers"];
            let changed = ["created", "updated", "deleted"].map(|count| counts.get(count));
            let none = changed.iter().flatten().all(|count| **count == 0);
            assert!(none, "{}: {counts}", destination.name);
        }
    }
}

#[tokio::test]
async fn unknown_messages_pass_on_unchanged() {
    let line = r#"{"type":"trace","trace":{"n":1.10},"_later":true}"#;
    for destination in destinations().await {
        let run = destination.with_catalog("write").run(format!("{line}\n")).await.expect_code(0);
        let is_own = |other: &&str| other.starts_with("{\"type\":\"log\"");
        let passed: Vec<&str> = run.stdout.lines().filter(|other| !is_own(other)).collect();
        assert_eq!(passed, [line]);
    }
}

#[tokio::test]
async fn garbage_is_reported_with_its_line_and_what_came_before_is_kept() {
    for destination in destinations().await {
        let input = format!("{CUSTOMERS}<html>\n");
        let run = destination.with_catalog("write").run(input).await.expect_code(1);
        assert_protocol(&run);
        assert_eq!(run.of_type("source_state").len(), 2);
        let status = run.of_type("connection_status").pop().unwrap();
        let message = status["connection_status"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("line 9") && message.contains("<html>"), "{message}");
        assert_eq!(status["_class"], "data");
    }
}

#[tokio::test]
async fn a_cut_line_is_no_clean_end() {
    for destination in destinations().await {
        let input = format!("{CUSTOMERS}{{\"type\":\"rec");
        let run = destination.with_catalog("write").run(input).await.expect_code(1);
        assert!(run.stderr.contains("cut off"), "{}", run.stderr);
    }
}

#[tokio::test]
async fn a_stop_writes_what_came_and_ends_well() {
    for destination in destinations().await {
        let mut running = destination.with_catalog("write").start();
        running.send(CUSTOMERS).await;
        running.message(|message| message["type"] == "source_state").await;
        running.send(&lines::record("customers", &serde_json::json!({"id": "cus_9", "_account_id": "acct_fixture", "_updated_at": 1}))).await;
        running.signal(Signal::TERM);
        let run = running.finish().await.expect_code(0);
        assert_protocol(&run);
    }
}

#[tokio::test]
async fn another_accounts_data_never_lands() {
    let foreign = lines::record(
        "customers",
        &serde_json::json!({"id": "cus_3", "_account_id": "acct_other", "_updated_at": 1}),
    );
    for destination in destinations().await {
        let run = destination.with_catalog("write").run(&foreign).await.expect_code(0);
        let refused =
            run.messages().iter().any(|message| message["_written"]["customers"]["refused"] == 1);
        assert!(refused, "{}: {}", destination.name, run.stdout);
    }
}

#[tokio::test]
async fn echoes_are_made_where_they_are_asked_for() {
    let mut asked = 0;
    for mut destination in destinations().await {
        if spec(destination.name).await["config"]["properties"]["echo_records"].is_null() {
            continue;
        }
        asked += 1;
        destination.config["echo_records"] = true.into();
        let run = destination.with_catalog("write").run(CUSTOMERS).await.expect_code(0);
        assert_eq!(run.of_type("record").len(), 4, "{}", destination.name);
    }
    assert!(asked >= 3);
}
