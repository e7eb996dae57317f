//! What is remembered of a run, over all its calls; pure.

use std::collections::BTreeMap;

use protocol::{
    EofReason, Progress, Receipt, RunStatus, StreamProgress, StreamRunStatus, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::reduce::Run;
use crate::tally::Tally;

/// A run as the run log keeps it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRecord {
    /// The run's name.
    pub run_id: String,
    /// What started it: a person's terminal, or a program.
    pub trigger: String,
    /// Whether it follows: it goes on until it is stopped, and no other call goes on with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
    /// Upper bound of time, frozen when the run began; none for one that follows.
    pub time_ceiling: Option<Timestamp>,
    /// When its first call began.
    pub started_at: Option<Timestamp>,
    /// When its last call ended; `None` while one runs, or when it died.
    pub ended_at: Option<Timestamp>,
    /// When it was last written here while it was at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noted_at: Option<Timestamp>,
    /// How many calls it took so far.
    pub calls: u32,
    /// Where it stands.
    pub status: RunStatus,
    /// Why its last call ended.
    pub reason: Option<EofReason>,
    /// Whether another call goes on with it.
    pub has_more: bool,
    /// Exit status of its last call.
    pub exit_status: Option<u8>,
    /// What went wrong in its last call.
    pub error: Option<String>,
    /// Records of all its streams.
    pub record_count: u64,
    /// What came and was not kept, or did not come, each with the reason.
    pub receipts: Vec<Receipt>,
    /// What connectors gave account of over all calls: receipts of their own, requests made.
    pub tally: Tally,
    /// Its progress over all calls.
    pub progress: Progress,
}

impl RunRecord {
    /// A run before its first call.
    #[must_use]
    pub fn new(run_id: &str, trigger: &str, now: Timestamp) -> Self {
        Self {
            run_id: run_id.to_owned(),
            trigger: trigger.to_owned(),
            time_ceiling: Some(now),
            started_at: Some(now),
            has_more: true,
            ..Self::default()
        }
    }

    /// The same for a run that goes on until it is stopped.
    #[must_use]
    pub fn following(self) -> Self {
        Self { follow: true, time_ceiling: None, ..self }
    }

