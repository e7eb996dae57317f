//! A folder with two scripts that play the connectors, and the program started in it.

use std::path::PathBuf;

use testkit::program::Program;

/// A key that must never be seen again.
pub(crate) const CANARY: &str = "sk_test_canary0123456789";

const SCRIPT: &str = r#"#!/bin/sh
say() { printf '%s\n' "$1"; }
status() { say '{"type":"stream_status","stream_status":{"stream":"'$1'",'"$2"'}}'; }
start() { status $1 '"status":"start"'; }
complete() { status $1 '"status":"complete"'; }
record() { say '{"type":"record","record":{"stream":"'$1'","data":{"id":"'$2'"},"emitted_at":"2026-01-01T00:00:00.000Z"}}'; }
state() { say '{"type":"source_state","source_state":{"stream":"'$1'","data":'"$2"'}}'; }
failed() { say '{"type":"connection_status","connection_status":{"status":"failed","message":"'"$1"'"},"_class":"'$2'"}'; }
verb=$1; shift
while [ $# -gt 0 ]; do case "$1" in --follow) follow=1; shift; continue;; --config) config=$2;; --catalog) catalog=$2;; --state) state=$2;; esac; shift 2; done
case "$verb" in
"#;

const SOURCE: &str = r#"spec) say '{"type":"spec","spec":{"config":{"type":"object","additionalProperties":false,"required":["api_key","api_version"],"properties":{"api_key":{"type":"string","writeOnly":true},"api_version":{"type":"string","default":"FIRST"},"base_url":{"type":"string"},"webhook_id":{"type":"string"},"webhook_secret":{"type":"string","writeOnly":true},"rate_limit":{"type":"integer"}}}}}'; exit;;
discover) cp "$config" config.json; say '{"type":"catalog","catalog":{"streams":[{"name":"customers","primary_key":[["id"]],"newer_than_field":"u","metadata":{"account_id":"acct_1","live_mode":false}},{"name":"charges","primary_key":[["id"]],"newer_than_field":"u"}]}}'; exit;;
check) say '{"type":"connection_status","connection_status":{"status":"succeeded","message":"acct_1"}}'; exit;;
setup) [ ! -f control.json ] || cat control.json; exit;;
teardown) touch source-torn; exit;;
"#;

const DESTINATION: &str = r#"spec) say '{"type":"spec","spec":{"config":{"type":"object","additionalProperties":false,"properties":{"path":{"type":"string"},"url":{"type":"string","writeOnly":true},"schema":{"type":"string"},"connections":{"type":"integer"}}}}}'; exit;;
check) say '{"type":"connection_status","connection_status":{"status":"succeeded"}}'; exit;;
teardown) cp "$config" torn.json; exit;;
setup) cp "$config" destination.json; cp "$catalog" catalog.json; exit;;
"#;

/// Reads both streams.
pub(crate) const READ: &str = r#"[ -z "$state" ] || cp "$state" state.json
start customers; record customers cus_1; state customers '{"n":1}'; complete customers
start charges; record charges ch_1; complete charges"#;

/// A folder of its own for one test.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// Scripts that run these lines for `read` and for `write`.
    pub(crate) fn new(read: &str, write: &str) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.write("source.sh", &format!("{SCRIPT}{SOURCE}read) {read}\n;;\nesac\n"));
        desk.write("destination.sh", &format!("{SCRIPT}{DESTINATION}write) {write}\n;;\nesac\n"));
        desk
    }

    /// A source that reads both streams and a destination that takes everything.
    pub(crate) fn usual() -> Self {
        Self::new(READ, "exec cat")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// The program in this folder, without the scripts.
    pub(crate) fn bare(&self) -> Program {
        let mut program = Program::at(env!("CARGO_BIN_EXE_sync-engine"))
            .folder(self.folder.path())
            .env("HOME", self.folder.path());
        for name in ["STRIPE_API_KEY", "POSTGRES_URL", "DATABASE_URL", "XDG_STATE_HOME"] {
            program = program.env(name, "");
        }
        program
    }

    /// A command with the scripts as connectors.
    pub(crate) fn command(&self, name: &str) -> Program {
        let script = |side: &str, kind: &str| format!("{side}.{kind}=sh {side}.sh");
        self.bare()
            .args(name.split(' '))
            .args(["--connector", &script("source", "stripe")])
            .args(["--connector", &script("destination", "sqlite")])
            .args(["--connector", &script("destination", "postgres")])
    }

    /// `sync` with the scripts and a key.
    pub(crate) fn sync(&self) -> Program {
        self.command("sync").args(["--stripe-api-key", CANARY])
    }
}
