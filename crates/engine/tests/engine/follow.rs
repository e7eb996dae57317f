//! Runs that go on until they are stopped.

use std::time::Duration;

use engine::resolve::Role;
use engine::{Stop, StopCause};
use protocol::{EofReason, StreamRunStatus, exit};

use crate::house::{ECHO, House};

/// Reads both streams to their end and goes on with `then`.
fn live(then: &str) -> String {
    format!(
        r#"[ -n "$follow" ] || exit 9
cp "$catalog" FOLDER/catalog; [ -z "$state" ] || cp "$state" FOLDER/given
start a; record a 1; state a '{{"n":1}}'; complete a; start b; complete b
{then}"#
    )
}

const CHANGE: &str = r#"record a 2; state a '{"n":2}'; state_global '{"g":1}'"#;

fn house(read: &str, write: &str) -> House {
    let mut house = House::new("", write);
    let read = read.replace("FOLDER", &house.folder().display().to_string());
    house.script(Role::Source, &format!("read) {read}\n;;"));
    house.follow = true;
    house
}

const TERM: Stop = Stop::Drain(StopCause::Terminate);

#[tokio::test]
async fn what_comes_after_complete_is_saved_and_a_stop_is_a_clean_end() {
    let mut house = house(&live(&format!("{CHANGE}; exec sleep 600")), ECHO);
    let (outcome, client) = house.run_until(r#""g":1"#, &[TERM]).await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    assert_eq!(outcome.eof.reason, Some(EofReason::Signal));
    assert!(outcome.eof.has_more);
    let state = outcome.eof.ending_state.unwrap();
    assert_eq!(state.source.streams["a"].get(), r#"{"n":2}"#);
    assert_eq!(state.sync_run.time_ceiling, None);
    assert_eq!(outcome.eof.run_progress.streams["a"].record_count, 2);
    assert!(client.logs().is_empty(), "{:?}", client.logs());
    let catalog = std::fs::read_to_string(house.path("catalog")).unwrap();
    assert!(!catalog.contains("time_range"), "time has no end: {catalog}");
}

#[tokio::test]
async fn silence_is_fine_while_nothing_is_owed() {
    let mut house = house(&live(&format!("sleep 2.5; {CHANGE}; exec sleep 600")), ECHO);
    house.limits.stall = Duration::from_secs(1);
    let (outcome, _) = house.run_until(r#""g":1"#, &[TERM]).await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
}

#[tokio::test]
async fn a_destination_that_owes_a_state_is_not_waited_for_for_ever() {
    let mut house = house(&live("exec sleep 600"), "cat >/dev/null");
    house.limits.stall = Duration::from_millis(200);
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::DESTINATION_FAILED, "{:?}", outcome.ending);
    assert_eq!(outcome.eof.reason, Some(EofReason::Stalled));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let read = format!("trap '' TERM; {}", live(&format!("{CHANGE}; sleep 600")));
    let mut house = house(&read, ECHO);
    let stops = [TERM, Stop::Kill(StopCause::Terminate)];
    let (outcome, _) = house.run_until(r#""g":1"#, &stops).await;
    assert_eq!(outcome.exit, exit::TERMINATED, "{:?}", outcome.ending);
}

#[tokio::test]
async fn a_source_that_dies_ends_the_run_and_the_next_goes_on_with_all_streams() {
    let mut house = house(&live(&format!("{CHANGE}; kill -9 $$")), ECHO);
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::FAILED, "{:?}", outcome.ending);
    assert!(outcome.eof.has_more);
    let first = outcome.eof.ending_state.unwrap().sync_run.run_id;
    let (outcome, _) = house.run().await;
    let second = outcome.eof.ending_state.unwrap().sync_run.run_id;
    assert_ne!(first, second);
    let given = std::fs::read_to_string(house.path("given")).unwrap();
    assert_eq!(given, r#"{"streams":{"a":{"n":2}},"global":{"g":1}}"#);
    let catalog = std::fs::read_to_string(house.path("catalog")).unwrap();
    assert!(catalog.contains(r#""name":"a""#) && catalog.contains(r#""name":"b""#), "{catalog}");
}

#[tokio::test]
async fn a_run_that_ends_does_not_go_on_with_one_that_followed() {
    let mut house = house(&live(&format!("{CHANGE}; exec sleep 600")), ECHO);
    house.run_until(r#""g":1"#, &[TERM]).await;
    let read = r#"cp "$catalog" FOLDER/catalog; for s in a b; do start $s; complete $s; done"#;
    let read = read.replace("FOLDER", &house.folder().display().to_string());
    house.script(Role::Source, &format!("read) {read}\n;;"));
    house.follow = false;
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    let catalog = std::fs::read_to_string(house.path("catalog")).unwrap();
    assert!(catalog.contains(r#""name":"a""#), "nothing is left out: {catalog}");
    assert!(catalog.contains(r#""lt":"1970-01-01T00:00:01.000Z""#), "time has an end: {catalog}");
}

#[tokio::test]
async fn a_source_that_does_not_know_how_is_told_so() {
    let read =
        "[ -z \"$follow\" ] || { echo \"error: unexpected argument '--follow'\" >&2; exit 2; }";
    let (outcome, _) = house(read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::CONFIG, "{:?}", outcome.ending);
    let error = outcome.eof.error.unwrap();
    assert_eq!(error.code, "cannot_follow");
    assert!(error.message.contains("run without `--follow`"), "{}", error.message);
    assert!(!outcome.eof.has_more);
}

#[tokio::test]
async fn a_source_that_ends_by_itself_is_no_success() {
    let (outcome, _) = house(&live(CHANGE), ECHO).run().await;
    assert_eq!(outcome.exit, exit::FAILED, "{:?}", outcome.ending);
    let error = outcome.eof.error.unwrap();
    assert!(error.message.contains("it was to follow until it is stopped"), "{}", error.message);
    assert!(outcome.eof.has_more);
}

/// Fails `b` at its first record.
const FAILS_B: &str = r#"bad=
while IFS= read -r line; do case "$line" in
*'"record":{"stream":"b"'*) [ -n "$bad" ] || echo '{"type":"stream_status","stream_status":{"stream":"b","status":"error","error":"no permission"},"_class":"permission"}'; bad=1;;
*'"stream":"b"'*|*global*) [ -n "$bad" ] || printf '%s\n' "$line";;
*) printf '%s\n' "$line";;
esac; done"#;

#[tokio::test]
async fn a_stream_that_fails_at_the_destination_is_left_out_and_the_others_are_followed() {
    let read = live(&format!(
        r#"echo run >> FOLDER/starts; if grep -q '"name":"b"' "$catalog"; then record b 1; fi; {CHANGE}; exec sleep 600"#
    ));
    let read = read.replace(
        "start b; complete b",
        r#"! grep -q '"name":"b"' "$catalog" || { start b; complete b; }"#,
    );
    let mut house = house(&read, FAILS_B);
    let (outcome, _) = house.run_until(r#""g":1"#, &[TERM]).await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    assert_eq!(std::fs::read_to_string(house.path("starts")).unwrap(), "run\nrun\n");
    let streams = &outcome.eof.run_progress.streams;
    assert_eq!(streams["b"].status, StreamRunStatus::Errored);
    assert_eq!(streams["a"].status, StreamRunStatus::Completed);
    assert_eq!(outcome.eof.ending_state.unwrap().source.streams["a"].get(), r#"{"n":2}"#);
}
