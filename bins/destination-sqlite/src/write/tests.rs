use std::path::{Path, PathBuf};
use std::sync::Arc;

use connector::{Batch, Destination as _, Loaded, StreamPlan, read_row};
use protocol::{Class, ConfiguredStream, Origin, Record, Stream, WrittenCounts};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::config::{Config, Options};
use crate::setup::{setup, tables};

struct Place {
    folder: TempDir,
    writer: Writer,
    plan: Arc<StreamPlan>,
}

fn stream_plan(name: &str) -> StreamPlan {
    let stream: Stream = serde_json::from_value(json!({
        "name": name,
        "primary_key": [["id"]],
        "newer_than_field": "_updated_at",
        "soft_delete_field": "deleted",
        "metadata": {"volatile": ["url"]},
        "json_schema": {"properties": {"name": {"type": "string"}, "deleted": {"type": "boolean"}}},
    }))
    .unwrap();
    StreamPlan::new(&ConfiguredStream::new(stream)).unwrap()
}

fn options(path: &Path, run: &str) -> Options {
    let config: Config = serde_json::from_value(json!({"path": path, "run_id": run})).unwrap();
    Options::of(config).unwrap()
}

fn begin(path: &Path, run: &str, streams: &[StreamPlan]) -> (Writer, Loaded) {
    Writer::begin(&options(path, run), tables(streams).unwrap()).unwrap()
}

fn place() -> Place {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let plan = stream_plan("customers");
    setup(&path, &tables(std::slice::from_ref(&plan)).unwrap()).unwrap();
    let (writer, unwritable) = begin(&path, "run_1", std::slice::from_ref(&plan));
    assert!(unwritable.streams.is_empty());
    Place { folder, writer, plan: Arc::new(plan) }
}

fn push(batch: &mut Batch, plan: &Arc<StreamPlan>, origin: Origin, document: &str) {
    let data = serde_json::value::RawValue::from_string(document.to_owned()).unwrap();
    let record = Record {
        stream: plan.name().into(),
        data: &data,
        emitted_at: "".into(),
        origin: Some(origin),
        prune: Vec::new(),
    };
    let (key, row) = read_row(plan, &record).unwrap();
    batch.push(plan, key, row);
}

impl Place {
    fn path(&self) -> PathBuf {
        self.folder.path().join("a.db")
    }

    fn write(&mut self, documents: &[(Origin, &str)]) -> WrittenCounts {
        let mut batch = Batch::default();
        for (origin, document) in documents {
            push(&mut batch, &self.plan, *origin, document);
        }
        let mut loaded = self.writer.load(&batch).unwrap();
        loaded.streams.remove("customers").unwrap().unwrap()
    }

    fn list(&mut self, document: &str) -> WrittenCounts {
        self.write(&[(Origin::List, document)])
    }

    fn event(&mut self, document: &str) -> WrittenCounts {
        self.write(&[(Origin::Event, document)])
    }

    fn read(&self, columns: &str) -> Value {
        let connection = Connection::open(self.path()).unwrap();
        let query = format!("SELECT json_array({columns}) FROM customers");
        let row: String = connection.query_row(&query, [], |row| row.get(0)).unwrap();
        serde_json::from_str(&row).unwrap()
    }
}

const CREATED: WrittenCounts = WrittenCounts {
    created: 1,
    updated: 0,
    deleted: 0,
    unchanged: 0,
    stale: 0,
    superseded: 0,
    refused: 0,
};
const NONE: WrittenCounts = WrittenCounts { created: 0, ..CREATED };
const UPDATED: WrittenCounts = WrittenCounts { updated: 1, ..NONE };
const DELETED: WrittenCounts = WrittenCounts { deleted: 1, ..NONE };
const UNCHANGED: WrittenCounts = WrittenCounts { unchanged: 1, ..NONE };
const STALE: WrittenCounts = WrittenCounts { stale: 1, ..NONE };

