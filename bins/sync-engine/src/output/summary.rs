//! What a run came to, in words: what came, what was left out and why, whether it is complete, what
//! to do next. Pure.

use engine::outcome::Outcome;
use protocol::{Receipt, StreamProgress, StreamRunStatus, exit};

use super::plain::{Volume, counts};
use crate::table::{count, duration};

/// The lines to end with.
pub(crate) fn summary(outcome: &Outcome, volume: Volume) -> Vec<String> {
    let progress = &outcome.eof.run_progress;
    let mut lines = Vec::new();
    if volume >= Volume::Usual && !progress.streams.is_empty() {
        lines.push(came(outcome));
        lines.push(ended(outcome));
        lines.extend(requests(outcome));
        lines.extend(told(outcome, StreamRunStatus::Skipped, "left out"));
        lines.extend(not_kept(outcome, "not_selected", "dropped, as nobody asked for the stream"));
        lines.extend(outcome.ending.tally.receipts.iter().map(receipt));
    }
    lines.extend(told(outcome, StreamRunStatus::Errored, "failed"));
    let refused = "could not be stored; `sync-engine dead-letters list` says why";
    lines.extend(not_kept(outcome, "refused", refused));
    if let Some(error) = &outcome.eof.error {
        lines.push(format!("error: {}", error.message));
    }
    // A second failure is often the reason behind the first.
    lines.extend(outcome.ending.failures.iter().skip(1).map(|failure| format!("error: {failure}")));
    if volume >= Volume::Usual || outcome.exit != exit::OK {
        lines.push(next(outcome).to_owned());
    }
    lines.iter().map(|line| protocol::secret::mask(line)).collect()
}

/// What came in this call and, when that is more, in its run.
fn came(outcome: &Outcome) -> String {
    let request = &outcome.eof.request_progress;
    let here = total(request.streams.values());
    let whole = total(outcome.eof.run_progress.streams.values());
    let came = format!("{} in {}", counts(&here), duration(request.elapsed_ms));
    if whole.record_count == here.record_count {
        return came;
    }
    format!("{came}; {} in the whole run", count(whole.record_count))
}

/// Records that came and are not in the copy, by stream.
fn not_kept(outcome: &Outcome, reason: &str, what: &str) -> Vec<String> {
    let receipts = outcome.receipts.iter().filter(|receipt| receipt.reason == reason);
    let line = |receipt: &Receipt| {
        let noun = if receipt.count == 1 { "record" } else { "records" };
        let stream = receipt.stream.as_deref().unwrap_or_default();
        format!("{stream}: {} {noun} {what}", count(receipt.count))
    };
    receipts.map(line).collect()
}

/// What it cost at the source, where the source counts that.
fn requests(outcome: &Outcome) -> Option<String> {
    let tally = &outcome.ending.tally;
    let made = tally.request_count();
    let in_month = format!("{} in {}", count(tally.month_requests), tally.month);
    (made > 0).then(|| format!("requests to the source: {}; {in_month}", count(made)))
}

/// What a connector gives account of, in its own words where it has any.
fn receipt(receipt: &Receipt) -> String {
    let stream = receipt.stream.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    let number =
        if receipt.count > 0 { format!("{} ", count(receipt.count)) } else { String::new() };
    let reason = receipt.reason.replace('_', " ");
    let words = receipt.message.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
    format!("{stream}{number}{reason}{words}")
}

fn total<'a>(streams: impl Iterator<Item = &'a StreamProgress>) -> StreamProgress {
    let mut total = StreamProgress::default();
    for stream in streams {
        total.record_count += stream.record_count;
        total.created_count += stream.created_count;
        total.updated_count += stream.updated_count;
        total.deleted_count += stream.deleted_count;
        total.unchanged_count += stream.unchanged_count;
        total.stale_count += stream.stale_count;
        total.superseded_count += stream.superseded_count;
        total.refused_count += stream.refused_count;
    }
    total
}

fn ended(outcome: &Outcome) -> String {
    let number = |status: StreamRunStatus| {
        let streams = outcome.eof.run_progress.streams.values();
        streams.filter(|stream| stream.status == status).count()
    };
    let open = number(StreamRunStatus::Started) + number(StreamRunStatus::NotStarted);
    let parts = [
        (number(StreamRunStatus::Completed), "complete"),
        (number(StreamRunStatus::Skipped), "left out"),
        (number(StreamRunStatus::Errored), "failed"),
        (open, "not at their end"),
    ];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, what)| format!("{number} {what}")).collect();
    format!("streams: {}", parts.join(", "))
}

fn told(outcome: &Outcome, status: StreamRunStatus, what: &str) -> Vec<String> {
    let streams = outcome.eof.run_progress.streams.iter();
    let line = |(name, stream): (&String, &StreamProgress)| {
        format!("{what}: {name}: {}", stream.message.as_deref().unwrap_or("no reason was given"))
    };
    streams.filter(|(_, stream)| stream.status == status).map(line).collect()
}

