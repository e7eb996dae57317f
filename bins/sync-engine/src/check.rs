//! `sync-engine check`: both connectors, a line each; with streams, a line for each of them.

use engine::outcome::worst;
use engine::resolve::Role;
use engine::{Failure, Host, Job, pipeline};
use protocol::{Level, Log, exit};

use crate::cli::{CheckArgs, StateArgs};
use crate::given_keys::GivenKeys;
use crate::session;
use crate::settings::selected;
use crate::surroundings::Surroundings;
use crate::sync::status_of;

/// Asks both; returns the exit status that matters most.
pub(crate) async fn run(
    args: &CheckArgs,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let (settings, host) = session::open(&args.connection, keys, surroundings)?;
    let mut job = session::job(settings, &StateArgs::default());
    if let Some(streams) = &args.streams {
        // Named without a value: the usual ones.
        job.streams = selected(streams);
    }
    let source = one(&host, Role::Source, &job, args.streams.is_some()).await;
    let destination = one(&host, Role::Destination, &job, false).await;
    Ok(worst([source, destination]))
}

async fn one(host: &Host, role: Role, job: &Job, by_stream: bool) -> u8 {
    let (given, what) = match role {
        Role::Source => (&job.source, job.source.connector.connector_type.clone()),
        Role::Destination => (&job.destination, pipeline::describe(&job.destination.connector)),
    };
    let streams_of = by_stream.then_some(job);
    match Box::pin(engine::check(host, role, given, streams_of)).await {
        Ok((status, logs)) => {
            let message = status.message.map(|text| format!(" ({text})")).unwrap_or_default();
            crate::print(&format!("{role} {what}: ok{message}\n"));
            let mut missing = false;
            for log in logs.iter().filter(|log| by_stream || log.level >= Level::Warn) {
                crate::print(&format!("  {}\n", protocol::secret::mask(&log.message)));
                missing |= by_stream && is_missing(log);
            }
            if missing { exit::INCOMPLETE } else { exit::OK }
        }
        Err(failure) => {
            crate::print(&format!("{role} {what}: failed: {failure}\n"));
            status_of(&failure)
        }
    }
}

/// Whether a log says of a stream that it cannot be read. One that the account does not have, and
/// what a connector finds worth a warning beside that, is no fault.
fn is_missing(log: &Log) -> bool {
    let says = |key| log.data.as_ref().is_some_and(|data| data.contains_key(key));
    says("stream") && says("class")
}
