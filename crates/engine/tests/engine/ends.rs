//! Runs that end badly: each with one clear error, and nothing lost that was confirmed.

use engine::FullRefresh;
use engine::outcome::Outcome;
use engine::resolve::Role;
use protocol::{EofReason, exit};

use crate::house::{ECHO, GOOD_READ, House};

/// Reads `a` whole and then does something else.
fn after_a(then: &str) -> String {
    format!("start a; record a 1; state a '{{\"n\":1}}'; complete a; start b; {then}")
}

fn message(outcome: &Outcome) -> String {
    outcome.eof.error.clone().map(|error| error.message).unwrap_or_default()
}

fn saved(outcome: &Outcome) -> Vec<&String> {
    let state = outcome.eof.ending_state.as_ref().expect("an ending state");
    state.source.streams.keys().collect()
}

#[tokio::test]
async fn half_a_line_fails_the_run_and_keeps_what_was_read() {
    let read = after_a("printf '{\"type\":\"rec'; exit 0");
    let (outcome, _) = House::new(&read, ECHO).run().await;
    assert_eq!((outcome.exit, outcome.eof.reason), (exit::FAILED, Some(EofReason::SourceFailed)));
    assert!(message(&outcome).contains("was cut off"), "{}", message(&outcome));
    assert!(outcome.eof.has_more);
    assert_eq!(saved(&outcome), ["a"]);
}

#[tokio::test]
async fn garbage_is_shown_with_its_line_and_the_last_words() {
    let read = after_a("echo 'Traceback: sk_live_abcdefghijkl1234'; echo 'it broke' >&2; sleep 60");
    let (outcome, _) = House::new(&read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::FAILED);
    let message = message(&outcome);
    assert!(message.contains("line 6: not a protocol message"), "{message}");
    assert!(message.contains("`Traceback: sk_live_…1234`"), "{message}");
    assert!(message.contains("source-test read"), "{message}");
    assert_eq!(saved(&outcome), ["a"]);
}

#[tokio::test]
async fn a_source_that_fails_after_its_last_line_fails_the_run() {
    let read = format!("{GOOD_READ}\necho 'out of luck' >&2; exit 3");
    let (outcome, _) = House::new(&read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::FAILED);
    assert_eq!(
        message(&outcome),
        "source-test read exited with status 3; its last words: out of luck"
    );
    assert_eq!(saved(&outcome), ["a", "b"]);
}

#[tokio::test]
async fn a_killed_source_is_reported_by_its_signal() {
    let (outcome, _) = House::new(&after_a("kill -9 $$"), ECHO).run().await;
    assert_eq!(outcome.exit, exit::FAILED);
    let expected = "source-test read was killed by signal 9; it said nothing on stderr";
    assert_eq!(message(&outcome), expected);
    assert_eq!(saved(&outcome), ["a"]);
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let mut house = House::new(GOOD_READ, ECHO);
    house.command(Role::Destination, "/no/such/program --fast");
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::CONFIG);
    let message = message(&outcome);
    assert!(message.starts_with("starting `/no/such/program` as destination-test"), "{message}");
}

#[tokio::test]
async fn a_refused_key_is_told_in_the_connectors_words() {
    let read = "failed 'the key was refused' credentials; exit 1";
    let (outcome, client) = House::new(read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::CREDENTIALS);
    assert_eq!(message(&outcome), "source-test: the key was refused");
    assert!(!outcome.eof.has_more);
    assert_eq!(client.of("connection_status").len(), 1);
}

#[tokio::test]
async fn a_destination_that_cannot_work_is_told_apart_from_the_source() {
    let write = "failed 'the server is away' unreachable; cat >/dev/null; exit 1";
    let (outcome, _) = House::new(GOOD_READ, write).run().await;
    assert_eq!(outcome.exit, exit::DESTINATION_FAILED);
    assert_eq!(outcome.eof.reason, Some(EofReason::DestinationFailed));
    assert_eq!(message(&outcome), "destination-test: the server is away");
    assert!(outcome.eof.has_more);
}

#[tokio::test]
async fn a_destination_that_dies_stops_the_source() {
    let read = "start a; while :; do record a 1; done";
    let write = "head -c 1000 >/dev/null; echo 'no disk' >&2; exit 4";
    let (outcome, _) = House::new(read, write).run().await;
    assert_eq!(outcome.exit, exit::DESTINATION_FAILED);
    assert_eq!(
        message(&outcome),
        "destination-test write exited with status 4; its last words: no disk"
    );
}

#[tokio::test]
async fn a_destination_that_never_reads_is_no_success() {
    let (outcome, _) = House::new(GOOD_READ, "exit 0").run().await;
    assert!([exit::FAILED, exit::DESTINATION_FAILED].contains(&outcome.exit), "{outcome:?}");
    assert!(saved(&outcome).is_empty());
}

