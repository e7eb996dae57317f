//! `sync-engine sync --dry-run`: what a run would do, and what it would cost at least.

use engine::{Beginning, Failure, Host, Job, Outlook};
use protocol::Stream;
use serde_json::Value;

use crate::output::opening_line;
use crate::table;

/// Writes it to stdout; changes nothing.
pub(crate) async fn run(job: &Job, host: &Host) -> Result<u8, Failure> {
    let outlook = Box::pin(engine::foresee(job, host)).await?;
    Ok(crate::print(&shown(&outlook)))
}

fn shown(outlook: &Outlook) -> String {
    let rows: Vec<Vec<String>> = outlook.streams.iter().map(row).collect();
    let mut text = format!("{}\n", opening_line(&outlook.opening));
    text.push_str(&format!(
        "pipeline {}, state in {}\n",
        outlook.opening.pipeline, outlook.opening.store
    ));
    if let Some(run) = &outlook.unfinished {
        text.push_str(&format!("run {run} is unfinished and would go on\n"));
    }
    text.push_str(&table::render(&["stream", "would begin", "cost"], &rows));
    let asked = outlook.streams.iter().filter(|(_, how)| *how != Beginning::Done).count();
    text.push_str(&format!(
        "at least {asked} requests, one a stream, and one for every 100 objects; nothing was changed\n"
    ));
    text
}

fn row((stream, how): &(Stream, Beginning)) -> Vec<String> {
    let begins = match how {
        Beginning::Afresh => "afresh",
        Beginning::Resumed => "from where it was",
        Beginning::Done => "not: it is done in this run",
    };
    vec![stream.name.clone(), begins.to_owned(), cost(stream).to_owned()]
}

/// What a later run costs, from what the source says of a stream's freshness.
pub(crate) fn cost(stream: &Stream) -> &'static str {
    let metadata = |key: &str| stream.metadata.as_ref().and_then(|metadata| metadata.get(key));
    if metadata("parent").is_some_and(|parent| !parent.is_null()) {
        return "a request for each parent";
    }
    let by_time = metadata("supports_time_range") != Some(&Value::Bool(false));
    match metadata("freshness").and_then(Value::as_str) {
        Some("relist") => "the whole list each time",
        Some("events" | "immutable") if by_time => "what is new",
        Some("events" | "immutable") => "the list up to what is known",
        _ => "",
    }
}
