use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use protocol::{ConfiguredCatalog, ConfiguredStream, Spec, WrittenCounts};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::about::About;
use crate::batch::{Batch, BatchLimits, Seen, Sight, StreamBatch};
use crate::dead_letter::{DeadLetter, Refused};
use crate::destination::Look;
use crate::row::{Key, Row};
use crate::stop::stop_channel;
use crate::version::{Action, Stored, Version, resolve};

#[path = "drive_letter_tests.rs"]
mod letters;
#[path = "drive_prune_tests.rs"]
mod prunes;

/// Keeps rows in memory, and looks at them ahead; what it sees then it believes. Streams whose name begins with `bad` fail at their first load; records
/// that say `odd` are refused while it is strict.
#[derive(Default)]
struct Memory {
    rows: BTreeMap<(String, Key), (Stored, String)>,
    letters: Vec<DeadLetter>,
    strict: bool,
    loads: u32,
    /// Shares of streams whose rows were seen before they came.
    seen: usize,
}

impl Memory {
    fn store_or_bury(
        &mut self,
        name: &str,
        plan: &StreamPlan,
        (key, rows): (&Key, &[Row]),
        sight: Sight,
    ) -> WrittenCounts {
        let odd = rows.iter().find(|row| self.strict && row.document.contains("odd"));
        let Some(row) = odd else { return self.store(name, key, rows, sight) };
        let (error, record) = ("odd".to_owned(), row.record(plan));
        self.bury(name, &Refused { key: key.clone(), error, record });
        WrittenCounts { refused: rows.len() as u64, ..WrittenCounts::default() }
    }

    fn row(&self, name: &str, key: &Key) -> Option<Stored> {
        self.rows.get(&(name.to_owned(), key.clone())).map(|(stored, _)| *stored)
    }

    fn store(&mut self, name: &str, key: &Key, rows: &[Row], sight: Sight) -> WrittenCounts {
        let at = (name.to_owned(), key.clone());
        let stored = match sight {
            Sight::Unknown => self.row(name, key),
            Sight::Absent => None,
            Sight::Row(stored) => Some(stored),
        };
        let versions: Vec<_> = rows.iter().map(|row| row.version).collect();
        let resolution = resolve(stored, &versions);
        match resolution.action {
            Action::Keep => {}
            Action::Restamp(row) | Action::Mark(row) => self.rows.get_mut(&at).unwrap().0 = row,
            Action::Write { index, row, .. } => {
                self.rows.insert(at, (row, rows[index].document.clone()));
            }
        }
        resolution.counts
    }

    fn prune(&mut self, name: &str, batch: &StreamBatch) {
        for prune in batch.prunes.all() {
            let concerned = self.rows.iter_mut().filter(|((stream, key), (_, document))| {
                stream == name && prune.concerns(&key[0], document)
            });
            for (stored, _) in concerned.map(|(_, row)| row) {
                *stored = after(*stored, &prune.version());
            }
        }
    }

    fn bury(&mut self, stream: &str, refused: &Refused) {
        let stream = stream.to_owned();
        let known = self.letters.iter_mut().find(|letter| letter.record == refused.record);
        if let Some(letter) = known {
            letter.tries += 1;
            return;
        }
        let number = self.letters.last().map_or(1, |letter| letter.number + 1);
        let (key, error) = (refused.key_text(), refused.error.clone());
        let (record, at) = (refused.record.clone(), "2026-01-01T00:00:00Z".to_owned());
        self.letters.push(DeadLetter { number, tries: 1, stream, key, error, record, at });
    }
}

impl Destination for Memory {
    const ABOUT: About =
        About { name: "memory", version: "0", summary: "", example: "", environment: &[] };
    type Config = Value;

    fn spec() -> Spec {
        Spec::new(json!({}))
    }

    fn open(_: Value) -> Result<Self, Error> {
        Ok(Self::default())
    }

    async fn check(&mut self, _: &[StreamPlan], _: &mut Emitter) -> Result<String, Error> {
        Ok(String::new())
    }

    async fn setup(&mut self, _: &[StreamPlan], _: &mut Emitter) -> Result<(), Error> {
        Ok(())
    }