#[tokio::test]
async fn garbage_from_the_destination_fails_the_run() {
    let write = "head -n 4; echo 'psql: panic'; cat";
    let (outcome, _) = House::new(GOOD_READ, write).run().await;
    assert_eq!(outcome.exit, exit::DESTINATION_FAILED);
    let message = message(&outcome);
    assert!(
        message.contains("destination-test write: line 5: not a protocol message"),
        "{message}"
    );
}

#[tokio::test]
async fn records_that_nobody_accounts_for_fail_the_run() {
    let write = "grep -v '\"record\".*\"stream\":\"b\"'";
    let (outcome, _) = House::new(GOOD_READ, write).run().await;
    assert_eq!(outcome.exit, exit::FAILED);
    assert_eq!(message(&outcome), "`b`: 1 records went to the destination, it accounts for 0");
}

#[tokio::test]
async fn a_source_that_does_not_say_how_a_stream_ended_leaves_something_missing() {
    let (outcome, _) = House::new(&after_a("exit 0"), ECHO).run().await;
    assert_eq!(outcome.exit, exit::INCOMPLETE);
    assert!(message(&outcome).ends_with("`b`"), "{}", message(&outcome));
    assert!(outcome.eof.has_more);
}

#[tokio::test]
async fn a_damaged_state_file_is_an_error_that_says_what_to_do() {
    let mut house = House::new(GOOD_READ, ECHO);
    std::fs::write(house.path("state.json"), "{\"sync_id\":\"p\",\"sou").unwrap();
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::CONFIG);
    assert!(message(&outcome).contains("remove it to start afresh"), "{}", message(&outcome));
}

#[tokio::test]
async fn an_unknown_stream_is_met_with_the_nearest() {
    let mut house = House::new(GOOD_READ, ECHO);
    house.streams = vec!["a", "bb"];
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::CONFIG);
    assert!(message(&outcome).starts_with("unknown stream `bb`"), "{}", message(&outcome));
}

#[tokio::test]
async fn a_run_that_never_began_hands_out_no_state_that_could_be_taken_for_the_pipelines() {
    let mut house = House::new(GOOD_READ, ECHO);
    let (outcome, _) = house.run().await;
    assert_eq!(saved(&outcome), ["a", "b"]);
    house.streams = vec!["bb"];
    let (outcome, client) = house.run().await;
    assert!(outcome.eof.ending_state.is_none(), "{:?}", outcome.eof);
    assert!(client.of("eof")[0].get("ending_state").is_none(), "{:?}", client.of("eof"));
}

#[tokio::test]
async fn a_stream_to_be_read_anew_that_is_none_is_met_with_the_nearest() {
    let mut house = House::new(GOOD_READ, ECHO);
    house.full_refresh = Some(FullRefresh::Streams(vec!["a".to_owned(), "bb".to_owned()]));
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::CONFIG, "{:?}", outcome.ending);
    assert!(message(&outcome).starts_with("unknown stream `bb`"), "{}", message(&outcome));
}

#[tokio::test]
async fn what_is_no_answer_is_shown_with_its_line() {
    let mut house = House::new(GOOD_READ, ECHO);
    let setup = "log fine; echo 'Traceback: sk_live_abcdefghijkl1234'; exit";
    house.script(Role::Destination, &format!("setup) {setup};;\nwrite) {ECHO}\n;;"));
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::DESTINATION_FAILED, "{:?}", outcome.ending);
    let message = message(&outcome);
    assert!(message.starts_with("destination-test setup: line 2: not a protocol"), "{message}");
    assert!(message.ends_with("`Traceback: sk_live_…1234`"), "{message}");
}

#[tokio::test]
async fn a_line_without_an_end_is_too_long_and_what_came_before_is_kept() {
    let read = after_a("head -c 70000000 /dev/zero | tr '\\0' x; sleep 600");
    let (outcome, _) = House::new(&read, ECHO).run().await;
    assert_eq!((outcome.exit, outcome.eof.reason), (exit::FAILED, Some(EofReason::SourceFailed)));
    assert!(message(&outcome).contains("is longer than 67108864 bytes"), "{}", message(&outcome));
    assert_eq!(saved(&outcome), ["a"]);
}

#[tokio::test]
async fn a_destination_that_closes_its_output_is_no_success() {
    let (outcome, _) = House::new(GOOD_READ, "exec >&-; cat >/dev/null").run().await;
    assert_ne!(outcome.exit, exit::OK);
    assert!(saved(&outcome).is_empty(), "nothing was confirmed");
}

