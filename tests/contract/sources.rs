//! What every source does: discover, read, resume, stop.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::program::{Finished, Signal};

use crate::command_line::assert_protocol;
use crate::connector::{ALL, Connector};

/// The sources, each with a catalog of its stream.
async fn sources() -> Vec<Connector> {
    let mut all = Vec::new();
    for name in ALL {
        let mut connector = Connector::named(name).await;
        if connector.is_source() {
            let run = connector.configured("discover").run("").await.expect_code(0);
            assert_protocol(&run);
            let catalog = run.of_type("catalog").pop().unwrap();
            let streams = catalog["catalog"]["streams"].as_array().unwrap().clone();
            let chosen = streams.into_iter().filter(|stream| stream["name"] == connector.stream.0);
            connector.catalog = testkit::lines::catalog(&chosen.collect::<Vec<_>>());
            all.push(connector);
        }
    }
    assert!(!all.is_empty());
    all
}

fn ids(run: &Finished) -> BTreeSet<String> {
    let records = run.of_type("record");
    records
        .iter()
        .map(|record| record["record"]["data"]["id"].as_str().unwrap().to_owned())
        .collect()
}

fn last_states(run: &Finished) -> Value {
    let mut state = json!({"streams": {}, "global": {}});
    for message in run.of_type("source_state") {
        let payload = &message["source_state"];
        match payload["stream"].as_str() {
            Some(stream) => state["streams"][stream] = payload["data"].clone(),
            None => state["global"] = payload["data"].clone(),
        }
    }
    state
}

#[tokio::test]
async fn discovered_streams_have_what_a_destination_needs() {
    for source in sources().await {
        let run = source.configured("discover").run("").await.expect_code(0);
        let streams = run.of_type("catalog").pop().unwrap()["catalog"]["streams"].clone();
        let mut names = BTreeSet::new();
        for stream in streams.as_array().unwrap() {
            assert!(names.insert(stream["name"].as_str().unwrap().to_owned()), "twice: {stream}");
            assert!(!stream["primary_key"].as_array().unwrap().is_empty());
            let stamp = stream["newer_than_field"].as_str().unwrap();
            let properties = stream["json_schema"]["properties"].as_object().unwrap();
            assert!(properties.contains_key(stamp), "{} has no {stamp}", stream["name"]);
        }
    }
}

/// One `start`, then records and states, then one terminal status.
fn assert_well_formed(run: &Finished) {
    let words: Vec<String> = run
        .messages()
        .iter()
        .filter_map(|message| match message["type"].as_str()? {
            "record" => Some("record".to_owned()),
            "source_state" => {
                message["source_state"]["stream"].as_str().map(|_| "state".to_owned())
            }
            "stream_status" => message["stream_status"]["status"].as_str().map(str::to_owned),
            _ => None,
        })
        .collect();
    assert_eq!(words.first().map(String::as_str), Some("start"));
    assert_eq!(words.last().map(String::as_str), Some("complete"));
    let middle = &words[1..words.len() - 1];
    assert!(
        middle.iter().all(|word| ["record", "state", "range_complete"].contains(&word.as_str()))
    );
    assert_eq!(words[words.len() - 2], "state", "the last state comes before the end: {words:?}");
}

#[tokio::test]
async fn a_stream_starts_has_records_then_states_and_ends_once() {
    for source in sources().await {
        let run = source.with_catalog("read").run("").await.expect_code(0);
        assert_protocol(&run);
        assert_well_formed(&run);
        assert_eq!(ids(&run).len(), source.stream.1, "{}", source.name);
    }
}

#[tokio::test]
async fn reading_in_two_goes_gives_what_one_gives() {
    for source in sources().await {
        let whole = ids(&source.with_catalog("read").run("").await.expect_code(0));
        let mut running = source.with_catalog("read").start();
        running.message(|message| message["source_state"]["stream"] == source.stream.0).await;
        running.signal(Signal::KILL);
        let killed = running.finish().await;
        // What a reader sees of a killed writer may end in half a line, which is not a message.
        let seen = killed.stdout.rsplit_once('\n').map_or("", |(lines, _)| lines).to_owned();
        let killed = Finished { stdout: seen + "\n", ..killed };
        let state = last_states(&killed).to_string();
        let rest =
            source.with_catalog("read").args(["--state", &state]).run("").await.expect_code(0);
        let both: BTreeSet<String> = ids(&killed).union(&ids(&rest)).cloned().collect();
        assert_eq!(both, whole, "{}", source.name);
    }
}

#[tokio::test]
async fn a_stop_ends_with_the_state_of_what_was_emitted() {
    for source in sources().await {
        let whole = ids(&source.with_catalog("read").run("").await.expect_code(0));
        let mut running = source.with_catalog("read").start();
        running.message(|message| message["type"] == "record").await;
        running.signal(Signal::TERM);
        let stopped = running.finish().await.expect_code(0);
        assert_protocol(&stopped);
        let state = last_states(&stopped).to_string();
        let rest =
            source.with_catalog("read").args(["--state", &state]).run("").await.expect_code(0);
        let both: BTreeSet<String> = ids(&stopped).union(&ids(&rest)).cloned().collect();
        assert_eq!(both, whole, "{}", source.name);
    }
}

#[tokio::test]
async fn a_state_that_is_cut_is_a_usage_error_and_one_of_another_shape_starts_afresh() {
    for source in sources().await {
        let name = source.stream.0;
        let cut = format!(r#"{{"streams":{{"{name}":{{"remaining":"#);
        source.with_catalog("read").args(["--state", &cut]).run("").await.expect_code(2);
        let other = json!({"eventId": "evt_1", "eventCreated": 1});
        let other = json!({"streams": {name: other}, "global": {}}).to_string();
        let read = source.with_catalog("read").args(["--state", &other]);
        let run = read.run("").await.expect_code(0);
        assert_eq!(ids(&run).len(), source.stream.1, "{}", source.name);
        assert!(run.of_type("log").iter().any(|log| log["log"]["level"] == "warn"), "and says so");
    }
}

#[tokio::test]
async fn reading_never_waits_for_stdin() {
    for source in sources().await {
        let mut running = source.with_catalog("read").start();
        // stdin stays open and says nothing: the read ends all the same.
        running.message(|message| message["stream_status"]["status"] == "complete").await;
        running.close_stdin();
        running.finish().await.expect_code(0);
    }
}