const fn next(outcome: &Outcome) -> &'static str {
    match outcome.exit {
        exit::OK if outcome.ending.is_stopped_follow() => {
            "stopped; run the same command again to go on from here"
        }
        exit::OK => "complete; run the same command again for what is new",
        exit::CONFIG | exit::CREDENTIALS => {
            "not complete; correct that and run the same command again"
        }
        exit::INCOMPLETE if !outcome.eof.has_more => {
            "something is missing; when the reason is gone, run the same command again"
        }
        _ if outcome.eof.has_more => "not complete; run the same command again to go on",
        _ => "not complete; see above",
    }
}

#[cfg(test)]
mod tests {
    use engine::outcome::{Ending, conclude};
    use engine::tally::Tally;
    use engine::{Failure, Side, StopCause};
    use protocol::{Class, Progress, SyncState};

    use super::*;

    fn state(streams: &[(&str, StreamRunStatus, u64, Option<&str>)]) -> SyncState {
        let mut state = SyncState::default();
        for (name, status, records, message) in streams {
            let stream = StreamProgress {
                status: *status,
                record_count: *records,
                created_count: *records,
                message: message.map(str::to_owned),
                ..StreamProgress::default()
            };
            state.sync_run.progress.streams.insert((*name).to_owned(), stream);
        }
        state.sync_run.progress.elapsed_ms = 61_000;
        state
    }

    #[test]
    fn it_says_what_came_what_was_left_out_and_what_is_next() {
        let state = state(&[
            ("a", StreamRunStatus::Completed, 1500, None),
            ("b", StreamRunStatus::Skipped, 0, Some("not enabled")),
        ]);
        let request = state.sync_run.progress.clone();
        let outcome = conclude(Ending::default(), state, request);
        assert_eq!(
            summary(&outcome, Volume::Usual),
            [
                "1,500 records (1,500 new) in 1 min 1 s",
                "streams: 1 complete, 1 left out",
                "left out: b: not enabled",
                "complete; run the same command again for what is new",
            ]
        );
        assert!(summary(&outcome, Volume::Quiet).is_empty());
    }

    #[test]
    fn it_says_what_is_not_in_the_copy_and_what_came_before() {
        let mut state = state(&[("a", StreamRunStatus::Completed, 1500, None)]);
        let mut request = state.sync_run.progress.clone();
        request.streams.get_mut("a").unwrap().created_count = 0;
        request.streams.get_mut("a").unwrap().record_count = 2;
        request.streams.get_mut("a").unwrap().refused_count = 2;
        state.sync_run.progress.streams.get_mut("a").unwrap().refused_count = 2;
        let dropped = [("x".to_owned(), 1)].into();
        let outcome = conclude(Ending { dropped, ..Ending::default() }, state, request);
        let lines = summary(&outcome, Volume::Usual);
        assert_eq!(lines[0], "2 records (2 refused) in 1 min 1 s; 1,500 in the whole run");
        assert_eq!(lines[2], "x: 1 record dropped, as nobody asked for the stream");
        assert_eq!(
            lines[3],
            "a: 2 records could not be stored; `sync-engine dead-letters list` says why"
        );
        assert_eq!(outcome.exit, exit::INCOMPLETE);
    }

    #[test]
    fn what_connectors_give_account_of_and_what_it_cost_are_said() {
        let state = state(&[("a", StreamRunStatus::Completed, 1, None)]);
        let receipt = |stream: Option<&str>, reason: &str, count, message: Option<&str>| Receipt {
            stream: stream.map(str::to_owned),
            reason: reason.to_owned(),
            count,
            message: message.map(str::to_owned),
        };
        let tally = Tally {
            receipts: vec![
                receipt(Some("a"), "gap", 0, Some("deletes of 5 days are not known")),
                receipt(None, "events_without_id", 2, None),
            ],
            requests: [("/v1/a".to_owned(), 1200)].into(),
            month: "2026-01".to_owned(),
            month_requests: 34_000,
        };
        let ending = Ending { tally, ..Ending::default() };
        let lines = summary(&conclude(ending, state, Progress::default()), Volume::Usual);
        assert_eq!(
            lines[2..5],
            [
                "requests to the source: 1,200; 34,000 in 2026-01",
                "a: gap: deletes of 5 days are not known",
                "2 events without id",
            ]
        );
    }

    #[test]
    fn a_stopped_follow_says_how_to_go_on() {
        let state = state(&[("a", StreamRunStatus::Completed, 1, None)]);
        let stopped = Some(StopCause::Terminate);
        let ending = Ending { stopped, followed: true, ..Ending::default() };
        let lines = summary(&conclude(ending, state, Progress::default()), Volume::Usual);
        assert_eq!(lines.last().unwrap(), "stopped; run the same command again to go on from here");
    }

    #[test]
    fn a_failure_is_said_however_quiet_and_without_secrets() {
        let message = "source-stripe: the key sk_live_abcdefghijkl1234 was refused";
        let failure = Failure::new(Side::Source, Class::Credentials, "x", message);
        let ending = Ending { failures: vec![failure], ..Ending::default() };
        let outcome = conclude(ending, SyncState::default(), Progress::default());
        assert_eq!(
            summary(&outcome, Volume::Quiet),
            [
                "error: source-stripe: the key sk_live_…1234 was refused",
                "not complete; correct that and run the same command again",
            ]
        );
    }
}
