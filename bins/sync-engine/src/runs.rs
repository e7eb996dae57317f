//! `sync-engine runs`: what the run log holds.

use engine::Failure;
use engine::runlog::RunRecord;
use protocol::{EofReason, RunStatus, StreamRunStatus, Timestamp, exit};
use serde_json::json;

use crate::cli::RunsArgs;
use crate::given_keys::GivenKeys;
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
    Ok(crate::print(&shown(&runs)))
}

fn shown(runs: &[RunRecord]) -> String {
    let heading = ["run", "began", "took", "calls", "status", "streams", "records", "because"];
    table::render(&heading, &runs.iter().map(row).collect::<Vec<_>>())
}

fn row(run: &RunRecord) -> Vec<String> {
    let streams = run.progress.streams.values();
    let ended = streams.filter(|stream| stream.status == StreamRunStatus::Completed).count();
    vec![
        run.run_id.clone(),
        run.started_at.map(|at| at.to_string()).unwrap_or_default(),
        took(run).map(duration).unwrap_or_default(),
        run.calls.to_string(),
        status(run).to_owned(),
        format!("{ended} of {}", run.progress.streams.len()),
        count(run.record_count),
        because(run),
    ]
}

fn took(run: &RunRecord) -> Option<u64> {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    u64::try_from(millis(run.ended_at)?.saturating_sub(millis(run.started_at)?)).ok()
}

const fn status(run: &RunRecord) -> &'static str {
    match (run.ended_at, run.has_more, run.status) {
        (None, ..) => "at work or cut off",
        (Some(_), true, _) => "unfinished",
        (Some(_), false, RunStatus::Succeeded) => "complete",
        (Some(_), false, RunStatus::Failed) => "failed",
        (Some(_), false, RunStatus::Started) => "ended",
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
        assert!(shown(&[run.clone()]).contains("at work or cut off"));
        run.ended_at = Some(Timestamp::from_seconds(90));
        run.record_count = 1200;
        run.reason = Some(EofReason::TimeLimit);
        let text = shown(&[run]);
        let line = text.lines().last().unwrap();
        assert_eq!(
            line,
            "  nightly  1970-01-01T00:00:00.000Z  1 min 30 s      1  unfinished  0 of 0     1,200  \
             the time was over"
        );
    }
}
