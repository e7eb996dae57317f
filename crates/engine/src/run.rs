//! A sync from the first question to the last message.

use std::collections::BTreeSet;

use protocol::{Class, ConfiguredCatalog, Message, StreamStatus, StreamStatusKind};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::catalog::{is_limited, with_children};
use crate::client::Client;
use crate::desk::Desk;
use crate::job::{Host, Job};
use crate::leg::{Leg, LegEnd};
use crate::outcome::{Ending, Outcome, conclude};
use crate::prepare::{Plan, prepare};
use crate::reduce::Run;
use crate::stop::{Stop, StopCause, StopReceiver};

/// Runs a job to its end. The last message that the client is shown is `eof`, whatever happened.
///
/// Children are tied to the thread that polls this future: poll it from one that lives as long.
pub async fn sync<C: Client>(
    job: &Job,
    host: &Host,
    client: &mut C,
    mut stop: StopReceiver,
) -> Outcome {
    let began = Instant::now();
    let mut desk = Desk::new(client, host.now);
    let prepared = tokio::select! {
        prepared = Box::pin(prepare(job, host, began, &mut desk)) => prepared
            .map_err(|failure| Ending { failures: vec![failure], ..Ending::default() }),
        cause = asked_to_stop(&mut stop) => {
            Err(Ending { stopped: Some(cause), ..Ending::default() })
        }
    };
    let (mut plan, mut run) = match prepared {
        Ok(prepared) => prepared,
        Err(ending) => return end(&mut desk, ending, None).await,
    };
    desk.begin(&mut run);
    let ending = Box::pin(legs(host, &mut plan, &mut desk, &mut run, &mut stop)).await;
    end(&mut desk, ending, Some(run)).await
}

/// Pairs of processes, one after the other, each without the streams that failed at the destination
/// before it: their dropped records must not hold back what speaks for all streams.
async fn legs<C: Client>(
    host: &Host,
    plan: &mut Plan,
    desk: &mut Desk<'_, C>,
    run: &mut Run,
    stop: &mut StopReceiver,
) -> Ending {
    let limited = is_limited(&plan.source.config.config, &plan.catalog);
    if plan.is_continued && plan.catalog.streams.is_empty() {
        // All of the run was done, and only this had not been told.
        return Ending::default();
    }
    let mut mismatches = Vec::new();
    loop {
        let leg = match Leg::start(host, plan, desk, run) {
            Ok((leg, out)) => Box::pin(leg.follow(out, stop)).await,
            Err(failure) => LegEnd { failures: vec![failure], ..LegEnd::default() },
        };
        mismatches.extend(leg.differences);
        let goes_on = leg.failures.is_empty() && leg.stopped.is_none();
        if !goes_on || leg.failed_streams.is_empty() {
            return Ending {
                failures: leg.failures,
                stopped: leg.stopped,
                followed: plan.follow && !leg.killed,
                mismatches,
                unfinished: leg.unfinished,
                limited,
                at_limit: leg.at_limit,
                dropped: leg.dropped,
                ..Ending::default()
            };
        }
        leave_out(&mut plan.catalog, &leg.failed_streams, desk, run, host).await;
        if plan.catalog.streams.is_empty() {
            return Ending { mismatches, limited, ..Ending::default() };
        }
    }
}

/// Takes failed streams and their children out of the catalog; the children are told to have failed.
async fn leave_out<C: Client>(
    catalog: &mut ConfiguredCatalog,
    failed: &BTreeSet<String>,
    desk: &mut Desk<'_, C>,
    run: &mut Run,
    host: &Host,
) {
    let all = with_children(catalog, failed);
    for stream in all.difference(failed) {
        let error = "left out, because the stream that it is fed from failed".to_owned();
        let status = Message::StreamStatus(StreamStatus {
            stream: stream.clone(),
            kind: StreamStatusKind::Error { error },
            class: Some(Class::Data),
        });
        run.fold(&status, (host.now)());
        desk.say(&status).await;
    }
    catalog.streams.retain(|configured| !all.contains(&configured.stream.name));
    let names: Vec<String> = all.iter().map(|stream| format!("`{stream}`")).collect();
    let message = format!(
        "going on without {}: the other streams are read again from their last saved state",
        names.join(", ")
    );
    desk.log(protocol::Level::Warn, message).await;
}

async fn asked_to_stop(stop: &mut StopReceiver) -> StopCause {
    loop {
        match stop.current() {
            Stop::Drain(cause) | Stop::Kill(cause) => return cause,
            Stop::Go => {
                stop.changed().await;
            }
        }
    }
}

/// Judges how a run ended, writes it down and says it. One that did not come to its beginning knows
/// no state to go on from, and hands out none.
async fn end<C: Client>(desk: &mut Desk<'_, C>, ending: Ending, run: Option<Run>) -> Outcome {
    let is_known = run.is_some();
    let run = run.unwrap_or_default();
    let ending = Ending { tally: run.tally, ..ending };
    let mut state = run.state;
    // What was not saved was not shown either, and is not handed out.
    state.source = run.saved;
    if !run.places.is_empty() {
        let places: Value = json!(run.places);
        state.destination.insert("places".to_owned(), places);
    }
    let mut outcome = conclude(ending, state, run.request);
    outcome.eof.ending_state = outcome.eof.ending_state.filter(|_| is_known);
    desk.close(&outcome).await;
    desk.say(&Message::Eof(Box::new(outcome.eof.clone()))).await;
    outcome
}
