//! A stream that fails at the destination must not hold back, nor be hidden by, the others.

use engine::resolve::Role;
use protocol::exit;

use crate::house::House;

/// Passes everything on but what is of stream `b`, whose failure it tells at its first record, and
/// but global states from then on.
const FAILS_B: &str = r#"bad=
while IFS= read -r line; do case "$line" in
*'"record":{"stream":"b"'*) [ -n "$bad" ] || echo '{"type":"stream_status","stream_status":{"stream":"b","status":"error","error":"no permission"},"_class":"permission"}'; bad=1;;
*'"stream":"b"'*) [ -n "$bad" ] || printf '%s\n' "$line";;
*global*) [ -n "$bad" ] || printf '%s\n' "$line";;
*) printf '%s\n' "$line";;
esac; done"#;

/// Reads the streams of its catalog, `a` in two parts, and notes how often it was started.
const READ: &str = r#"echo run >> FOLDER/starts; cp "$catalog" FOLDER/catalog
start a; record a 1; state a '{"n":1}'
if grep -q '"name":"b"' "$catalog"; then start b; record b 1; state b '{"n":1}'; start c; record c 1; complete c; complete b; fi
record a 2; state a '{"n":2}'; state_global '{"g":1}'; complete a"#;

#[tokio::test]
async fn a_failed_stream_is_left_out_with_its_children_and_the_rest_is_read_again() {
    let mut house = House::new("", FAILS_B);
    let read = READ.replace("FOLDER", house.folder().to_str().unwrap());
    house.script(Role::Source, &format!("read) {read};;"));
    house.streams = vec!["a", "b", "c"];
    let (outcome, client) = house.run().await;
    assert_eq!(outcome.exit, exit::INCOMPLETE, "{:?}", outcome.ending);
    assert_eq!(std::fs::read_to_string(house.path("starts")).unwrap(), "run\nrun\n");
    let catalog = std::fs::read_to_string(house.path("catalog")).unwrap();
    assert!(!catalog.contains("\"b\"") && !catalog.contains("\"c\""), "{catalog}");
    let eof = client.of("eof")[0];
    let streams = &eof["run_progress"]["streams"];
    assert_eq!(streams["a"]["status"], "completed");
    assert_eq!(streams["b"]["status"], "errored");
    assert_eq!(streams["b"]["message"], "no permission");
    assert_eq!(streams["c"]["status"], "errored");
    let source = &eof["ending_state"]["source"];
    assert_eq!(source["streams"]["a"]["n"], 2);
    assert_eq!(source["global"]["g"], 1);
    assert!(source["streams"]["b"].is_null(), "{source}");
    assert_eq!(eof["has_more"], false);
}

#[tokio::test]
async fn a_stream_that_fails_at_the_source_restarts_nothing() {
    let read = r#"echo run >> FOLDER/starts
start a; echo '{"type":"stream_status","stream_status":{"stream":"a","status":"error","error":"listing"}}'; start b; complete b"#;
    let mut house = House::new("", "exec cat");
    let read = read.replace("FOLDER", house.folder().to_str().unwrap());
    house.script(Role::Source, &format!("read) {read};;"));
    let (outcome, client) = house.run().await;
    assert_eq!(outcome.exit, exit::INCOMPLETE);
    assert_eq!(std::fs::read_to_string(house.path("starts")).unwrap(), "run\n");
    assert_eq!(client.of("eof")[0]["reason"], "complete");
}

#[tokio::test]
async fn a_record_that_was_lost_before_a_stream_failed_fails_the_run() {
    // The first time only: what is read again afterwards arrives.
    let lost = r#"*'"stream":"a","data":{"id":"1"'*) [ -f FOLDER/lost ] && printf '%s\n' "$line"; touch FOLDER/lost;;"#;
    let loses = FAILS_B.replace("case \"$line\" in", &format!("case \"$line\" in\n{lost}"));
    let mut house = House::new("", "");
    let in_folder = |text: &str| text.replace("FOLDER", house.folder().to_str().unwrap());
    let read = in_folder(&READ.replace("record a 1;", "record a 0; record a 1;"));
    let loses = in_folder(&loses);
    house.script(Role::Source, &format!("read) {read};;"));
    house.script(Role::Destination, &format!("setup) exit;;\nwrite) {loses};;"));
    house.streams = vec!["a", "b", "c"];
    let (outcome, _) = house.run().await;
    assert_eq!(outcome.exit, exit::FAILED, "{:?}", outcome.ending);
    let told = outcome.eof.error.unwrap().message;
    assert!(told.starts_with("`a`: ") && told.contains("it accounts for"), "{told}");
}