    /// Whether a later call may go on with it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.follow && (self.has_more || self.ended_at.is_none())
    }

    /// Whether a call that wants `streams` goes on with this run: something of them is left, or
    /// the whole run is at its end and only has to be told so.
    pub fn goes_on_with<'a>(&self, mut streams: impl Iterator<Item = &'a str>) -> bool {
        let ended = |stream: &StreamProgress| stream.status.is_terminal();
        let left = streams.any(|stream| !self.progress.streams.get(stream).is_some_and(ended));
        self.is_open() && (left || self.progress.streams.values().all(ended))
    }

    /// The moment before which nothing happened that the copy of a stream does not hold: where the
    /// source does not say, what was there when the run began. `None` while it is being filled.
    #[must_use]
    pub fn up_to(&self, stream: &StreamProgress) -> Option<Timestamp> {
        if stream.status != StreamRunStatus::Completed {
            return None;
        }
        stream.up_to.or(self.time_ceiling).or(self.started_at)
    }

    /// A call begins.
    pub fn begin_call(&mut self) {
        self.calls = self.calls.saturating_add(1);
        self.ended_at = None;
        self.has_more = true;
        self.reason = None;
        self.exit_status = None;
        self.error = None;
    }

    /// A call ended.
    pub fn end_call(&mut self, outcome: &Outcome, now: Timestamp) {
        let eof = &outcome.eof;
        self.ended_at = Some(now);
        self.status = eof.status;
        self.reason = eof.reason;
        self.has_more = eof.has_more;
        self.exit_status = Some(outcome.exit);
        self.error = eof.error.as_ref().map(|error| error.message.clone());
        self.take(&eof.run_progress);
        for stream in &outcome.ending.at_limit {
            // Its source calls it complete; the next call has to go on all the same.
            if let Some(stream) = self.progress.streams.get_mut(stream) {
                stream.status = StreamRunStatus::Started;
            }
        }
        let dropped = self.receipts.iter().filter(|receipt| receipt.reason == NOT_SELECTED);
        let mut dropped: BTreeMap<String, u64> =
            dropped.filter_map(|receipt| Some((receipt.stream.clone()?, receipt.count))).collect();
        for (stream, count) in &outcome.ending.dropped {
            let sum = dropped.entry(stream.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.tally.clone_from(&outcome.ending.tally);
        self.receipts = receipts(&eof.run_progress, &dropped);
        self.receipts.extend(self.tally.receipts.iter().cloned());
    }

    /// Takes in where it stands while it is at work.
    pub fn note(&mut self, run: &Run, now: Timestamp) {
        self.noted_at = Some(now);
        self.take(&run.state.sync_run.progress);
        self.tally = run.tally.clone();
    }

    /// Whether this is how the run stands, but for the time that has passed.
    #[must_use]
    pub fn is_as(&self, run: &Run) -> bool {
        self.progress.streams == run.state.sync_run.progress.streams && self.tally == run.tally
    }

    fn take(&mut self, progress: &Progress) {
        self.progress = progress.clone();
        self.record_count = progress.derived.total_record_count;
    }
}

const NOT_SELECTED: &str = "not_selected";

/// What the copy does not hold, by stream and reason: `refused`, `stale`, `not_selected`,
/// `left_out`, `failed`.
#[must_use]
pub fn receipts(progress: &Progress, dropped: &BTreeMap<String, u64>) -> Vec<Receipt> {
    let mut found = Vec::new();
    for (name, stream) in &progress.streams {
        let receipt = |reason: &str, count| Receipt {
            stream: Some(name.clone()),
            reason: reason.to_owned(),
            count,
            message: None,
        };
        let ended = match stream.status {
            StreamRunStatus::Skipped => Some("left_out"),
            StreamRunStatus::Errored => Some("failed"),
            StreamRunStatus::NotStarted | StreamRunStatus::Started | StreamRunStatus::Completed => {
                None
            }
        };
        let message = stream.message.as_deref().map(protocol::secret::mask);
        found.extend(ended.map(|reason| Receipt { message, ..receipt(reason, 0) }));
        let counts = [("refused", stream.refused_count), ("stale", stream.stale_count)];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        found.extend(counts.map(|(reason, count)| receipt(reason, count)));
    }
    found.extend(dropped.iter().map(|(stream, count)| Receipt {
        stream: Some(stream.clone()),
        reason: NOT_SELECTED.to_owned(),
        count: *count,
        message: None,
    }));
    found
}

#[cfg(test)]
mod tests {
    use protocol::SyncState;

    use super::*;
    use crate::outcome::{Ending, conclude};

    fn record(streams: &[(&str, StreamRunStatus)]) -> RunRecord {
        let mut record = RunRecord::new("r", "program", Timestamp::from_seconds(1));
        for (name, status) in streams {
            let stream = StreamProgress { status: *status, ..StreamProgress::default() };
            record.progress.streams.insert((*name).to_owned(), stream);
        }
        record
    }

    #[test]
    fn a_run_goes_on_while_something_of_it_is_left() {
        use StreamRunStatus::{Completed, Started};
        let mut half = record(&[("a", Completed), ("b", Started)]);
        assert!(half.goes_on_with(["a", "b"].into_iter()));
        assert!(half.goes_on_with(["c"].into_iter()));
        assert!(!half.goes_on_with(["a"].into_iter()), "what was asked for is done");
        let whole = record(&[("a", Completed)]);
        assert!(whole.goes_on_with(["a"].into_iter()), "it died before it could say so");
        half.ended_at = Some(Timestamp::from_seconds(2));
        half.has_more = false;
        assert!(!half.goes_on_with(["b"].into_iter()));
    }

    #[test]
    fn a_stream_at_its_limit_is_not_done_and_what_was_left_out_is_kept_with_the_reason() {
        let mut record =
            record(&[("a", StreamRunStatus::Completed), ("b", StreamRunStatus::Skipped)]);
        let mut state = SyncState::default();
        state.sync_run.progress = record.progress.clone();
        let skipped = state.sync_run.progress.streams.get_mut("b").unwrap();
        skipped.message = Some("not enabled".to_owned());
        skipped.stale_count = 2;
        let dropped = BTreeMap::from([("x".to_owned(), 3)]);
        let ending = Ending { at_limit: vec!["a".to_owned()], dropped, ..Ending::default() };
        let outcome = conclude(ending, state, Progress::default());
        record.begin_call();
        record.end_call(&outcome, Timestamp::from_seconds(9));
        record.end_call(&outcome, Timestamp::from_seconds(9));
        assert_eq!(record.progress.streams["a"].status, StreamRunStatus::Started);
        assert!(record.is_open());
        let told = |receipt: &Receipt| {
            let stream = receipt.stream.as_deref().unwrap_or_default();
            format!("{stream} {} {}", receipt.reason, receipt.count)
        };
        let told: Vec<String> = record.receipts.iter().map(told).collect();
        assert_eq!(told, ["b left_out 0", "b stale 2", "x not_selected 6"]);
        assert_eq!(record.receipts[0].message.as_deref(), Some("not enabled"));
    }
}
