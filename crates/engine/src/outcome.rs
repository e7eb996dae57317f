//! What a run came to: the last message and the exit status; pure.

use std::collections::BTreeMap;

use protocol::{
    Class, Eof, EofError, EofReason, Progress, Receipt, RunStatus, StreamRunStatus, SyncState, exit,
};

use crate::failure::{Failure, Side};
use crate::runlog::receipts;
use crate::stop::StopCause;
use crate::tally::Tally;

/// How a run ended, before it is judged.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// What went wrong, the first cause first.
    pub failures: Vec<Failure>,
    /// Who stopped it.
    pub stopped: Option<StopCause>,
    /// Whether it was to go on until it was stopped, and had the time to end in order then.
    pub followed: bool,
    /// Differences between counts that nothing explains.
    pub mismatches: Vec<String>,
    /// Streams that the source left without a last status.
    pub unfinished: Vec<String>,
    /// Whether a limit on records explains streams without a last status.
    pub limited: bool,
    /// Streams that reached their limit on records, whatever their last status: more may be there.
    pub at_limit: Vec<String>,
    /// Records and states dropped because nobody asked for their stream, by stream.
    pub dropped: BTreeMap<String, u64>,
    /// What connectors gave account of in the whole run.
    pub tally: Tally,
}

impl Ending {
    /// Whether a run that was to follow was asked to stop, and did so in order.
    #[must_use]
    pub const fn is_stopped_follow(&self) -> bool {
        self.followed && matches!(self.stopped, Some(StopCause::Interrupt | StopCause::Terminate))
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The last message.
    pub eof: Eof,
    /// The exit status, of [`protocol::exit`].
    pub exit: u8,
    /// How it ended.
    pub ending: Ending,
    /// What the copy does not hold, by stream and reason.
    pub receipts: Vec<Receipt>,
}

impl Outcome {
    /// The exit status for somebody to whom missing `streams`, or records in the `dead_letters`,
    /// are no reason to act.
    #[must_use]
    pub fn tolerating(&self, streams: bool, dead_letters: bool) -> u8 {
        let all = || self.eof.run_progress.streams.values();
        let failed = all().any(|stream| stream.status == StreamRunStatus::Errored)
            || (!self.ending.unfinished.is_empty() && !self.ending.limited);
        let refused = all().any(|stream| stream.refused_count > 0);
        let acceptable = (streams || !failed) && (dead_letters || !refused);
        match (self.exit, acceptable, self.eof.has_more) {
            (exit::INCOMPLETE, true, true) => exit::MORE,
            (exit::INCOMPLETE, true, false) => exit::OK,
            (exit, ..) => exit,
        }
    }
}

/// Judges an ending; `request` is the progress of this call, that of the run is in `state`.
#[must_use]
pub fn conclude(ending: Ending, state: SyncState, request: Progress) -> Outcome {
    let progress = state.sync_run.progress.clone();
    let done = ending.failures.is_empty() && ending.stopped.is_none();
    let complete = done && ending.unfinished.is_empty() && ending.at_limit.is_empty();
    let status = if !ending.failures.is_empty() || !ending.mismatches.is_empty() {
        RunStatus::Failed
    } else if complete && progress.streams.is_empty() {
        // Nothing was selected, and all of it was copied.
        RunStatus::Succeeded
    } else {
        progress.derived.status
    };
    let eof = Eof {
        status,
        has_more: !complete && ending.failures.iter().all(can_go_on),
        run_progress: progress,
        request_progress: request,
        ending_state: Some(state),
        reason: reason(&ending),
        error: error(&ending),
    };
    let mut receipts = receipts(&eof.run_progress, &ending.dropped);
    receipts.extend(ending.tally.receipts.iter().cloned());
    Outcome { exit: exit_status(&ending, &eof), eof, ending, receipts }
}

/// Code of the failure of a connector that did nothing for too long.
pub(crate) const STALLED: &str = "stalled";

/// The exit status of one failure.
#[must_use]
pub const fn exit_of(failure: &Failure) -> u8 {
    match (failure.side, failure.class) {
        (_, Class::Config) => exit::CONFIG,
        (_, Class::Credentials | Class::Permission) => exit::CREDENTIALS,
        (Side::Source, Class::Unreachable) => exit::SOURCE_UNREACHABLE,
        (Side::Destination, Class::Unreachable | Class::Data | Class::Internal)
        | (Side::Engine, Class::Unreachable) => exit::DESTINATION_FAILED,
        (Side::Source | Side::Engine, Class::Data | Class::Internal) => exit::FAILED,
    }
}

/// Of several the one that matters most, in this order.
const ORDER: [u8; 11] = [
    exit::USAGE,
    exit::CONFIG,
    exit::CREDENTIALS,
    exit::SOURCE_UNREACHABLE,
    exit::DESTINATION_FAILED,
    exit::FAILED,
    exit::INTERRUPTED,
    exit::TERMINATED,
    exit::INCOMPLETE,
    exit::MORE,
    exit::OK,
];

/// The first of `statuses` in the order in which they matter; 0 when there is none.
pub fn worst(statuses: impl IntoIterator<Item = u8>) -> u8 {
    let rank = |status: &u8| ORDER.iter().position(|known| known == status);
    statuses.into_iter().min_by_key(rank).unwrap_or(exit::OK)
}

fn exit_status(ending: &Ending, eof: &Eof) -> u8 {
    let streams = || eof.run_progress.streams.values();
    let failures = ending.failures.iter().map(exit_of);
    if ending.is_stopped_follow() {
        // Nobody waits for its end but whoever asked for it.
        return worst(failures.chain((!ending.mismatches.is_empty()).then_some(exit::FAILED)));
    }
    let stopped = ending.stopped.map(|cause| match cause {
        StopCause::Interrupt => exit::INTERRUPTED,
        StopCause::Terminate => exit::TERMINATED,
        StopCause::ClientGone | StopCause::TimeLimit | StopCause::StateLimit => exit::MORE,
    });
    let unexplained = !ending.unfinished.is_empty() && !ending.limited;
    let missing = streams().any(|s| s.status == StreamRunStatus::Errored || s.refused_count > 0)
        || (unexplained && ending.stopped.is_none());
    let rest = [
        (!ending.mismatches.is_empty(), exit::FAILED),
        (missing, exit::INCOMPLETE),
        (eof.has_more, exit::MORE),
    ];
    worst(failures.chain(stopped).chain(rest.into_iter().filter(|(is, _)| *is).map(|(_, s)| s)))
}

/// Whether calling again may help before a person acted.
const fn can_go_on(failure: &Failure) -> bool {
    match failure.class {
        Class::Config | Class::Credentials | Class::Permission => false,
        Class::Unreachable | Class::Data | Class::Internal => true,
    }
}

fn reason(ending: &Ending) -> Option<EofReason> {
    let first = ending.failures.first();
    if first.is_some_and(|failure| failure.code == STALLED) {
        return Some(EofReason::Stalled);
    }
    match (first.map(|failure| failure.side), ending.stopped) {
        (Some(Side::Source), _) => Some(EofReason::SourceFailed),
        (Some(Side::Destination), _) => Some(EofReason::DestinationFailed),
        (Some(Side::Engine), _) => None,
        (None, Some(StopCause::TimeLimit)) => Some(EofReason::TimeLimit),
        (None, Some(StopCause::StateLimit)) => Some(EofReason::StateLimit),
        (None, Some(StopCause::Interrupt | StopCause::Terminate | StopCause::ClientGone)) => {
            Some(EofReason::Signal)
        }
        (None, None) => Some(EofReason::Complete),
    }
}

fn error(ending: &Ending) -> Option<EofError> {
    let told = |code: &str, message: String| Some(EofError { code: code.to_owned(), message });
    if let Some(failure) = ending.failures.first() {
        return told(failure.code, failure.message.clone());
    }
    if !ending.mismatches.is_empty() {
        return told("counts_differ", ending.mismatches.join("; "));
    }
    if !ending.unfinished.is_empty() && !ending.limited && ending.stopped.is_none() {
        let names = ending.unfinished.join("`, `");
        return told(
            "unfinished_streams",
            format!("the source ended without saying how these streams ended: `{names}`"),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use protocol::StreamProgress;

    use super::*;

    fn state(statuses: &[StreamRunStatus]) -> SyncState {
        let mut state = SyncState::default();
        for (at, status) in statuses.iter().enumerate() {
            let stream = StreamProgress { status: *status, ..StreamProgress::default() };
            state.sync_run.progress.streams.insert(at.to_string(), stream);
        }
        let failed = statuses.contains(&StreamRunStatus::Errored);
        state.sync_run.progress.derived.status =
            if failed { RunStatus::Failed } else { RunStatus::Succeeded };
        state
    }

    fn failed(side: Side, class: Class) -> Ending {
        Ending { failures: vec![Failure::new(side, class, "x", "y")], ..Ending::default() }
    }

    #[track_caller]
    fn check(ending: Ending, last: StreamRunStatus, exit: u8, reason: EofReason, has_more: bool) {
        let state = state(&[StreamRunStatus::Completed, last]);
        let outcome = conclude(ending, state, Progress::default());
        assert_eq!(outcome.exit, exit);
        assert_eq!(outcome.eof.reason, Some(reason));
        assert_eq!(outcome.eof.has_more, has_more);
    }

    #[test]
    fn every_failure_has_its_exit_status_and_reason() {
        use EofReason::{DestinationFailed, SourceFailed};
        let check = |side, class, exit, reason, has_more| {
            check(failed(side, class), StreamRunStatus::Started, exit, reason, has_more);
        };
        check(Side::Source, Class::Internal, exit::FAILED, SourceFailed, true);
        check(Side::Source, Class::Unreachable, exit::SOURCE_UNREACHABLE, SourceFailed, true);
        check(Side::Source, Class::Credentials, exit::CREDENTIALS, SourceFailed, false);
        check(
            Side::Destination,
            Class::Internal,
            exit::DESTINATION_FAILED,
            DestinationFailed,
            true,
        );
        check(Side::Destination, Class::Permission, exit::CREDENTIALS, DestinationFailed, false);
        check(Side::Destination, Class::Config, exit::CONFIG, DestinationFailed, false);
    }

    #[test]
    fn every_other_ending_has_its_exit_status_and_reason() {
        use EofReason::{Complete, Signal};
        use StreamRunStatus::{Completed, Errored, Started};
        let stopped = |cause| Ending { stopped: Some(cause), ..Ending::default() };
        let unfinished = vec!["a".to_owned()];
        let open =
            |limited| Ending { unfinished: unfinished.clone(), limited, ..Ending::default() };
        check(Ending::default(), Completed, exit::OK, Complete, false);
        check(Ending::default(), Errored, exit::INCOMPLETE, Complete, false);
        check(stopped(StopCause::Interrupt), Started, exit::INTERRUPTED, Signal, true);
        check(stopped(StopCause::Terminate), Started, exit::TERMINATED, Signal, true);
        check(stopped(StopCause::ClientGone), Started, exit::MORE, Signal, true);
        check(stopped(StopCause::TimeLimit), Started, exit::MORE, EofReason::TimeLimit, true);
        check(stopped(StopCause::StateLimit), Started, exit::MORE, EofReason::StateLimit, true);
        check(open(true), Started, exit::MORE, Complete, true);
        check(open(false), Started, exit::INCOMPLETE, Complete, true);
        let followed = |cause| Ending { followed: true, ..stopped(cause) };
        check(followed(StopCause::Terminate), Completed, exit::OK, Signal, true);
        check(followed(StopCause::Interrupt), Errored, exit::OK, Signal, true);
        check(followed(StopCause::ClientGone), Completed, exit::MORE, Signal, true);
        let at_limit = Ending { at_limit: unfinished.clone(), ..Ending::default() };
        check(at_limit, Completed, exit::MORE, Complete, true);
    }

    #[test]
    fn only_what_is_tolerated_is_forgiven() {
        let mut state = state(&[StreamRunStatus::Completed, StreamRunStatus::Errored]);
        let failed = conclude(Ending::default(), state.clone(), Progress::default());
        assert_eq!(failed.tolerating(false, true), exit::INCOMPLETE);
        assert_eq!(failed.tolerating(true, false), exit::OK);
        state.sync_run.progress.streams.get_mut("0").unwrap().refused_count = 1;
        let both = conclude(Ending::default(), state.clone(), Progress::default());
        assert_eq!(both.tolerating(true, false), exit::INCOMPLETE);
        assert_eq!(both.tolerating(true, true), exit::OK);
        let stopped = Ending { stopped: Some(StopCause::TimeLimit), ..Ending::default() };
        assert_eq!(
            conclude(stopped, state, Progress::default()).tolerating(true, true),
            exit::MORE
        );
    }

    #[test]
    fn counts_that_differ_fail_the_run() {
        let ending = Ending { mismatches: vec!["`a`: 1, 2".to_owned()], ..Ending::default() };
        let outcome = conclude(ending, state(&[StreamRunStatus::Completed]), Progress::default());
        assert_eq!((outcome.exit, outcome.eof.status), (exit::FAILED, RunStatus::Failed));
        assert_eq!(outcome.eof.error.unwrap().code, "counts_differ");
    }

    #[test]
    fn of_several_the_one_that_matters_most() {
        assert_eq!(worst([exit::MORE, exit::INCOMPLETE, exit::OK]), exit::INCOMPLETE);
        assert_eq!(worst([exit::FAILED, exit::DESTINATION_FAILED]), exit::DESTINATION_FAILED);
        assert_eq!(worst([]), exit::OK);
    }
}
