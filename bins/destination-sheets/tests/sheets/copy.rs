//! A spreadsheet of a test's own, and the program that writes it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::lines;
use testkit::program::{Finished, Program};
use testkit::sheets::FakeSheets;

pub(crate) struct Copy {
    pub(crate) sheets: FakeSheets,
    pub(crate) id: String,
    /// Keys that are added to the configuration, or replace it.
    pub(crate) more: Value,
}

impl Copy {
    pub(crate) async fn new() -> Self {
        let sheets = FakeSheets::start().await;
        let id = sheets.spreadsheet("A person's");
        Self { sheets, id, more: json!({}) }
    }

    /// A spreadsheet in which setup has made these streams.
    pub(crate) async fn of(streams: &[Value]) -> Self {
        let copy = Self::new().await;
        copy.setup(streams).await.expect_code(0);
        copy
    }

    pub(crate) fn config(&self) -> Value {
        let mut config = json!({
            "spreadsheet_id": self.id,
            "access_token": self.sheets.access_token(),
            "base_url": self.sheets.url(),
            "token_url": self.sheets.token_url(),
            "requests_per_minute": 60_000,
            "flush_ms": 0,
        });
        for (key, value) in self.more.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    }

    pub(crate) fn program(&self, verb: &str, streams: &[Value]) -> Program {
        let (config, catalog) = (self.config().to_string(), lines::catalog(streams).to_string());
        Program::at(env!("CARGO_BIN_EXE_destination-sheets")).args([
            verb,
            "--config",
            &config,
            "--catalog",
            &catalog,
        ])
    }

    pub(crate) async fn setup(&self, streams: &[Value]) -> Finished {
        self.program("setup", streams).run("").await
    }

    pub(crate) async fn write(&self, streams: &[Value], input: &str) -> Finished {
        self.program("write", streams).run(input).await
    }

    pub(crate) fn cells(&self, tab: &str) -> Vec<Vec<Value>> {
        self.sheets.edit(&self.id, |book| book.cells(tab))
    }

    /// Rows below the header, by the first key column, each by the names in the header. A key that
    /// is there twice fails the test.
    pub(crate) fn rows(&self, tab: &str) -> BTreeMap<String, Value> {
        let cells = self.cells(tab);
        let header = &cells[0];
        let mut rows = BTreeMap::new();
        for cells in &cells[1..] {
            let mut row = json!({});
            for (at, name) in header.iter().enumerate() {
                let value = cells.get(at).cloned().unwrap_or_else(|| json!(""));
                row[name.as_str().unwrap()] = value;
            }
            let Some(id) = row["id"].as_str().filter(|id| !id.is_empty()) else { continue };
            let id = id.to_owned();
            assert!(rows.insert(id.clone(), row).is_none(), "`{id}` is there twice");
        }
        rows
    }

    /// A column of a tab by key.
    pub(crate) fn column(&self, tab: &str, name: &str) -> BTreeMap<String, Value> {
        self.rows(tab).into_iter().map(|(id, row)| (id, row[name].clone())).collect()
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
            "created": {"type": "integer", "format": "unix-time"},
            "parent": {"type": "string", "x-expandable-reference": true},
            "deleted": {"type": "boolean"},
            "_account_id": {"type": "string", "enum": ["acct_1"]},
            "_updated_at": {"type": "integer"},
        }},
        "metadata": {"account_id": "acct_1", "live_mode": false, "api_version": "2026-01-28.clover"},
    })
}

/// An object with our fields.
pub(crate) fn object(id: &str, name: &str, stamp: u64) -> Value {
    json!({"id": id, "name": name, "_account_id": "acct_1", "_updated_at": stamp})
}

pub(crate) fn record(stream: &str, id: &str, name: &str) -> String {
    lines::record(stream, &object(id, name, 7))
}

/// Records `from..to` of this name and stamp, and a state that says so.
pub(crate) fn page(stream: &str, (from, to): (usize, usize), (name, stamp): (&str, u64)) -> String {
    let one =
        |number: usize| lines::record(stream, &object(&format!("cus_{number:05}"), name, stamp));
    let records: String = (from..to).map(one).collect();
    records + &lines::state(stream, &json!({ "to": to }))
}

/// The counts of all states and logs together.
pub(crate) fn counts(run: &Finished, stream: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for message in run.messages() {
        for (name, count) in message["_written"][stream].as_object().into_iter().flatten() {
            *sums.entry(name.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    sums.retain(|_, count| *count > 0);
    sums
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
