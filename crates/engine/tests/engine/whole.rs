//! Runs that go well.

use engine::resolve::Role;
use protocol::exit;
use serde_json::json;

use crate::house::{ECHO, GOOD_READ, House};

#[tokio::test]
async fn everything_arrives_is_saved_before_it_is_shown_and_eof_is_last() {
    let mut house = House::new(GOOD_READ, ECHO);
    let (outcome, client) = house.run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    assert_eq!(client.of("record").len(), 0);
    assert_eq!(client.of("source_state").len(), 3);
    let eof = client.of("eof")[0];
    assert_eq!(eof["status"], "succeeded");
    assert_eq!(eof["has_more"], false);
    assert_eq!(eof["reason"], "complete");
    assert_eq!(eof["run_progress"]["streams"]["a"]["record_count"], 1);
    assert_eq!(
        eof["ending_state"]["source"],
        json!({"streams": {"a": {"n": 1}, "b": {"n": 1}}, "global": {"g": 1}})
    );
    let start = client.lines.iter().find(|line| line["type"] == "stream_status").unwrap();
    assert_eq!(start["_emitted_by"], "source/test");
}

#[tokio::test]
async fn the_next_run_goes_on_from_the_saved_state() {
    let read = r#"[ -z "$state" ] || cp "$state" FOLDER/given; start a; state a '{"n":2}'; complete a; start b; complete b"#;
    let mut house = House::new("", ECHO);
    let read = read.replace("FOLDER", house.folder().to_str().unwrap());
    house.script(Role::Source, &format!("read) {read};;"));
    assert_eq!(house.run().await.0.exit, exit::OK);
    assert!(!house.path("given").exists());
    assert_eq!(house.run().await.0.exit, exit::OK);
    let given: serde_json::Value =
        serde_json::from_slice(&std::fs::read(house.path("given")).unwrap()).unwrap();
    assert_eq!(given, json!({"streams": {"a": {"n": 2}}}));
}

#[tokio::test]
async fn configuration_is_never_on_a_command_line_nor_left_on_disk() {
    let read = r#"tr '\0' ' ' < /proc/$$/cmdline > FOLDER/argv; cp "$config" FOLDER/config; readlink "$config" > FOLDER/name; start a; complete a; start b; complete b"#;
    let mut house = House::new("", ECHO);
    let read = read.replace("FOLDER", house.folder().to_str().unwrap());
    house.script(Role::Source, &format!("read) {read};;"));
    assert_eq!(house.run().await.0.exit, exit::OK);
    let argv = std::fs::read_to_string(house.path("argv")).unwrap();
    assert!(argv.contains("read --config /dev/fd/"), "{argv}");
    assert!(!argv.contains("canary"), "{argv}");
    let config = std::fs::read_to_string(house.path("config")).unwrap();
    assert!(config.contains("sk_test_canary"), "{config}");
    let name = std::fs::read_to_string(house.path("name")).unwrap();
    assert!(name.contains("(deleted)"), "{name}");
}

#[tokio::test]
async fn unknown_types_pass_in_order_and_are_told_once() {
    let read = r#"start a; echo '{"type":"trace","trace":{"n":1.10}}'; echo '{"type":"trace","trace":2}'; complete a; start b; complete b"#;
    let (outcome, client) = House::new(read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::OK);
    assert_eq!(client.of("trace").len(), 2);
    let told = client.logs().iter().filter(|text| text.contains("unknown message type")).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_destination_without_setup_has_nothing_to_set_up() {
    let mut house = House::new(GOOD_READ, ECHO);
    let write = "setup) echo 'error: Unknown command: setup' >&2; exit 1;;\nwrite) exec cat;;";
    house.script(Role::Destination, write);
    assert_eq!(house.run().await.0.exit, exit::OK);
}

#[tokio::test]
async fn a_table_that_was_made_anew_is_filled_again() {
    let mut house = House::new(GOOD_READ, ECHO);
    let places = |id: &str| {
        format!(
            r#"setup) echo '{{"type":"log","log":{{"level":"info","message":"ready"}},"_places":{{"a":{{"id":"{id}"}},"b":{{"id":"same"}}}}}}';;
write) exec cat;;"#
        )
    };
    house.script(Role::Destination, &places("one"));
    assert_eq!(house.run().await.0.exit, exit::OK);
    house.script(Role::Destination, &places("two"));
    let read = r#"cp "$state" FOLDER/given; start a; complete a; start b; complete b"#;
    let read = read.replace("FOLDER", house.folder().to_str().unwrap());
    house.script(Role::Source, &format!("read) {read};;"));
    let (outcome, client) = house.run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    let given = std::fs::read_to_string(house.path("given")).unwrap();
    assert_eq!(given, r#"{"streams":{"b":{"n":1}},"global":{"g":1}}"#);
    let warned = client.logs().iter().any(|text| text.starts_with("`a` starts afresh"));
    assert!(warned, "{:?}", client.logs());
}

#[tokio::test]
async fn a_stream_that_sits_out_a_run_keeps_its_state_and_its_place() {
    let mut house = House::new(GOOD_READ, ECHO);
    let setup = r#"for stream in a b; do if grep -q "\"name\":\"$stream\"" "$catalog"; then echo '{"type":"log","log":{"level":"info","message":"ready"},"_places":{"'$stream'":{"id":"'$stream'1"}}}'; fi; done"#;
    house.script(Role::Destination, &format!("setup) {setup};;\nwrite) exec cat;;"));
    assert_eq!(house.run().await.0.exit, exit::OK);
    let read = r#"cp "$state" FOLDER/given; for s in a b; do if grep -q "\"name\":\"$s\"" "$catalog"; then start $s; complete $s; fi; done"#;
    let read = read.replace("FOLDER", house.folder().to_str().unwrap());
    house.script(Role::Source, &format!("read) {read};;"));
    for streams in [vec!["a"], vec!["a", "b"]] {
        house.streams = streams;
        let (outcome, client) = house.run().await;
        assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
        let given = std::fs::read_to_string(house.path("given")).unwrap();
        assert!(given.contains(r#""b":{"n":1}"#), "{given}: {:?}", client.logs());
    }
}

#[tokio::test]
async fn a_flood_on_stderr_blocks_nobody() {
    let read = format!("yes noise | head -c 3000000 >&2\n{GOOD_READ}");
    assert_eq!(House::new(&read, ECHO).run().await.0.exit, exit::OK);
}

#[tokio::test]
async fn more_than_fits_a_pipe_arrives_whole() {
    let read = r#"start a; i=0; while [ $i -lt 3000 ]; do record a $i; i=$((i+1)); done; state a '{"n":3000}'; complete a; start b; complete b"#;
    let (outcome, client) = House::new(read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    assert_eq!(client.of("eof")[0]["run_progress"]["streams"]["a"]["record_count"], 3000);
}

#[tokio::test]
async fn what_a_source_opens_with_is_saved_before_a_record_reaches_the_destination() {
    let read = format!("state_global '{{\"from\":7}}'\n{GOOD_READ}");
    let mut house = House::new(&read, ECHO);
    let write = r#"while read -r line; do case "$line" in *'"type":"record"'*) grep -q '"from":7' FOLDER/state.json || exit 9;; esac; printf '%s\n' "$line"; done"#;
    let write = write.replace("FOLDER", house.folder().to_str().unwrap());
    house.script(Role::Destination, &format!("setup) exit;;\nwrite) {write};;"));
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    let state = outcome.eof.ending_state.unwrap().source;
    assert_eq!(state.global.unwrap().get(), r#"{"g":1}"#);
}