#[tokio::test]
async fn a_state_that_was_never_sent_is_not_saved() {
    let changed = r#"exec sed -u 's/"stream":"b","data":{"n":1}/"stream":"b","data":{"n":7}/'"#;
    let twice = r#"while IFS= read -r line; do printf '%s\n' "$line"; case "$line" in *'"n":1}}'*) echo '{"type":"source_state","source_state":{"stream":"b","data":{"n":9}}}';; esac; done"#;
    for write in [changed, twice] {
        let (outcome, client) = House::new(GOOD_READ, write).run().await;
        assert_eq!(outcome.exit, exit::DESTINATION_FAILED, "{:?}", outcome.ending);
        let message = message(&outcome);
        assert!(message.contains("a state that it was not given: `{"), "{message}");
        assert_eq!(saved(&outcome), ["a"]);
        assert_eq!(client.of("source_state").len(), 1);
        assert!(outcome.eof.has_more);
    }
}

#[tokio::test]
async fn a_stream_that_failed_is_not_completed_afterwards() {
    let error = r#"{"type":"stream_status","stream_status":{"stream":"b","status":"error","error":"listing"}}"#;
    let read = after_a(&format!("echo '{error}'; complete b; complete b"));
    let (outcome, client) = House::new(&read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::INCOMPLETE, "{:?}", outcome.ending);
    assert_eq!(client.of("eof")[0]["run_progress"]["streams"]["b"]["status"], "errored");
    let faults = client.logs().iter().filter(|text| text.contains("after its last status")).count();
    assert_eq!(faults, 1, "told once: {:?}", client.logs());
}

#[tokio::test]
async fn a_destination_whose_line_has_no_end_is_ended() {
    let write = "head -n 3; head -c 70000000 /dev/zero | tr '\\0' x; cat >/dev/null";
    let (outcome, _) = House::new(GOOD_READ, write).run().await;
    assert_eq!(outcome.exit, exit::DESTINATION_FAILED, "{:?}", outcome.ending);
    assert!(message(&outcome).contains("is longer than 67108864 bytes"), "{}", message(&outcome));
    assert_eq!(saved(&outcome), ["a"]);
}

#[tokio::test]
async fn a_destination_that_dies_after_its_last_line_fails_the_run() {
    let write = "cat; echo 'disk on fire' >&2; exit 3";
    let (outcome, _) = House::new(GOOD_READ, write).run().await;
    assert_eq!(outcome.exit, exit::DESTINATION_FAILED, "{:?}", outcome.ending);
    assert!(message(&outcome).ends_with("its last words: disk on fire"), "{}", message(&outcome));
    assert_eq!(saved(&outcome), ["a", "b"]);
}

#[tokio::test]
async fn a_destination_that_floods_stderr_blocks_nobody() {
    let write = "yes noise | head -c 3000000 >&2; exec cat";
    let (outcome, _) = House::new(GOOD_READ, write).run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
}

/// Passes on what is no record, and says after each state what it counted: `$1` too few.
const COUNTS: &str = r#"n=0; while IFS= read -r line; do case "$line" in
*'"type":"record"'*) n=$((n+1));;
*'"stream":"a","data"'*) n=$((n-MISSING)); printf '%s,"_written":{"a":{"created":%s}}}\n' "${line%\}}" $n; n=0;;
*) printf '%s\n' "$line";;
esac; done"#;

#[tokio::test]
async fn counts_are_compared_at_every_state_and_one_that_covers_too_much_is_not_saved() {
    let read = "start a; record a 1; record a 2; state a '{\"n\":2}'; record a 3; state a '{\"n\":3}'; complete a; start b; exec sleep 600";
    let write = |missing: &str| COUNTS.replace("MISSING", missing);
    let (outcome, client) = House::new(read, &write("1")).run().await;
    assert_eq!(outcome.exit, exit::FAILED, "{:?}", outcome.ending);
    assert_eq!(
        message(&outcome),
        "`a`: 2 records went before a state that came back, the destination accounts for 1"
    );
    assert!(saved(&outcome).is_empty() && client.of("source_state").is_empty());
    assert!(outcome.eof.has_more);
    let whole = read.replace("exec sleep 600", "complete b");
    let (outcome, _) = House::new(&whole, &write("0")).run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    assert_eq!(outcome.eof.run_progress.streams["a"].created_count, 3);
}

#[tokio::test]
async fn a_source_that_closes_its_output_and_lives_on_is_ended_and_told_of() {
    let read = format!("{GOOD_READ}\nexec >&-; sleep 600");
    let (outcome, client) = House::new(&read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::OK, "everything came: {:?}", outcome.ending);
    let told = client.logs().iter().filter(|text| text.contains("closed its output")).count();
    assert_eq!(told, 1, "{:?}", client.logs());
}
