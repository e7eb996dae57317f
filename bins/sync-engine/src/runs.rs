//! `sync-engine runs`: what the run log holds.

use engine::Failure;
use engine::runlog::RunRecord;
use protocol::{EofReason, RunStatus, StreamProgress, StreamRunStatus, Timestamp, exit};
use serde_json::json;

use crate::cli::RunsArgs;
use crate::given_keys::GivenKeys;
use crate::output::ago;
use crate::session;
use crate::surroundings::Surroundings;
use crate::table::{self, count, duration};

/// Writes them to stdout, the newest first.
pub(crate) async fn run(
    args: &RunsArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let keeper = session::keeper(&args.connection, &args.state, keys, surroundings);
    let mut keeper = Box::pin(keeper).await?;
    let runs = keeper.runs(args.limit).await?;
    if args.json {
        let lines: Vec<String> = runs.iter().map(|run| format!("{}\n", json!(run))).collect();
        return Ok(crate::print(&lines.concat()));
    }
    if runs.is_empty() {
        crate::print(&format!("no run of pipeline {} is known\n", keeper.pipeline));
        return Ok(exit::OK);
    }
    let now = session::now();
    match runs.first() {
        Some(latest) if args.streams => Ok(crate::print(&streams(latest, now))),
        _ => Ok(crate::print(&shown(&runs, now))),
    }
}

fn shown(runs: &[RunRecord], now: Timestamp) -> String {
    let heading =
        ["run", "began", "took", "calls", "status", "streams", "records", "requests", "because"];
    let rows: Vec<Vec<String>> = runs.iter().map(|run| row(run, now)).collect();
    let mut text = table::render(&heading, &rows);
    let latest = runs.iter().map(|run| (&run.tally.month, run.tally.month_requests)).max();
    if let Some((month, requests @ 1..)) = latest {
        text.push_str(&format!("requests in {month}: {}\n", count(requests)));
    }
    text
}

/// How each stream of a run stands.
fn streams(run: &RunRecord, now: Timestamp) -> String {
    let heading = ["stream", "status", "records", "changed", "up to"];
    let row = |(name, stream): (&String, &StreamProgress)| {
        vec![
            name.clone(),
            stream_status(run, stream).to_owned(),
            count(stream.record_count),
            stream.changed_at.map(|at| ago(at, now)).unwrap_or_default(),
            run.up_to(stream).map(|at| at.to_string()).unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = run.progress.streams.iter().map(row).collect();
    let calls = if run.calls == 1 { "call" } else { "calls" };
    let head = format!("run {}, {} in {} {calls}\n", run.run_id, status(run, now), run.calls);
    format!("{head}{}", table::render(&heading, &rows))
}

const fn stream_status(run: &RunRecord, stream: &StreamProgress) -> &'static str {
    match stream.status {
        StreamRunStatus::NotStarted => "not begun",
        StreamRunStatus::Started => "not at its end",
        StreamRunStatus::Completed if run.follow => "live",
        StreamRunStatus::Completed => "complete",
        StreamRunStatus::Skipped => "left out",
        StreamRunStatus::Errored => "failed",
    }
}

fn row(run: &RunRecord, now: Timestamp) -> Vec<String> {
    let streams = run.progress.streams.values();
    let ended = streams.filter(|stream| stream.status == StreamRunStatus::Completed).count();
    vec![
        run.run_id.clone(),
        run.started_at.map(|at| at.to_string()).unwrap_or_default(),
        took(run).map(duration).unwrap_or_default(),
        run.calls.to_string(),
        status(run, now),
        format!("{ended} of {}", run.progress.streams.len()),
        count(run.record_count),
        count(run.tally.request_count()),
        because(run),
    ]
}

fn took(run: &RunRecord) -> Option<u64> {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    u64::try_from(millis(run.ended_at)?.saturating_sub(millis(run.started_at)?)).ok()
}

/// A run that died does not say so: when it was last heard of is all that is known.
fn status(run: &RunRecord, now: Timestamp) -> String {
    let status = match (run.ended_at, run.has_more, run.status) {
        (None, ..) if run.follow => "live or cut off",
        (None, ..) => "at work or cut off",
        (Some(_), true, _) if run.follow => "stopped",
        (Some(_), true, _) => "unfinished",
        (Some(_), false, RunStatus::Succeeded) => "complete",
        (Some(_), false, RunStatus::Failed) => "failed",
        (Some(_), false, RunStatus::Started) => "ended",
    };
    match run.noted_at.filter(|_| run.ended_at.is_none()) {
        Some(noted_at) => format!("{status}, noted {}", ago(noted_at, now)),
        None => status.to_owned(),
    }
}

fn because(run: &RunRecord) -> String {
    if let Some(error) = &run.error {
        return error.lines().next().unwrap_or_default().to_owned();
    }
    let reason = run.reason.map(|reason| match reason {
        EofReason::Complete => "",
        EofReason::TimeLimit => "the time was over",
        EofReason::StateLimit => "enough states were confirmed",
        EofReason::Signal => "it was stopped",
        EofReason::SourceFailed => "the source failed",
        EofReason::DestinationFailed => "the destination failed",
        EofReason::Stalled => "a connector did nothing",
    });
    reason.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_a_line_that_says_how_it_stands_and_why() {
        let mut run = RunRecord::new("nightly", "program", Timestamp::EPOCH);
        run.begin_call();
        let at = Timestamp::from_seconds;
        assert!(shown(&[run.clone()], at(9)).contains("at work or cut off  "));
        run.noted_at = Some(at(5));
        assert!(shown(&[run.clone()], at(9)).contains("at work or cut off, noted 4.0 s ago"));
        run.ended_at = Some(Timestamp::from_seconds(90));
        run.record_count = 1200;
        run.reason = Some(EofReason::TimeLimit);
        run.tally.requests.insert("/v1/customers".to_owned(), 12);
        run.tally.month = "1970-01".to_owned();
        run.tally.month_requests = 3400;
        let text = shown(&[run], at(99));
        let [.., line, month] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert_eq!(month, "requests in 1970-01: 3,400");
        assert_eq!(
            line,
            "  nightly  1970-01-01T00:00:00.000Z  1 min 30 s      1  unfinished  0 of 0     1,200        12  \
             the time was over"
        );
    }

    #[test]
    fn how_fresh_each_stream_is_kept_is_shown() {
        let at = Timestamp::from_seconds;
        let mut run = RunRecord::new("r", "program", at(100)).following();
        run.begin_call();
        let live = StreamProgress {
            status: StreamRunStatus::Completed,
            record_count: 3,
            changed_at: Some(at(200)),
            ..StreamProgress::default()
        };
        run.progress.streams.insert("a".to_owned(), live.clone());
        let told = StreamProgress { up_to: Some(at(201)), ..live };
        run.progress.streams.insert("b".to_owned(), told);
        run.progress.streams.insert("c".to_owned(), StreamProgress::default());
        let text = streams(&run, at(203));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "run r, live or cut off in 1 call");
        assert_eq!(lines[3], "  a       live             3  3.0 s ago  1970-01-01T00:01:40.000Z");
        assert_eq!(lines[4], "  b       live             3  3.0 s ago  1970-01-01T00:03:21.000Z");
        assert_eq!(lines[5], "  c       not begun        0");
    }
}
