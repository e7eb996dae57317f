//! Confirmed states on their way back to a source that asks for them.

use engine::resolve::Role;
use protocol::exit;

use crate::house::{ECHO, GOOD_READ, House};

/// Notes each line of its input, `$1` of them.
const TAKE: &str = r#"take() { i=0; while [ $i -lt $1 ]; do IFS= read -r line; printf '%s\n' "$line" >> FOLDER/taken; i=$((i+1)); done; }"#;

fn house(read: &str, write: &str) -> House {
    let mut house = House::new("", write);
    let folder = house.folder().display().to_string();
    let read = format!("{TAKE}\n{read}").replace("FOLDER", &folder);
    house.script(Role::Source, &format!("read) {read}\n;;"));
    house.acknowledge();
    house
}

#[tokio::test]
async fn every_confirmed_state_comes_back_in_order_as_the_line_it_was_confirmed_by() {
    let read = r#"start a; record a 1; state a '{"n":1}'; take 1; state a '{"n":2}'; state_global '{"g":1}'; take 2; complete a; start b; complete b"#;
    let write = r#"exec sed -u 's/"n":2}}}/"n":2}},"_written":{"a":{"created":1}}}/'"#;
    let mut house = house(read, write);
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    let taken = std::fs::read_to_string(house.path("taken")).unwrap();
    let expected = [
        r#"{"type":"source_state","source_state":{"stream":"a","data":{"n":1}}}"#,
        r#"{"type":"source_state","source_state":{"stream":"a","data":{"n":2}},"_written":{"a":{"created":1}}}"#,
        r#"{"type":"source_state","source_state":{"state_type":"global","data":{"g":1}}}"#,
    ];
    assert_eq!(taken.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_state_is_saved_before_it_is_acknowledged() {
    let read = r#"start a; state a '{"n":1}'; take 1; cp FOLDER/state.json FOLDER/then.json; complete a; start b; complete b"#;
    let mut house = house(read, ECHO);
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    let then = std::fs::read_to_string(house.path("then.json")).unwrap();
    assert!(then.contains(r#""a":{"n":1}"#), "{then}");
}

#[tokio::test]
async fn a_source_that_never_reads_its_input_stalls_nothing_and_is_told_of() {
    let read = r#"start a; i=0; while [ $i -lt 6000 ]; do state a '{"n":'$i'}'; i=$((i+1)); done; complete a; start b; complete b"#;
    let (outcome, client) = house(read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
    let told = client.logs().iter().filter(|text| text.contains("does not read its input")).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_source_that_closes_its_input_harms_nobody() {
    let read = format!("exec <&-; {GOOD_READ}");
    let (outcome, _) = house(&read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
}

#[tokio::test]
async fn the_input_of_a_source_that_does_not_ask_is_empty() {
    let read = format!("read -r line && exit 9; {GOOD_READ}");
    let (outcome, _) = House::new(&read, ECHO).run().await;
    assert_eq!(outcome.exit, exit::OK, "{:?}", outcome.ending);
}
