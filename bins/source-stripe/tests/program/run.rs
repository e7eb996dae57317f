//! Calls of the program, and what it printed.

use std::collections::BTreeMap;

use protocol::{Kind, Line};
use serde_json::{Map, Value, json};
use testkit::program::{Finished, Program, Signal};

use crate::fake::key;

/// The configuration for a server, with more keys or others.
pub(crate) fn config(url: &str, more: Value) -> Value {
    let mut config = json!({
        "api_key": "sk_test_0123456789abcd",
        "api_version": "2026-01-28.clover",
        "base_url": url,
        "rate_limit": 10_000,
        "endpoint_rate_limit": 10_000,
    });
    let Value::Object(more) = more else { panic!("an object") };
    config.as_object_mut().unwrap().extend(more);
    config
}

/// A configured catalog of these streams.
pub(crate) fn catalog(streams: &[&str]) -> Value {
    let streams: Vec<Value> = streams.iter().map(|name| stream(name)).collect();
    testkit::lines::catalog(&streams)
}

fn stream(name: &str) -> Value {
    json!({
        "name": name,
        "primary_key": [["id"], ["_account_id"]],
        "newer_than_field": "_updated_at",
    })
}

/// `source-stripe read`, not started.
pub(crate) fn read(config: &Value, catalog: &Value, state: Option<&Value>) -> Program {
    let program = Program::named("source-stripe")
        .arg("read")
        .args(["--config", &config.to_string()])
        .args(["--catalog", &catalog.to_string()]);
    match state {
        Some(state) => program.args(["--state", &state.to_string()]),
        None => program,
    }
}

/// What a read printed until it was killed: after so many states of streams, unless it ended before.
pub(crate) async fn killed_after(states: u32, read: Program) -> String {
    let mut running = read.start();
    let (mut seen, mut left) = (String::new(), states);
    while left > 0
        && let Some(line) = running.line().await
    {
        seen.push_str(&format!("{line}\n"));
        left -= u32::from(line.contains(r#""state_type":"stream""#));
    }
    running.signal(Signal::KILL);
    seen
}

/// What a `read` printed, as a destination that makes everything durable at once would keep it.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// The records' data as it came, by stream and id.
    pub(crate) records: BTreeMap<String, BTreeMap<String, String>>,
    /// The last state of each stream and the global one.
    pub(crate) state: BTreeMap<String, Value>,
    pub(crate) global: Option<Value>,
    /// Statuses in order: stream, status.
    pub(crate) statuses: Vec<(String, String)>,
}

impl Copied {
    /// Takes in whole lines; a last line that was cut is left out. Records that no state covers
    /// are forgotten at the end, as by a destination that dies.
    pub(crate) fn take_in(&mut self, stdout: &str) {
        let mut uncovered: Vec<(String, String)> = Vec::new();
        for line in stdout.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let line = Line::parse(line.as_bytes()).unwrap();
            match line.kind {
                Kind::Record => {
                    let record = line.record().unwrap();
                    uncovered.push((record.stream.into_owned(), record.data.get().to_owned()));
                }
                Kind::SourceState => {
                    self.keep(std::mem::take(&mut uncovered));
                    self.keep_state(&serde_json::from_slice(line.raw).unwrap());
                }
                Kind::StreamStatus => {
                    let message: Value = serde_json::from_slice(line.raw).unwrap();
                    let status = &message["stream_status"];
                    self.statuses.push((text(&status["stream"]), text(&status["status"])));
                }
                Kind::ConnectionStatus
                | Kind::Control
                | Kind::Log
                | Kind::Spec
                | Kind::Catalog
                | Kind::Progress
                | Kind::Eof
                | Kind::SourceInput
                | Kind::Unknown => {}
            }
        }
    }

    fn keep(&mut self, records: Vec<(String, String)>) {
        for (stream, data) in records {
            let object: Value = serde_json::from_str(&data).unwrap();
            self.records.entry(stream).or_default().insert(key(&object), data);
        }
    }

    fn keep_state(&mut self, message: &Value) {
        let state = &message["source_state"];
        match state["stream"].as_str() {
            Some(stream) => drop(self.state.insert(stream.to_owned(), state["data"].clone())),
            None => self.global = Some(state["data"].clone()),
        }
    }

    /// What `--state` takes to go on.
    pub(crate) fn to_resume(&self) -> Value {
        let streams: Map<String, Value> =
            self.state.iter().map(|(name, state)| (name.clone(), state.clone())).collect();
        json!({"streams": streams, "global": self.global.clone().unwrap_or_else(|| json!({}))})
    }

    /// Whether a stream has ended with this status, and with no other.
    pub(crate) fn ended(&self, stream: &str, with: &str) -> bool {
        let terminal = ["complete", "error", "skip"];
        let of = self.statuses.iter().filter(|(name, _)| name == stream);
        let ends: Vec<&str> = of
            .map(|(_, status)| status.as_str())
            .filter(|status| terminal.contains(status))
            .collect();
        ends == [with]
    }

    /// Whether nothing of a stream remains.
    pub(crate) fn is_done(&self, stream: &str) -> bool {
        self.state.get(stream).is_some_and(|state| state["remaining"] == json!([]))
    }

    /// Fails unless the records of a stream are the oracle's, byte for byte, and ours. Where a list
    /// inside was completed, the oracle has written it in its own way.
    pub(crate) fn assert_equals(&self, stream: &str, oracle: &BTreeMap<String, String>) {
        let empty = BTreeMap::new();
        let records = self.records.get(stream).unwrap_or(&empty);
        assert_eq!(
            records.keys().collect::<Vec<_>>(),
            oracle.keys().collect::<Vec<_>>(),
            "{stream}"
        );
        for (id, object) in oracle {
            let data = records.get(id).unwrap();
            let prefix = object.strip_suffix('}').unwrap();
            assert!(data.contains(r#","_account_id":"acct_"#), "{stream}: {data}");
            let same = data.starts_with(prefix) || without_ours(data) == without_ours(object);
            assert!(same, "{stream}: {data}\nis not\n{object}");
        }
    }
}

/// An object without what we add, its numbers and names in no order.
fn without_ours(object: &str) -> Value {
    let mut object: Value = serde_json::from_str(object).unwrap();
    let members = object.as_object_mut().unwrap();
    members.retain(|name, _| name != "_account_id" && name != "_updated_at");
    object
}

/// What a program that ended has printed.
pub(crate) fn copied(finished: &Finished) -> Copied {
    let mut copied = Copied::default();
    copied.take_in(&finished.stdout);
    copied
}

/// The text of the first message of a type, for its field: a log's, a failure's.
pub(crate) fn texts(finished: &Finished, kind: &str, field: &str) -> Vec<String> {
    finished.of_type(kind).iter().map(|message| text(&message[kind][field])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
