//! `sync-engine sync --dry-run`: what a run would do, and what it would cost at least.

use engine::{Beginning, Failure, Foreseen, Host, Job, Outlook};
use protocol::Stream;
use serde_json::Value;

use crate::output::opening_line;
use crate::table::{self, count, duration};

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
    let heading = ["stream", "would begin", "records last time", "cost"];
    text.push_str(&table::render(&heading, &rows));
    text.push_str(&cost_lines(outlook));
    text.push_str(&setup_lines(outlook.setup.as_deref()));
    text.push_str("nothing was changed\n");
    text
}

fn row(foreseen: &Foreseen) -> Vec<String> {
    let begins = match foreseen.begins {
        Beginning::Afresh => "afresh",
        Beginning::Resumed => "from where it was",
        Beginning::Done => "not: it is done in this run",
    };
    vec![
        foreseen.stream.name.clone(),
        begins.to_owned(),
        foreseen.known_count.map(count).unwrap_or_default(),
        cost(&foreseen.stream).to_owned(),
    ]
}

/// Objects of one request (<https://docs.stripe.com/api/pagination>).
const PAGE: u64 = 100;

/// Requests and time: what is sure, and what each further object costs.
fn cost_lines(outlook: &Outlook) -> String {
    let streams = outlook.streams.iter().filter(|one| one.begins != Beginning::Done);
    let requests = streams.map(least_requests).fold(0, u64::saturating_add);
    let pace = pace(outlook);
    let time = |requests: u64| {
        let said = pace.map(|pace| duration(requests.saturating_mul(1000).div_ceil(pace)));
        said.map(|said| format!(", about {said}")).unwrap_or_default()
    };
    let at = pace.map(|pace| format!(" at {pace} requests a second")).unwrap_or_default();
    let more = 100_000;
    format!(
        "at least {} requests{}{at}; every {} objects that are new take {} more{}\n",
        count(requests),
        time(requests),
        count(more),
        count(more / PAGE),
        time(more / PAGE),
    )
}

/// One request; a list that is read as a whole again takes as many as it had pages.
fn least_requests(foreseen: &Foreseen) -> u64 {
    let is_whole = cost(&foreseen.stream) == WHOLE || foreseen.begins == Beginning::Afresh;
    let known = foreseen.known_count.filter(|_| is_whole).unwrap_or_default();
    known.div_ceil(PAGE).max(1)
}

/// Requests a second: what is given, else what the Stripe source allows itself by the key's mode.
fn pace(outlook: &Outlook) -> Option<u64> {
    let given = outlook.source.get("rate_limit").and_then(Value::as_u64).filter(|rate| *rate > 0);
    let live = outlook.opening.account.live.filter(|_| outlook.opening.source == "stripe");
    given.or_else(|| live.map(|live| if live { 50 } else { 10 }))
}

/// What setup would do at the destination.
fn setup_lines(setup: Option<&[String]>) -> String {
    match setup {
        None => String::new(),
        Some([]) => "the destination is set up already\n".to_owned(),
        Some(statements) => {
            let lines: Vec<String> =
                statements.iter().map(|statement| format!("{}\n", indented(statement))).collect();
            format!("setup would do at the destination:\n{}", lines.concat())
        }
    }
}

fn indented(statement: &str) -> String {
    statement.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

const WHOLE: &str = "the whole list each time";

/// What a later run costs, from what the source says of a stream's freshness.
pub(crate) fn cost(stream: &Stream) -> &str {
    let metadata = |key: &str| stream.metadata.as_ref().and_then(|metadata| metadata.get(key));
    if let Some(told) = metadata("cost").and_then(Value::as_str) {
        return told;
    }
    if metadata("parent").is_some_and(|parent| !parent.is_null()) {
        return "a request for each parent";
    }
    let by_time = metadata("supports_time_range") != Some(&Value::Bool(false));
    match metadata("freshness").and_then(Value::as_str) {
        Some("relist") => WHOLE,
        Some("events" | "immutable") if by_time => "what is new",
        Some("events" | "immutable") => "the list up to what is known",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use engine::Opening;
    use engine::pipeline::Account;
    use serde_json::json;

    use super::*;

    fn foreseen(name: &str, freshness: &str, begins: Beginning, known: Option<u64>) -> Foreseen {
        let stream = json!({
            "name": name, "primary_key": [["id"]], "newer_than_field": "u",
            "metadata": {"freshness": freshness},
        });
        let stream = serde_json::from_value(stream).unwrap();
        Foreseen { stream, begins, known_count: known }
    }

    fn outlook(streams: Vec<Foreseen>, setup: Option<Vec<String>>) -> Outlook {
        let opening = Opening {
            pipeline: "p".to_owned(),
            source: "stripe".to_owned(),
            account: Account { id: Some("acct_1".to_owned()), live: Some(false) },
            destination: "d".to_owned(),
            store: "s".to_owned(),
            stream_count: streams.len(),
            resumed_count: 0,
            follow: false,
            is_limited: false,
        };
        let source = json!({}).as_object().cloned().unwrap();
        Outlook { opening, streams, setup, source, unfinished: None, time_ceiling: None }
    }

    #[test]
    fn requests_and_time_come_from_the_last_run_and_the_pace() {
        let streams = vec![
            foreseen("a", "events", Beginning::Resumed, Some(50_000)),
            foreseen("b", "relist", Beginning::Resumed, Some(59_850)),
            foreseen("c", "relist", Beginning::Done, Some(9_000)),
        ];
        let mut outlook = outlook(streams, None);
        assert_eq!(
            cost_lines(&outlook),
            "at least 600 requests, about 1 min 0 s at 10 requests a second; \
             every 100,000 objects that are new take 1,000 more, about 1 min 40 s\n"
        );
        outlook.source.insert("rate_limit".to_owned(), json!(100));
        assert!(cost_lines(&outlook).contains("about 6.0 s at 100 requests a second"));
        outlook.source.clear();
        outlook.opening.account.live = None;
        assert!(cost_lines(&outlook).starts_with("at least 600 requests; every"));
    }

    #[test]
    fn statements_are_shown_and_that_there_is_none() {
        let text = shown(&outlook(Vec::new(), Some(vec!["CREATE TABLE a (\n  b)".to_owned()])));
        assert!(text.contains("at the destination:\n  CREATE TABLE a (\n    b)\n"), "{text}");
        assert!(shown(&outlook(Vec::new(), Some(Vec::new()))).contains("is set up already"));
    }
}
