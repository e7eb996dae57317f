//! What the tests share: a folder of scripts, a client that remembers, a host.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::child::Launcher;
use engine::outcome::Outcome;
use engine::resolve::{Resolver, Role};
use engine::store::StoreChoice;
use engine::{
    Client, Failure, FullRefresh, Given, Host, Job, Limits, Opening, Shown, Stop, StopReceiver,
    StreamDefaults, channel,
};
use protocol::{ConnectorConfig, SourceState, Timestamp};
use serde_json::{Value, json};
use testkit::wait::until;
use tokio::io::AsyncWrite;

/// A source and a destination as scripts, with what a test wants to be otherwise.
pub(crate) struct House {
    folder: Arc<tempfile::TempDir>,
    overrides: BTreeMap<(Role, String), String>,
    pub(crate) store: StoreChoice,
    pub(crate) streams: Vec<&'static str>,
    pub(crate) limits: Limits,
    pub(crate) run_id: Option<String>,
    pub(crate) follow: bool,
    pub(crate) full_refresh: Option<FullRefresh>,
    run_count: u32,
    /// Whether no twin of it runs at the same time.
    is_alone: bool,
}

/// Everything that a client was shown.
#[derive(Default)]
pub(crate) struct Remembers {
    pub(crate) lines: Vec<Value>,
    /// Looks at the state file when a state is shown.
    pub(crate) state_file: PathBuf,
    /// Whether it goes away once it has seen a state.
    pub(crate) leaves_at_a_state: bool,
}

impl Client for Remembers {
    async fn open(&mut self, _opening: &Opening) -> io::Result<()> {
        Ok(())
    }

    async fn show(&mut self, shown: Shown<'_>) -> io::Result<()> {
        if self.leaves_at_a_state && !self.of("source_state").is_empty() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let line: Value = serde_json::from_slice(&shown.line()).expect("a line is JSON");
        assert_eq!(line["_emitted_by"], shown.emitted_by, "who said it is one: {line}");
        if line["type"] == "source_state" && !self.state_file.as_os_str().is_empty() {
            self.is_saved(&line["source_state"]);
        }
        self.lines.push(line);
        Ok(())
    }
}

impl Remembers {
    fn is_saved(&self, state: &Value) {
        let file: Value =
            serde_json::from_slice(&std::fs::read(&self.state_file).expect("a state file"))
                .unwrap();
        let saved = match state["stream"].as_str() {
            Some(stream) => &file["source"]["streams"][stream],
            None => &file["source"]["global"],
        };
        assert!(!saved.is_null(), "shown before it was saved: {state}");
    }

    /// Payloads of one type.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["type"] == kind).map(|line| &line[kind]).collect()
    }

    /// Texts of the log.
    pub(crate) fn logs(&self) -> Vec<&str> {
        self.of("log").iter().filter_map(|log| log["message"].as_str()).collect()
    }
}

/// Reads streams `a` and `b`: a record each, its state, done.
pub(crate) const GOOD_READ: &str = r#"
start a; record a 1; state a '{"n":1}'; complete a
start b; record b 1; state b '{"n":1}'; state_global '{"g":1}'; complete b"#;

/// Says what it was given back, records included.
pub(crate) const ECHO: &str = "exec cat";

const PRELUDE: &str = r#"#!/bin/sh
start() { echo '{"type":"stream_status","stream_status":{"stream":"'$1'","status":"start"}}'; }
complete() { echo '{"type":"stream_status","stream_status":{"stream":"'$1'","status":"complete"}}'; }
record() { echo '{"type":"record","record":{"stream":"'$1'","data":{"id":"'$2'","n":1.10},"emitted_at":"2026-01-01T00:00:00.000Z"}}'; }
state() { echo '{"type":"source_state","source_state":{"stream":"'$1'","data":'"$2"'}}'; }
state_global() { echo '{"type":"source_state","source_state":{"state_type":"global","data":'"$1"'}}'; }
log() { echo '{"type":"log","log":{"level":"info","message":"'"$1"'"}}'; }
failed() { echo '{"type":"connection_status","connection_status":{"status":"failed","message":"'"$1"'"},"_class":"'$2'"}'; }
verb=$1; shift
while [ $# -gt 0 ]; do case "$1" in --follow) follow=1; shift; continue;; --config) config=$2;; --catalog) catalog=$2;; --state) state=$2;; esac; shift 2; done
case "$verb" in
spec) [ ! -f "${0%/*}/acks" ] || acks='"acks":true,'
echo '{"type":"spec","spec":{'"$acks"'"config":{"type":"object","additionalProperties":false,"required":["key"],"properties":{"key":{"type":"string","writeOnly":true,"default":"sk_test_canary"},"count":{"type":"integer"}}}}}'; exit;;
discover) echo '{"type":"catalog","catalog":{"streams":[{"name":"a","primary_key":[["id"]],"newer_than_field":"u"},{"name":"b","primary_key":[["id"]],"newer_than_field":"u"},{"name":"c","primary_key":[["id"]],"newer_than_field":"u","metadata":{"parent":"b"}}]}}'; exit;;
check) echo '{"type":"connection_status","connection_status":{"status":"succeeded"}}'; exit;;
"#;

/// Whether a file is there and holds a text.
pub(crate) fn holds(file: &Path, text: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|written| written.contains(text))
}

