//! `sync-engine dead-letters`: records that the destination could not store.

use engine::Failure;
use protocol::{Log, exit};
use serde_json::Value;

use crate::cli::{DeadLettersCommand, StateArgs};
use crate::given_keys::GivenKeys;
use crate::session;
use crate::surroundings::Surroundings;
use crate::table;

/// Lists them on stdout, or has them tried again.
pub(crate) async fn run(
    command: &DeadLettersCommand,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let (of, retry) = match command {
        DeadLettersCommand::List(of) => (of, false),
        DeadLettersCommand::Retry(of) => (of, true),
    };
    let (settings, host) = session::open(&of.connection, keys, surroundings)?;
    let job = session::job(settings, &StateArgs::default());
    let asked = engine::dead_letters(&job, &host, retry, of.stream.as_deref());
    let logs = Box::pin(asked).await?;
    if of.json {
        let lines = logs.iter().filter_map(|log| log.data.clone());
        let lines: Vec<String> = lines.map(|data| format!("{}\n", Value::Object(data))).collect();
        return Ok(crate::print(&lines.concat()));
    }
    let (letters, words): (Vec<&Log>, Vec<&Log>) =
        logs.iter().partition(|log| log.data.as_ref().is_some_and(|data| data.contains_key("key")));
    if !letters.is_empty() {
        let rows: Vec<Vec<String>> = letters.into_iter().map(row).collect();
        crate::print(&table::render(&["stream", "key", "tries", "at", "error"], &rows));
    }
    for log in words {
        crate::say(&protocol::secret::mask(&log.message));
    }
    Ok(exit::OK)
}

fn row(log: &Log) -> Vec<String> {
    let value = |key: &str| match log.data.as_ref().and_then(|data| data.get(key)) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    ["stream", "key", "tries", "at", "error"].map(value).to_vec()
}