    async fn teardown(
        &mut self,
        _: Option<&ConfiguredCatalog>,
        _: &mut Emitter,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { bytes: 10_000, rows: 3, flush_ms: 250 }
    }

    async fn begin(&mut self, _: &[StreamPlan]) -> Result<Loaded, Error> {
        Ok(Loaded::default())
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn look(&self, batch: &Arc<Batch>) -> Look {
        let sights = |(name, stream): (&String, &StreamBatch)| {
            let row = |key: &Key| self.row(name, key).map_or(Sight::Absent, Sight::Row);
            (name.clone(), stream.keys.keys().map(row).collect())
        };
        let seen: Seen = batch.streams.iter().map(sights).collect();
        Box::pin(async {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            seen
        })
    }

    async fn load(&mut self, batch: Batch) -> Result<Loaded, Error> {
        self.loads += 1;
        self.seen += batch.streams.values().filter(|stream| !stream.sights.is_empty()).count();
        tokio::task::yield_now().await;
        let mut loaded = Loaded::default();
        for (name, stream) in batch.streams {
            let mut counts = WrittenCounts::default();
            let sights = stream.sights.iter().copied().chain(std::iter::repeat(Sight::Unknown));
            for ((key, rows), sight) in stream.keys.iter().zip(sights) {
                counts.add(&self.store_or_bury(&name, &stream.plan, (key, rows), sight));
            }
            self.prune(&name, &stream);
            for refused in &stream.refused {
                self.bury(&name, refused);
            }
            let result = if name.starts_with("bad") {
                Err(Error::permission(format!("writing `{name}`")))
            } else {
                Ok(counts)
            };
            loaded.streams.insert(name, result);
        }
        Ok(loaded)
    }

    async fn dead_letters(
        &mut self,
        stream: Option<&str>,
        after: i64,
    ) -> Result<Vec<DeadLetter>, Error> {
        let is_asked = |letter: &&DeadLetter| {
            letter.number > after && stream.is_none_or(|stream| letter.stream == stream)
        };
        Ok(self.letters.iter().filter(is_asked).take(2).cloned().collect())
    }

    async fn forget(&mut self, letters: &[DeadLetter]) -> Result<(), Error> {
        let is_gone = |letter: &DeadLetter| {
            letters.iter().any(|gone| (gone.number, gone.tries) == (letter.number, letter.tries))
        };
        self.letters.retain(|letter| !is_gone(letter));
        Ok(())
    }
}

/// The row after a version that brings no document.
fn after(stored: Stored, version: &Version) -> Stored {
    match resolve(Some(stored), std::slice::from_ref(version)).action {
        Action::Restamp(row) | Action::Mark(row) => row,
        Action::Keep | Action::Write { .. } => stored,
    }
}

fn plans(names: &[&str]) -> Vec<StreamPlan> {
    let plan = |name: &&str| {
        let stream = json!({"name": name, "primary_key": [["id"]], "newer_than_field": "at", "soft_delete_field": "deleted"});
        let stream = serde_json::from_value(stream).unwrap();
        StreamPlan::new(&ConfiguredStream::new(stream)).unwrap()
    };
    names.iter().map(plan).collect()
}

async fn drive(input: &str) -> (Memory, Result<(), Error>, Vec<Value>) {
    let (writer, mut reader) = tokio::io::duplex(1 << 20);
    let mut out = Emitter::new(writer);
    let (_stopper, stop) = stop_channel();
    let mut memory = Memory::default();
    let plans = plans(&["a", "b", "bad"]);
    let done = write(&mut memory, plans, input.as_bytes(), &mut out, &stop).await;
    drop(out);
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    (memory, done, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn run(input: &str) -> (Memory, Result<(), Error>, Vec<Value>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(drive(input))
}

fn record(stream: &str, id: u32) -> String {
    json!({"type": "record", "record": {"stream": stream, "data": {"id": id.to_string(), "at": 1}, "emitted_at": "2026-01-01T00:00:00.000Z"}})
        .to_string()
        + "\n"
}

fn state(stream: &str, n: u32) -> String {
    json!({"type": "source_state", "source_state": {"state_type": "stream", "stream": stream, "data": n}})
        .to_string()
        + "\n"
}

const GLOBAL: &str =
    "{\"type\":\"source_state\",\"source_state\":{\"state_type\":\"global\",\"data\":1}}\n";

fn status(stream: &str, status: &str) -> String {
    json!({"type": "stream_status", "stream_status": {"stream": stream, "status": status}})
        .to_string()
        + "\n"
}

#[test]
fn a_state_comes_back_with_what_was_done_for_it() {
    let (memory, done, out) = run(&(record("a", 1) + &record("a", 2) + &state("a", 1)));
    done.unwrap();
    assert_eq!(memory.rows.len(), 2);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0]["source_state"]["data"], 1);
    assert_eq!(out[0]["_written"]["a"]["created"], 2);
}

/// A version of a row of stream `a`.
fn version(id: u32, at: u32, name: &str) -> String {
    json!({"type": "record", "record": {"stream": "a", "data": {"id": id.to_string(), "name": name, "at": at}, "emitted_at": ""}})
        .to_string()
        + "\n"
}

#[test]
fn what_was_seen_of_a_row_does_not_count_once_a_batch_before_may_have_changed_it() {
    // Three batches of three; the last brings back what the row held before the second.
    let batch =
        |first: u32, version: String| version + &record("a", first) + &record("a", first + 1);
    let input = batch(1, version(0, 1, "Ann"))
        + &batch(3, version(0, 2, "Eve"))
        + &batch(5, version(0, 3, "Ann"));
    let (memory, done, out) = run(&input);
    done.unwrap();
    assert_eq!((memory.loads, memory.seen), (3, 3));
    let (row, document) = &memory.rows[&("a".to_owned(), vec!["0".to_owned()])];
    assert_eq!((row.stamp, document.contains("Ann")), (3, true), "{document}");
    let counts = &out.last().unwrap()["_written"]["a"];
    assert_eq!((&counts["created"], &counts["updated"]), (&json!(7), &json!(2)));
}

#[test]
fn what_no_state_carried_is_told_at_the_end() {
    let (_, done, out) = run(&record("a", 1));
    done.unwrap();
    assert_eq!((&out[0]["type"], &out[0]["_written"]["a"]["created"]), (&json!("log"), &json!(1)));
}

#[test]
fn a_failed_stream_takes_its_states_its_completion_and_every_global_state_with_it() {
    let input = [
        status("bad", "start"),
        record("bad", 1),
        record("a", 1),
        state("bad", 1),
        state("a", 1),
        GLOBAL.to_owned(),
        status("bad", "complete"),
        status("a", "complete"),
        record("bad", 2),
    ]
    .concat();
    let (_, done, out) = run(&input);
    done.unwrap();
    let kinds: Vec<_> = out
        .iter()
        .map(|line| {
            let kind = line["type"].as_str().unwrap();
            format!("{kind} {} {}", line[kind]["stream"], line[kind]["status"])
        })
        .collect();
    assert!(kinds.contains(&"stream_status \"bad\" \"error\"".to_owned()), "{kinds:?}");
    assert!(kinds.contains(&"stream_status \"a\" \"complete\"".to_owned()), "{kinds:?}");
    assert!(!kinds.contains(&"stream_status \"bad\" \"complete\"".to_owned()), "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| kind.starts_with("source_state")).count(), 1);
}

#[test]
fn a_record_outside_the_catalog_fails_its_stream_and_no_other() {
    let (memory, done, out) =
        run(&(record("z", 1) + &state("z", 1) + &record("a", 1) + &state("a", 2)));
    done.unwrap();
    assert_eq!(memory.rows.len(), 1);
    let states: Vec<_> = out.iter().filter(|line| line["type"] == "source_state").collect();
    assert_eq!(states.len(), 1);
    assert_eq!(states[0]["source_state"]["stream"], "a");
    assert!(
        out.iter()
            .any(|line| line["stream_status"]["error"].as_str().is_some_and(|e| e.contains("`z`")))
    );
}

#[test]
fn a_refused_record_is_counted_and_the_stream_goes_on() {
    let bad = r#"{"type":"record","record":{"stream":"a","data":{"at":1},"emitted_at":""}}"#;
    let (memory, done, out) = run(&format!("{bad}\n{}{}", record("a", 1), state("a", 1)));
    done.unwrap();
    assert_eq!(memory.rows.len(), 1);
    let last = out.last().unwrap();
    assert_eq!(
        (&last["_written"]["a"]["refused"], &last["_written"]["a"]["created"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn of_refusals_without_end_the_first_are_told_and_all_are_counted() {
    let bad = r#"{"type":"record","record":{"stream":"a","data":{"at":1},"emitted_at":""}}"#;
    let (_, done, out) = run(&format!("{bad}\n").repeat(150));
    done.unwrap();
    let told = |level: &str| out.iter().filter(|line| line["log"]["level"] == level).count();
    assert_eq!((told("error"), told("warn")), (100, 1));
    assert_eq!(out.last().unwrap()["_written"]["a"]["refused"], 150);
}

#[test]
fn garbage_ends_the_write_after_what_came_before_it_is_stored() {
    let (memory, done, out) =
        run(&(record("a", 1) + &state("a", 1) + "<html>sk_test_abcdefghijkl\n"));
    let error = done.unwrap_err().report();
    assert!(error.starts_with("reading line 3 of stdin: `<html>sk_test_…ijkl`"), "{error}");
    assert_eq!((memory.rows.len(), out.len()), (1, 1));
}

#[test]
fn a_cut_line_is_no_clean_end() {
    let (_, done, _) = run(&(record("a", 1) + "{\"type\":"));
    assert!(done.unwrap_err().report().contains("cut off"));
}

#[test]
fn unknown_messages_pass_in_order_unchanged() {
    let (_, done, out) = run(
        "{\"type\":\"trace\",\"trace\":1}\n{\"type\":\"log\",\"log\":{\"level\":\"info\",\"message\":\"x\"}}\n",
    );
    done.unwrap();
    assert_eq!(out[0], json!({"type": "trace", "trace": 1}));
    assert_eq!(out[1]["type"], "log");
}

proptest! {
    #[test]
    fn every_record_is_stored_and_counted_and_states_keep_their_order(
        script in proptest::collection::vec((0..2_usize, 0..4_u32, any::<bool>()), 0..60),
    ) {
        let mut input = String::new();
        let mut expected = Vec::new();
        for (position, (stream, id, is_state)) in script.iter().enumerate() {
            let stream = ["a", "b"][*stream];
            if *is_state {
                expected.push(position);
                input += &state(stream, u32::try_from(position).unwrap());
            } else {
                input += &record(stream, *id);
            }
        }
        let (memory, done, out) = run(&input);
        done.unwrap();
        let states: Vec<usize> = out
            .iter()
            .filter_map(|line| line["source_state"]["data"].as_u64())
            .map(|n| usize::try_from(n).unwrap())
            .collect();
        prop_assert_eq!(states, expected);
        let counted: u64 = out
            .iter()
            .filter_map(|line| line["_written"].as_object())
            .flat_map(|written| written.values())
            .map(|counts| serde_json::from_value::<WrittenCounts>(counts.clone()).unwrap().total())
            .sum();
        let records = script.iter().filter(|(_, _, is_state)| !is_state).count();
        prop_assert_eq!(counted, records as u64);
        prop_assert!(memory.rows.len() <= records);
        prop_assert!(memory.loads as usize <= records);
    }
}

/// How long a release of what was written takes while the input stays open.
async fn released_after(input: &str) -> Duration {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let (writer, reader) = tokio::io::duplex(1 << 20);
    let (mut out, mut memory) = (Emitter::new(writer), Memory::default());
    let (_stopper, stop) = stop_channel();
    near.write_all(input.as_bytes()).await.unwrap();
    let mut lines = tokio::io::BufReader::new(reader).lines();
    let begun = tokio::time::Instant::now();
    tokio::select! {
        ended = write(&mut memory, plans(&["a", "b"]), far, &mut out, &stop) => panic!("{ended:?}"),
        line = lines.next_line() => assert!(line.unwrap().unwrap().contains("source_state")),
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_state_of_the_whole_waits_for_nothing_that_may_follow_it() {
    let records = record("a", 1) + &record("b", 1) + &state("a", 1);
    assert_eq!(released_after(&records).await, QUIET);
    assert_eq!(released_after(&(records.clone() + GLOBAL)).await, Duration::ZERO);
    assert_eq!(released_after(&(records + GLOBAL + &record("a", 2))).await, QUIET);
}
