//! Runs over several calls: what a limit cuts off the next call does, and no more than that.

use std::time::Duration;

use engine::{Limits, Stop, StopCause, channel};
use protocol::{EofReason, StreamRunStatus, exit};
use testkit::wait::until;

use crate::house::{ECHO, GOOD_READ, House, Remembers, holds};

fn time(seconds: u64) -> Limits {
    Limits { time: Some(Duration::from_secs(seconds)), ..Limits::default() }
}

/// Reads the streams of the catalog that it is given; `b` not to its end the first time.
const STEP_BY_STEP: &str = r#"
cp "$catalog" "$FOLDER/catalog.json"
if grep -q '"name":"a"' "$catalog"; then start a; record a 1; state a '{"n":1}'; complete a; fi
start b; record b 1; state b '{"n":1}'
[ -z "$state" ] || grep -q '"b"' "$state" || exec sleep 600
[ -n "$state" ] || exec sleep 600
complete b"#;

fn step_by_step() -> House {
    let mut house = House::new("", ECHO);
    let folder = house.folder().display().to_string();
    let read = STEP_BY_STEP.replace("$FOLDER", &folder);
    house.script(engine::resolve::Role::Source, &format!("read) {read}\n;;"));
    house
}

fn catalog(house: &House) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(house.path("catalog.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_time_limit_stops_the_run_and_the_next_call_goes_on_without_what_is_done() {
    let mut house = step_by_step();
    house.limits = time(1);
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::MORE, "{:?}", outcome.ending);
    assert_eq!(outcome.eof.reason, Some(EofReason::TimeLimit));
    assert!(outcome.eof.has_more);
    let first = outcome.eof.ending_state.unwrap().sync_run;
    assert_eq!(first.progress.streams["a"].status, StreamRunStatus::Completed);

    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    let given = catalog(&house);
    let streams = given["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 1, "what was done is left out");
    assert_eq!(streams[0]["stream"]["name"], "b");
    let eof = outcome.eof;
    let second = eof.ending_state.unwrap().sync_run;
    assert_eq!((&second.run_id, second.time_ceiling), (&first.run_id, first.time_ceiling));
    let ceiling = serde_json::to_value(first.time_ceiling).unwrap();
    assert_eq!(streams[0]["time_range"]["lt"], ceiling, "time ends where the run's does");
    assert_eq!(streams[0]["open_end"], true, "and nobody wants newer objects left out");
    assert_eq!(eof.run_progress.streams["b"].record_count, 2, "over both calls");
    assert_eq!(eof.request_progress.streams["b"].record_count, 1, "in this call");
    assert!(!eof.request_progress.streams.contains_key("a"));

    let (outcome, _) = house.run().await;
    let third = outcome.eof.ending_state.unwrap().sync_run;
    assert_ne!(third.run_id, first.run_id, "a finished run is not continued");
}

#[tokio::test]
async fn a_limit_waits_until_something_new_is_confirmed() {
    let read = format!("state_global '{{\"g\":0}}'; sleep 1.5; {GOOD_READ}; exec sleep 600");
    let mut house = House::new(&read, ECHO);
    house.limits = time(1);
    let (outcome, _) = house.run().await;
    let state = outcome.eof.ending_state.unwrap();
    assert_eq!(state.source.streams.len(), 2, "{:?}", outcome.ending);
    assert_eq!(outcome.exit, exit::OK, "everything was read when it was stopped");
}

#[tokio::test]
async fn a_state_limit_stops_the_run() {
    let read = r#"start a; record a 1; state a '{"n":1}'; record a 2; exec sleep 600"#;
    let mut house = House::new(read, ECHO);
    house.limits = Limits { states: Some(1), ..Limits::default() };
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::MORE, "{:?}", outcome.ending);
    assert_eq!(outcome.eof.reason, Some(EofReason::StateLimit));
}

#[tokio::test]
async fn a_named_run_that_is_done_stays_done() {
    let mut house = House::new(GOOD_READ, ECHO);
    house.run_id = Some("nightly".to_owned());
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::OK);
    let (outcome, seen) = house.run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    assert!(seen.of("source_state").is_empty(), "nothing is read");
    let run = outcome.eof.ending_state.unwrap().sync_run;
    assert_eq!(run.run_id.as_deref(), Some("nightly"));
    assert_eq!(run.progress.derived.total_record_count, 2);
}

#[tokio::test]
async fn a_silent_source_is_ended_and_what_it_sent_is_kept() {
    let read = r#"start a; record a 1; state a '{"n":1}'; echo 'waiting for Godot' >&2; sleep 600"#;
    let mut house = House::new(read, ECHO);
    house.limits.stall = Duration::from_secs(1);
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::FAILED, "{:?}", outcome.ending);
    assert_eq!(outcome.eof.reason, Some(EofReason::Stalled));
    let message = outcome.eof.error.unwrap().message;
    assert!(message.contains("source-test read did nothing for 1 s"), "{message}");
    assert!(message.contains("waiting for Godot"), "{message}");
    assert_eq!(outcome.eof.ending_state.unwrap().source.streams.len(), 1);
}

#[tokio::test]
async fn a_destination_that_takes_no_input_or_does_not_end_is_ended() {
    let endless = r#"start a; while :; do record a 1; done"#;
    for (read, write) in [(endless, "sleep 600"), (GOOD_READ, "cat >/dev/null; sleep 600")] {
        let mut house = House::new(read, write);
        house.limits.stall = Duration::from_secs(1);
        let (outcome, _) = house.run().await;
        assert_eq!(outcome.exit, exit::DESTINATION_FAILED, "{:?}", outcome.ending);
        assert_eq!(outcome.eof.reason, Some(EofReason::Stalled));
        let message = outcome.eof.error.unwrap().message;
        assert!(message.contains("destination-test write did nothing"), "{message}");
    }
}

#[tokio::test]
async fn a_second_run_says_who_holds_the_pipeline() {
    let read = r#"start a; record a 1; state a '{"n":1}'; exec sleep 600"#;
    let mut house = House::new(read, ECHO);
    let mut other = house.twin();
    let (sender, receiver) = channel();
    let state = house.path("state.json");
    let first = house.run_with(Remembers::default(), receiver);
    let second = async {
        until("the state is saved", async || holds(&state, r#""n":1"#)).await;
        let (outcome, _) = other.run().await;
        sender.send(Stop::Drain(StopCause::Interrupt)).unwrap();
        outcome
    };
    let ((first, _), second) = tokio::join!(first, second);
    assert_eq!(second.exit, exit::DESTINATION_FAILED, "{:?}", second.ending);
    let error = second.eof.error.unwrap();
    assert_eq!(error.code, "held");
    let us = format!("is being run by process {} on", std::process::id());
    assert!(error.message.contains(&us), "{}", error.message);
    assert_eq!(first.exit, exit::INTERRUPTED, "the first one is not harmed");
    let (third, _) = other.run_with(Remembers::default(), stopped_at_once()).await;
    assert_ne!(third.eof.error.map(|error| error.code), Some("held".to_owned()));
}

fn stopped_at_once() -> engine::StopReceiver {
    let (sender, receiver) = channel();
    sender.send_replace(Stop::Drain(StopCause::Interrupt));
    receiver
}
