//! A destination in memory: the version rule, deletes and prunes, and the states that came.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use testkit::canonical::canonical;

/// One row.
#[derive(Debug, Clone)]
struct Row {
    stamp: i64,
    deleted: bool,
    document: Value,
}

/// What the messages of one or several reads come to.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    rows: BTreeMap<String, BTreeMap<String, Row>>,
    states: Map<String, Value>,
    global: Value,
    /// Messages that are neither records nor states, in order.
    pub(crate) told: Vec<Value>,
}

impl Tables {
    /// Takes in the lines of a read; a last line that was cut is left out.
    pub(crate) fn take_in(&mut self, stdout: &str) {
        for line in stdout.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            self.take_in_line(line);
        }
    }

    /// Takes in one line.
    pub(crate) fn take_in_line(&mut self, line: &str) {
        let message: Value = serde_json::from_str(line).unwrap();
        match message["type"].as_str() {
            Some("record") => self.record(&message),
            Some("source_state") => {
                let state = &message["source_state"];
                match state["stream"].as_str() {
                    Some(stream) => drop(self.states.insert(stream.into(), state["data"].clone())),
                    None => self.global = state["data"].clone(),
                }
            }
            _ => self.told.push(message),
        }
    }

    /// What `--state` takes to go on.
    pub(crate) fn state(&self) -> Value {
        let global = if self.global.is_null() { json!({}) } else { self.global.clone() };
        json!({"streams": self.states, "global": global})
    }

    /// The state of the source as a whole.
    pub(crate) fn global(&self) -> &Value {
        &self.global
    }

    /// The terminal statuses of a stream.
    pub(crate) fn ends(&self, stream: &str) -> Vec<String> {
        let of = self.told.iter().filter(|message| message["stream_status"]["stream"] == stream);
        let statuses = of.map(|message| message["stream_status"]["status"].as_str().unwrap());
        let is_end = |status: &&str| ["complete", "error", "skip"].contains(status);
        statuses.filter(is_end).map(str::to_owned).collect()
    }

    /// The texts of all logs that are for people.
    pub(crate) fn logs(&self) -> Vec<String> {
        let is_log =
            |message: &&Value| message["type"] == "log" && message["log"]["level"] != "debug";
        let logs = self.told.iter().filter(is_log);
        logs.map(|message| message["log"]["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Forgets what was told, not what is held.
    pub(crate) fn forget_told(&mut self) {
        self.told.clear();
    }

    /// The documents of a stream that are there, in canonical form, without what is ours and
    /// without what changes by itself.
    pub(crate) fn alive(&self, stream: &str) -> BTreeMap<String, Value> {
        let rows = self.rows.get(stream).into_iter().flatten();
        rows.filter(|(_, row)| !row.deleted)
            .map(|(id, row)| (id.clone(), steady(row.document.clone())))
            .collect()
    }

    /// Whether an object was seen and is deleted now.
    pub(crate) fn is_deleted(&self, stream: &str, id: &str) -> bool {
        self.rows.get(stream).and_then(|rows| rows.get(id)).is_some_and(|row| row.deleted)
    }

    fn record(&mut self, message: &Value) {
        let (record, mut document) = (&message["record"], message["record"]["data"].clone());
        let object = document.as_object_mut().unwrap();
        let stamp = object.remove("_updated_at").unwrap().as_i64().unwrap();
        assert!(object["_account_id"].as_str().unwrap().starts_with("acct_"));
        let deleted = object.get("deleted") == Some(&json!(true));
        let is_stub = deleted && object.len() <= 4;
        let id = object["id"].as_str().unwrap().to_owned();
        let rows = self.rows.entry(record["stream"].as_str().unwrap().to_owned()).or_default();
        let is_list = message["_origin"] == "list";
        put(rows, id, Row { stamp, deleted, document }, (is_list, is_stub));
        for prune in message["_prune"].as_array().into_iter().flatten() {
            self.prune(prune, stamp);
        }
    }

    fn prune(&mut self, prune: &Value, stamp: i64) {
        let Some(rows) = self.rows.get_mut(prune["stream"].as_str().unwrap()) else { return };
        let is_meant = |document: &Value| {
            let all = prune["where"].as_object().unwrap();
            all.iter().all(|(name, value)| document[name] == *value)
        };
        let keep: Vec<&str> =
            prune["keep"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        for (id, row) in rows {
            let is_older = row.stamp <= stamp && !row.deleted;
            if is_older && is_meant(&row.document) && !keep.contains(&id.as_str()) {
                (row.deleted, row.stamp) = (true, stamp);
            }
        }
    }
}

/// The version rule.
fn put(rows: &mut BTreeMap<String, Row>, id: String, new: Row, (is_list, is_stub): (bool, bool)) {
    let Some(row) = rows.get_mut(&id) else {
        rows.insert(id, new);
        return;
    };
    let is_same = new.deleted == row.deleted && (is_stub || new.document == row.document);
    if is_same {
        row.stamp = if is_list { row.stamp } else { row.stamp.max(new.stamp) };
        return;
    }
    let wins_tie = new.stamp == row.stamp && !row.deleted;
    if new.stamp > row.stamp || wins_tie {
        let document = if is_stub { row.document.clone() } else { new.document };
        *row = Row { document, ..new };
    }
}

/// A document without our fields and without links that are signed anew.
pub(crate) fn steady(mut document: Value) -> Value {
    let changing = ["_account_id", "receipt_url", "hosted_invoice_url", "invoice_pdf", "pdf"];
    document.as_object_mut().unwrap().retain(|name, _| !changing.contains(&name.as_str()));
    canonical(document)
}