impl House {
    /// Scripts that run these lines for `read` and for `write`.
    pub(crate) fn new(read: &str, write: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut house = Self {
            store: StoreChoice::File(folder.path().join("state.json")),
            folder,
            overrides: BTreeMap::new(),
            streams: vec!["a", "b"],
            limits: Limits::default(),
            run_id: None,
            follow: false,
            full_refresh: None,
            run_count: 0,
            is_alone: true,
        };
        house.script(Role::Source, &format!("read) {read}\n;;"));
        house.script(Role::Destination, &format!("setup) exit;;\nwrite) {write}\n;;"));
        house
    }

    /// The same pipeline once more, to be run beside this one.
    pub(crate) fn twin(&self) -> Self {
        Self {
            folder: Arc::clone(&self.folder),
            overrides: self.overrides.clone(),
            store: self.store.clone(),
            streams: self.streams.clone(),
            limits: self.limits,
            run_id: self.run_id.clone(),
            follow: self.follow,
            full_refresh: self.full_refresh.clone(),
            run_count: self.run_count + 100,
            is_alone: false,
        }
    }

    /// Replaces what a connector does beyond the usual verbs: the branches of a shell `case`.
    pub(crate) fn script(&mut self, role: Role, branches: &str) {
        let path = self.path(&format!("{role}.sh"));
        std::fs::write(&path, format!("{PRELUDE}{branches}\nesac\n")).unwrap();
        self.command(role, &format!("/bin/sh {}", path.display()));
    }

    /// Has the source ask for acknowledgements.
    pub(crate) fn acknowledge(&self) {
        std::fs::write(self.path("acks"), "").unwrap();
    }

    /// Runs until the state file holds `text`, is then asked to stop, as often as `stops` says.
    pub(crate) async fn run_until(&mut self, text: &str, stops: &[Stop]) -> (Outcome, Remembers) {
        let (sender, receiver) = channel();
        let state = self.path("state.json");
        let run = self.run_with(Remembers::default(), receiver);
        let stop = async {
            until("the state is saved", async || holds(&state, text)).await;
            for stop in stops {
                sender.send(*stop).unwrap();
                tokio::task::yield_now().await;
            }
            // A run that nobody can stop any more must not end because of that.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = run => done,
            () = stop => unreachable!("it waits for ever"),
        }
    }

    /// Replaces a connector's command.
    pub(crate) fn command(&mut self, role: Role, command: &str) {
        self.overrides.insert((role, "test".to_owned()), command.to_owned());
    }

    /// A path in the house's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder for scripts to write to, as a shell word.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs to the end.
    pub(crate) async fn run(&mut self) -> (Outcome, Remembers) {
        let (sender, receiver) = channel();
        let client = Remembers::default();
        let done = self.run_with(client, receiver).await;
        drop(sender);
        done
    }

    /// The first half of the pipe, into `out`.
    pub(crate) async fn read(
        &self,
        out: impl AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(), Failure> {
        let (_sender, stop) = channel();
        let (job, host) = (self.job(), self.host());
        Box::pin(engine::read(&job, &host, &SourceState::default(), out, stop)).await
    }

    /// Runs with a client and a stop of the test's own.
    pub(crate) async fn run_with(
        &mut self,
        mut client: Remembers,
        stop: StopReceiver,
    ) -> (Outcome, Remembers) {
        if let StoreChoice::File(path) = &self.store {
            client.state_file.clone_from(path);
        }
        self.run_count += 1;
        let outcome = Box::pin(engine::sync(&self.job(), &self.host(), &mut client, stop)).await;
        let last = client.lines.last();
        if !client.leaves_at_a_state {
            assert_eq!(last.expect("something was shown")["type"], "eof");
            assert_eq!(client.of("eof").len(), 1);
        }
        if self.is_alone {
            self.assert_nobody_lives();
        }
        (outcome, client)
    }

    /// A script's own process has ended, whatever it did.
    fn assert_nobody_lives(&self) {
        let folder = self.folder.path().display().to_string();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |name| std::fs::read(process.path().join(name)).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&read("cmdline")).into_owned();
            assert!(!arguments.contains(&folder), "it lives on: {arguments:?}");
        }
    }

    fn job(&self) -> Job {
        let given = || Given {
            connector: ConnectorConfig {
                connector_type: "test".to_owned(),
                config: serde_json::Map::new(),
            },
            texts: BTreeMap::new(),
        };
        let select = |name: &&str| serde_json::from_value(json!({"name": name})).unwrap();
        Job {
            source: given(),
            destination: given(),
            streams: self.streams.iter().map(select).collect(),
            defaults: StreamDefaults::default(),
            full_refresh: self.full_refresh.clone(),
            pipeline: Some("p".to_owned()),
            store: self.store.clone(),
            run_id: self.run_id.clone(),
            trigger: "program".to_owned(),
            limits: self.limits,
            follow: self.follow,
        }
    }

    fn host(&self) -> Host {
        Host {
            launcher: Launcher::default(),
            resolver: Resolver { overrides: self.overrides.clone(), ..Resolver::default() },
            now: || Timestamp::from_seconds(1),
            run_id: format!("run{}", self.run_count),
            places: Arc::new(|_, key| vec![key.to_owned()]),
            state_folder: self.folder.path().to_owned(),
        }
    }
}
