//! A database of its own and the program that writes into it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::{
    lines,
    postgres::{Cluster, Database},
    program::{Finished, Program, Running},
};

/// A scratch database, a configuration and a catalog.
pub(crate) struct Copy<'c> {
    pub(crate) database: Database<'c>,
    pub(crate) config: Value,
    pub(crate) catalog: Value,
}

impl Copy<'static> {
    /// In the cluster of this process, with the streams `customers` and `charges`, not set up.
    pub(crate) async fn bare() -> Self {
        Self::within(Cluster::shared()).await
    }

    /// The same, set up.
    pub(crate) async fn new() -> Self {
        let copy = Self::bare().await;
        copy.setup().await.expect_code(0);
        copy
    }
}

impl<'c> Copy<'c> {
    pub(crate) async fn within(cluster: &'c Cluster) -> Self {
        let database = cluster.create_database().await;
        let config = json!({"url": database.url()});
        let catalog = lines::catalog(&[stream("customers"), stream("charges")]);
        Self { database, config, catalog }
    }

    pub(crate) async fn setup(&self) -> Finished {
        self.run("setup", "").await
    }

    pub(crate) async fn write(&self, input: impl AsRef<[u8]>) -> Finished {
        self.run("write", input).await
    }

    pub(crate) async fn run(&self, verb: &str, input: impl AsRef<[u8]>) -> Finished {
        self.program(verb).run(input).await
    }

    pub(crate) fn start(&self) -> Running {
        self.program("write").start()
    }

    fn program(&self, verb: &str) -> Program {
        let (config, catalog) = (self.config.to_string(), self.catalog.to_string());
        program().args([verb, "--config", &config, "--catalog", &catalog])
    }

    /// Writes, expects a good end, and returns the counts by stream.
    pub(crate) async fn written(&self, input: impl AsRef<[u8]>) -> BTreeMap<String, Value> {
        written(&self.write(input).await.expect_code(0))
    }

    /// Returns once a statement in this database waits for a lock.
    pub(crate) async fn until_something_waits(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while self.database.value(waiting).await == "0" {}
    }

    /// Key, place in the file and writing transaction of every row: equal means not rewritten.
    pub(crate) async fn versions(&self, stream: &str) -> Vec<String> {
        let query =
            format!("SELECT id || ctid::text || xmin::text FROM stripe.{stream} ORDER BY 1");
        self.database.column(&query).await
    }
}

pub(crate) fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_destination-postgres"))
}

/// A stream of a test account, as source-stripe describes one.
pub(crate) fn stream(name: &str) -> Value {
    json!({
        "name": name,
        "primary_key": [["id"], ["_account_id"]],
        "newer_than_field": "_updated_at",
        "soft_delete_field": "deleted",
        "metadata": {
            "live_mode": false, "account_id": "acct_1", "api_version": "2026-01-28.clover",
            "volatile": ["url"],
        },
        "json_schema": {"type": "object", "properties": {
            "id": {"type": "string"},
            "amount": {"oneOf": [{"type": "integer"}, {"type": "null"}]},
            "created": {"type": "integer", "format": "unix-time"},
            "customer": {"oneOf": [{"type": "string"}, {"type": "null"}], "x-expandable-reference": true},
            "deleted": {"oneOf": [{"type": "boolean"}, {"type": "null"}]},
            "metadata": {"type": "object"},
            "name": {"oneOf": [{"type": "string"}, {"type": "null"}]},
            "rate": {"type": "number"},
            "tags": {"oneOf": [{"type": "array"}, {"type": "null"}]},
            "_account_id": {"type": "string", "enum": ["acct_1"]},
            "_updated_at": {"type": "integer"},
        }},
    })
}

/// The data of a record.
pub(crate) fn object(id: &str, stamp: i64, name: &str) -> Value {
    json!({"id": id, "object": "customer", "name": name, "_account_id": "acct_1", "_updated_at": stamp})
}

/// What Stripe gives for a deleted object.
pub(crate) fn stub(id: &str, stamp: i64) -> Value {
    json!({"id": id, "object": "customer", "deleted": true, "_account_id": "acct_1", "_updated_at": stamp})
}

/// `count` records of a stream, all of one stamp.
pub(crate) fn records(stream: &str, count: usize, stamp: i64) -> String {
    let record = |number| lines::record(stream, &object(&format!("x_{number:05}"), stamp, "Ann"));
    (0..count).map(record).collect()
}

/// Sums of all `_written` by stream; counts of zero are left out.
pub(crate) fn written(finished: &Finished) -> BTreeMap<String, Value> {
    let mut sums: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for message in finished.messages() {
        let streams = message.get("_written").and_then(Value::as_object);
        for (stream, counts) in streams.into_iter().flatten() {
            for (kind, count) in counts.as_object().unwrap() {
                let sum = sums.entry(stream.clone()).or_default().entry(kind.clone()).or_default();
                *sum += count.as_u64().unwrap();
            }
        }
    }
    for counts in sums.values_mut() {
        counts.retain(|_, count| *count > 0);
    }
    sums.into_iter().map(|(stream, counts)| (stream, json!(counts))).collect()
}

/// The text of the only message of a type, and its class.
pub(crate) fn failure(finished: &Finished, kind: &str) -> (String, String) {
    let found: Vec<Value> = finished
        .of_type(kind)
        .into_iter()
        .filter(|message| ["failed", "error"].map(Value::from).contains(&message[kind]["status"]))
        .collect();
    let [message] = found.as_slice() else { panic!("one failed {kind}: {}", finished.stdout) };
    let text = message[kind].get("message").or_else(|| message[kind].get("error"));
    (text.unwrap().as_str().unwrap().to_owned(), message["_class"].as_str().unwrap().to_owned())
}
