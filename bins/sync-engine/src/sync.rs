//! `sync-engine sync`.

use std::time::Duration;

use engine::outcome::{Outcome, exit_of};
use engine::{Failure, FullRefresh, Host, Job, Limits, Side, StopCause, StreamDefaults};
use protocol::{Class, exit};

use crate::cli::{Format, SyncArgs, Tolerated};
use crate::foresee;
use crate::given_keys::GivenKeys;
use crate::output::{Plain, Volume, Watcher, summary};
use crate::session;
use crate::settings::{Settings, selected, span};
use crate::signals::Signals;
use crate::surroundings::Surroundings;

/// Runs it; returns the exit status.
pub(crate) async fn run(
    args: &SyncArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let (settings, mut host) = session::open(&args.connection, keys, surroundings)?;
    host.launcher.patience = Some(limits(args).stall);
    let job = job(args, settings)?;
    if args.dry_run {
        return Box::pin(foresee::run(&job, &host)).await;
    }
    let to_stdout = args.output == Some(Format::Ndjson);
    let quiet = args.connection.quiet || (to_stdout && args.connection.verbose == 0);
    let volume = Volume::of(quiet, args.connection.verbose);
    let mut watcher = match session::live(surroundings) {
        Some(live) if volume == Volume::Usual && !args.plain => Watcher::live(live, to_stdout),
        _ => Watcher::new(Plain::new(volume), to_stdout),
    };
    let outcome = match run_job(&job, &host, &mut watcher).await? {
        Ok(outcome) => outcome,
        Err(status) => return Ok(status),
    };
    for line in summary(&outcome, volume) {
        crate::say(&line);
    }
    let tolerates = |what| args.tolerate.contains(&what);
    Ok(outcome.tolerating(tolerates(Tolerated::Streams), tolerates(Tolerated::DeadLetters)))
}

/// Runs a job under signals; what is left is the exit status where it was killed and did not end in
/// time.
pub(crate) async fn run_job(
    job: &Job,
    host: &Host,
    watcher: &mut Watcher,
) -> Result<Result<Outcome, u8>, Failure> {
    let signals = Signals::watch().map_err(|error| {
        Failure::new(
            Side::Engine,
            Class::Internal,
            "signals",
            format!("waiting for signals: {error}"),
        )
    })?;
    let run = Box::pin(engine::sync(job, host, watcher, signals.receiver()));
    Ok(tokio::select! {
        outcome = run => Ok(outcome),
        cause = signals.overdue() => Err(killed_by(cause)),
    })
}

const fn killed_by(cause: StopCause) -> u8 {
    match cause {
        StopCause::Terminate => exit::TERMINATED,
        StopCause::Interrupt
        | StopCause::ClientGone
        | StopCause::TimeLimit
        | StopCause::StateLimit => exit::INTERRUPTED,
    }
}

fn job(args: &SyncArgs, settings: Settings) -> Result<Job, Failure> {
    let of_file = || settings.streams.clone();
    let streams = if args.streams.is_empty() { of_file() } else { selected(&args.streams) };
    let full_refresh = match args.full_refresh.as_slice() {
        [] => None,
        [all] if all == "*" => Some(FullRefresh::All),
        streams => Some(FullRefresh::Streams(streams.to_vec())),
    };
    Ok(Job {
        streams,
        defaults: StreamDefaults {
            backfill_limit: args.backfill_limit,
            time_range: span(args.since.as_deref(), args.until.as_deref())?,
        },
        full_refresh,
        run_id: args.run_id.clone(),
        limits: limits(args),
        follow: args.follow,
        ..session::job(settings, &args.state)
    })
}

fn limits(args: &SyncArgs) -> Limits {
    let stall = args.stall_timeout.map_or(Limits::default().stall, Duration::from_secs);
    Limits { time: args.time_limit.map(Duration::from_secs), states: args.state_limit, stall }
}

/// The exit status of a failure before a run began.
pub(crate) const fn status_of(failure: &Failure) -> u8 {
    exit_of(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_had_to_be_killed_says_by_which_signal() {
        assert_eq!(killed_by(StopCause::Interrupt), exit::INTERRUPTED);
        assert_eq!(killed_by(StopCause::Terminate), exit::TERMINATED);
    }
}
