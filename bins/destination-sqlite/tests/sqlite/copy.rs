//! A file of a test's own, and the program that writes it.

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::lines;
use testkit::program::{Finished, Program};

pub(crate) struct Copy {
    /// Removed with this.
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Copy {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("copy.db");
        Self { _folder: folder, path }
    }

    /// A file in which setup has made these streams.
    pub(crate) async fn of(streams: &[Value]) -> Self {
        let copy = Self::new();
        copy.setup(streams).await.expect_code(0);
        copy
    }

    pub(crate) fn arguments(&self, verb: &str, streams: &[Value]) -> Vec<String> {
        let config = json!({"path": self.path, "batch_rows": 100}).to_string();
        let catalog = lines::catalog(streams).to_string();
        [verb, "--config", &config, "--catalog", &catalog].map(str::to_owned).into()
    }

    pub(crate) fn program(&self, verb: &str, streams: &[Value]) -> Program {
        Program::at(env!("CARGO_BIN_EXE_destination-sqlite")).args(self.arguments(verb, streams))
    }

    pub(crate) async fn setup(&self, streams: &[Value]) -> Finished {
        self.program("setup", streams).run("").await
    }

    pub(crate) async fn write(&self, streams: &[Value], input: &str) -> Finished {
        self.program("write", streams).run(input).await
    }

    pub(crate) fn open(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    /// The first column of a query, as text.
    pub(crate) fn column(&self, query: &str) -> Vec<String> {
        let connection = self.open();
        let mut statement =
            connection.prepare(&format!("SELECT CAST(x AS TEXT) FROM ({query})")).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    pub(crate) fn count(&self, table: &str) -> u64 {
        self.column(&format!("SELECT count(*) AS x FROM {table}"))[0].parse().unwrap()
    }
}

/// A stream of account `acct_1`, test data, keyed by id and account.
pub(crate) fn stream(name: &str) -> Value {
    json!({
        "name": name,
        "primary_key": [["id"], ["_account_id"]],
        "newer_than_field": "_updated_at",
        "soft_delete_field": "deleted",
        "json_schema": {"properties": {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "amount": {"type": "integer"},
            "deleted": {"type": "boolean"},
            "_account_id": {"type": "string", "enum": ["acct_1"]},
            "_updated_at": {"type": "integer"},
        }},
        "metadata": {"account_id": "acct_1", "live_mode": false, "api_version": "2026-01-28.clover"},
    })
}

pub(crate) fn record(stream: &str, id: &str, name: &str) -> String {
    let data = json!({"id": id, "name": name, "_account_id": "acct_1", "_updated_at": 7});
    lines::record(stream, &data)
}

/// Records `from..to`, and a state that says so.
pub(crate) fn page(stream: &str, from: usize, to: usize) -> String {
    let records: String =
        (from..to).map(|number| record(stream, &format!("cus_{number:05}"), "x")).collect();
    records + &lines::state(stream, &json!({ "to": to }))
}

/// The places that a setup told, by stream.
pub(crate) fn places(run: &Finished) -> Value {
    run.messages().iter().find_map(|message| message.get("_places").cloned()).unwrap()
}

/// The message of the failure that ended a run, and its class.
pub(crate) fn failure(run: &Finished) -> (String, String) {
    let status = run.of_type("connection_status").pop().expect("a failed connection is told");
    assert_eq!(status["connection_status"]["status"], "failed");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&status["connection_status"]["message"]), text(&status["_class"]))
}