#[test]
fn a_document_keeps_its_bytes() {
    let mut place = place();
    let document = r#"{"id":"a", "n":1.10,"big":9007199254740993,"s":"\ud800\u0000é","n":-0}"#;
    place.list(&document.replace("\"n\":-0", "\"n\":-0,\"_updated_at\":7"));
    let connection = Connection::open(place.path()).unwrap();
    let row = connection.query_row("SELECT _raw_data, _updated_at, id FROM customers", [], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    });
    assert_eq!(row.unwrap(), (document.to_owned(), 7, "a".to_owned()));
}

#[test]
fn an_unchanged_row_does_not_forget_a_newer_event() {
    let mut place = place();
    assert_eq!(place.list(r#"{"id":"a","name":"x","_updated_at":10}"#), CREATED);
    assert_eq!(place.event(r#"{"id":"a","name":"x","_updated_at":12}"#), UNCHANGED);
    assert_eq!(place.list(r#"{"id":"a","name":"old","_updated_at":11}"#), STALE);
    assert_eq!(place.read("name, _updated_at"), json!(["x", 12]));
}

#[test]
fn a_lagging_page_loses_no_event() {
    let mut place = place();
    assert_eq!(place.list(r#"{"id":"a","name":"x","_updated_at":10}"#), CREATED);
    assert_eq!(place.list(r#"{"id":"a","name":"x","_updated_at":20}"#), UNCHANGED);
    assert_eq!(place.event(r#"{"id":"a","name":"y","_updated_at":15}"#), UPDATED);
    assert_eq!(place.read("name, _updated_at"), json!(["y", 15]));
}

#[test]
fn deleted_wins_a_tie() {
    let mut place = place();
    place.list(r#"{"id":"a","name":"x","_updated_at":10}"#);
    assert_eq!(place.event(r#"{"id":"a","name":"x","deleted":true,"_updated_at":10}"#), DELETED);
    assert_eq!(place.event(r#"{"id":"a","name":"z","_updated_at":10}"#), STALE);
    assert_eq!(place.read("name, deleted"), json!(["x", 1]));
    assert_eq!(place.event(r#"{"id":"a","name":"z","_updated_at":11}"#), UPDATED);
    assert_eq!(place.read("name, deleted"), json!(["z", null]));
}

#[test]
fn a_deleted_stub_keeps_the_columns() {
    let mut place = place();
    place.list(r#"{"id":"a","name":"x","_updated_at":10}"#);
    let stub = r#"{"id":"a","object":"customer","deleted":true,"_updated_at":11}"#;
    assert_eq!(place.event(stub), DELETED);
    assert_eq!(place.read("name, deleted, _updated_at"), json!(["x", 1, 11]));
    assert_eq!(place.event(stub), UNCHANGED);
}

#[test]
fn one_batch_ends_as_one_by_one() {
    let mut place = place();
    let counts = place.write(&[
        (Origin::List, r#"{"id":"a","name":"x","_updated_at":10}"#),
        (Origin::Event, r#"{"id":"a","name":"y","_updated_at":12}"#),
        (Origin::Event, r#"{"id":"a","object":"customer","deleted":true,"_updated_at":13}"#),
        (Origin::List, r#"{"id":"a","name":"x","_updated_at":10}"#),
    ]);
    assert_eq!(counts, WrittenCounts { superseded: 2, stale: 1, ..DELETED });
    assert_eq!(place.read("name, deleted, _updated_at"), json!(["y", 1, 13]));
}

#[test]
fn a_mark_made_by_somebody_else_is_seen() {
    let mut place = place();
    let document = r#"{"id":"a","name":"x","_updated_at":10}"#;
    place.list(document);
    Connection::open(place.path())
        .unwrap()
        .execute("UPDATE customers SET _raw_data = '{\"id\":\"a\",\"deleted\":true}'", [])
        .unwrap();
    assert_eq!(place.list(document), STALE);
    assert_eq!(place.list(&document.replace("10", "11")), UPDATED);
    assert_eq!(place.read("name, deleted"), json!(["x", null]));
}

#[test]
fn a_cleared_hash_forces_a_rewrite() {
    let mut place = place();
    let document = r#"{"id":"a","name":"x","_updated_at":10}"#;
    place.list(document);
    let connection = Connection::open(place.path()).unwrap();
    connection.execute("UPDATE customers SET _hash = NULL, _raw_data = '{}'", []).unwrap();
    assert_eq!(place.list(document), UPDATED);
    assert_eq!(place.read("name"), json!(["x"]));
}

#[test]
fn delivering_again_touches_no_row() {
    let mut place = place();
    let documents: Vec<String> = (0..500)
        .map(|n| format!(r#"{{"id":"{n}","name":"x","url":"first","_updated_at":10}}"#))
        .collect();
    let all = |text: &str| -> Vec<(Origin, String)> {
        documents.iter().map(|document| (Origin::List, document.replace("first", text))).collect()
    };
    let write = |place: &mut Place, documents: Vec<(Origin, String)>| {
        let borrowed: Vec<_> = documents.iter().map(|(o, text)| (*o, text.as_str())).collect();
        place.write(&borrowed)
    };
    assert_eq!(write(&mut place, all("first")), WrittenCounts { created: 500, ..NONE });
    let changes = place.writer.connection().total_changes();
    assert_eq!(write(&mut place, all("rotated")), WrittenCounts { unchanged: 500, ..NONE });
    assert_eq!(place.writer.connection().total_changes(), changes);
}

#[test]
fn the_run_is_noted_with_its_first_rows() {
    let mut place = place();
    let run = |place: &Place| -> Option<String> {
        let connection = Connection::open(place.path()).unwrap();
        connection.query_row("SELECT run FROM _sync_meta", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(run(&place), None);
    place.list(r#"{"id":"a","_updated_at":10}"#);
    assert_eq!(run(&place).as_deref(), Some("run_1"));
    let told = setup(&place.path(), &tables(&[stream_plan("customers")]).unwrap()).unwrap();
    assert_eq!(told["customers"].run.as_deref(), Some("run_1"));
}

#[test]
fn a_stream_whose_table_is_gone_fails_alone() {
    let mut place = place();
    let other = stream_plan("charges");
    let plans = [stream_plan("customers"), other.clone()];
    setup(&place.path(), &tables(&plans).unwrap()).unwrap();
    place.writer = begin(&place.path(), "run_1", &plans).0;
    Connection::open(place.path()).unwrap().execute_batch("DROP TABLE charges").unwrap();
    let mut batch = Batch::default();
    push(&mut batch, &place.plan, Origin::List, r#"{"id":"a","name":"x","_updated_at":1}"#);
    push(&mut batch, &Arc::new(other.clone()), Origin::List, r#"{"id":"b","_updated_at":1}"#);
    let loaded = place.writer.load(&batch).unwrap();
    let error = loaded.streams["charges"].as_ref().unwrap_err().report();
    assert!(error.contains("no such table: charges; run `destination-sqlite setup`"), "{error}");
    assert_eq!(loaded.streams["customers"].as_ref().unwrap(), &CREATED);
    assert_eq!(place.read("name"), json!(["x"]));
    let (_, unwritable) = begin(&place.path(), "run_1", &plans);
    assert!(unwritable.streams["charges"].is_err() && unwritable.streams.len() == 1);
}

#[test]
fn a_row_that_breaks_a_rule_of_the_table_is_refused_and_its_stream_goes_on() {
    let mut place = place();
    let other = stream_plan("charges");
    let plans = [stream_plan("customers"), other.clone()];
    setup(&place.path(), &tables(&plans).unwrap()).unwrap();
    place.writer = begin(&place.path(), "run_1", &plans).0;
    let trigger = "CREATE TRIGGER t BEFORE INSERT ON charges WHEN new.id = 'b' \
                   BEGIN SELECT raise(ABORT, 'not here'); END";
    let connection = Connection::open(place.path()).unwrap();
    connection.execute_batch(trigger).unwrap();
    let mut batch = Batch::default();
    push(&mut batch, &place.plan, Origin::List, r#"{"id":"a","_updated_at":1}"#);
    let other = Arc::new(other);
    push(&mut batch, &other, Origin::List, r#"{"id":"a","_updated_at":1}"#);
    push(&mut batch, &other, Origin::List, r#"{"id":"b","_updated_at":1}"#);
    let loaded = place.writer.load(&batch).unwrap();
    let counts = loaded.streams["charges"].as_ref().unwrap();
    assert_eq!(counts, &WrittenCounts { refused: 1, ..CREATED });
    assert_eq!(loaded.refusals, [r#"record ["b"] of stream `charges`: not here"#]);
    let count = |table: &str| -> i64 {
        let query = format!("SELECT count(*) FROM {table}");
        connection.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("customers"), count("charges")), (1, 1));
    assert_eq!(count("_sync_dead_letter"), 1);
}

fn failure_of(place: &mut Place) -> connector::Error {
    let mut batch = Batch::default();
    for number in 0..2000 {
        let document =
            format!(r#"{{"id":"{number}","name":"{}","_updated_at":1}}"#, "x".repeat(500));
        push(&mut batch, &place.plan, Origin::List, &document);
    }
    place.writer.load(&batch).unwrap_err()
}

fn row_count(place: &Place) -> i64 {
    let connection = Connection::open(place.path()).unwrap();
    connection.query_row("SELECT count(*) FROM customers", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_full_file_fails_the_batch_and_leaves_no_part_of_it() {
    let mut place = place();
    place.list(r#"{"id":"a","_updated_at":10}"#);
    place.writer.connection().execute_batch("PRAGMA max_page_count = 40").unwrap();
    let error = failure_of(&mut place);
    assert_eq!(error.class(), Class::Unreachable);
    assert!(
        error.report().ends_with("is full; free disk space, then run again"),
        "{}",
        error.report()
    );
    assert_eq!(row_count(&place), 1);
}

#[test]
fn a_file_that_became_read_only_fails_the_batch() {
    let mut place = place();
    place.writer.connection().execute_batch("PRAGMA query_only = on").unwrap();
    let error = failure_of(&mut place);
    assert_eq!(error.class(), Class::Permission);
    assert!(error.report().contains("writable for this user"), "{}", error.report());
}

#[test]
fn a_file_that_is_locked_for_long_says_who_waits_for_what() {
    let mut place = place();
    place.writer.connection().busy_timeout(std::time::Duration::from_millis(20)).unwrap();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = failure_of(&mut place);
    assert_eq!((error.class(), error.retry()), (Class::Unreachable, connector::Retry::Later));
    assert!(error.report().contains("another program keeps"), "{}", error.report());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(place.list(r#"{"id":"a","_updated_at":10}"#), CREATED);
}

#[test]
fn rows_in_a_file_that_was_removed_are_not_acknowledged() {
    let mut place = place();
    std::fs::remove_file(place.path()).unwrap();
    let error = failure_of(&mut place);
    assert!(error.report().contains("removed or replaced"), "{}", error.report());
    std::fs::write(place.path(), "").unwrap();
    let error = failure_of(&mut place);
    assert!(error.report().contains("removed or replaced"), "{}", error.report());
}

#[test]
fn limits_and_echoes_are_what_the_configuration_says() {
    let config = json!({"path": "a.db", "batch_rows": 3, "echo_records": true});
    let destination =
        crate::SqliteDestination::open(serde_json::from_value(config).unwrap()).unwrap();
    assert_eq!((destination.limits().rows, destination.echoes_records()), (3, true));
}
