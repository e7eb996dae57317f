//! How a pair ended, and who is to blame.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::{Class, ConfiguredCatalog, ConfiguredStream, Level};
use tokio::time::timeout;

use super::pair::Leg;
use super::watch::Stalled;
use crate::child::{Child, ChildError, End};
use crate::client::Client;
use crate::failure::Failure;
use crate::gate::Gate;
use crate::outcome::STALLED;
use crate::pump::PumpEnd;
use crate::stop::StopCause;

/// How long a child may take to end after it was asked to, or closed its output.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// How a pair of processes ended.
#[derive(Debug, Default)]
pub(crate) struct LegEnd {
    pub(crate) failures: Vec<Failure>,
    pub(crate) stopped: Option<StopCause>,
    pub(crate) killed: bool,
    pub(crate) failed_streams: BTreeSet<String>,
    pub(crate) differences: Vec<String>,
    pub(crate) unfinished: Vec<String>,
    pub(crate) at_limit: Vec<String>,
    pub(crate) dropped: BTreeMap<String, u64>,
}

impl<C: Client> Leg<'_, '_, C> {
    /// Ends a side that did nothing for too long; the other one is drained.
    pub(super) fn stall(&mut self, stalled: Stalled) {
        let (child, connector, owed) = match stalled {
            Stalled::Source => (&mut self.source, &self.plan.source.connector, "it sent nothing"),
            Stalled::Destination => (
                &mut self.destination,
                &self.plan.destination.connector,
                "it took no input, confirmed no state or did not end",
            ),
        };
        let words = child.last_words();
        let said =
            words.last().map_or_else(String::new, |word| format!("; its last words: {word}"));
        let message = format!(
            "{} did nothing for {} s: {owed}{said}; run again, or raise `--stall-timeout`",
            child.name(),
            self.plan.stall.as_secs(),
        );
        self.stalled.push(connector.failure(Class::Internal, STALLED, message));
        child.kill();
        if stalled == Stalled::Destination {
            self.stop_source();
        }
    }

    pub(super) async fn finish(mut self) -> LegEnd {
        // A destination that ends before its input does takes no more of it; the source is told by
        // a closed pipe.
        let early = self.pumped.is_none();
        if early {
            // Nobody saves any more what the pump may be waiting for.
            self.openings.close();
            while self.openings.try_recv().is_ok() {}
            self.source.terminate();
            let pumped = timeout(GRACE, self.pumping.join_next()).await;
            self.pumped = pumped.ok().flatten().and_then(Result::ok);
            self.pumping.abort_all();
        }
        while let Ok(note) = self.notes.try_recv() {
            self.noted(note).await;
        }
        self.desk.settle(self.run).await;
        let (destination, _) = end_of(&mut self.destination).await;
        if let Some(acks) = &self.acks {
            acks.close();
        }
        let (source, lingered) = end_of(&mut self.source).await;
        let had_said_all = self.pumped.as_ref().is_some_and(|p| p.end == PumpEnd::Clean);
        if lingered && had_said_all && !self.stopping {
            let (name, grace) = (self.source.name(), GRACE.as_secs());
            let message =
                format!("{name} closed its output and did not end within {grace} s; it was killed");
            self.desk.log(Level::Warn, message).await;
        }
        self.judge(source, destination, early)
    }

    fn judge(
        self,
        source: Result<End, ChildError>,
        destination: Result<End, ChildError>,
        early: bool,
    ) -> LegEnd {
        if let Some(why) = &self.unaccounted {
            return self.cut_off(why.clone());
        }
        let mut failures = self.stalled.clone();
        let closed = !self.hushed
            && (early || self.pumped.as_ref().is_none_or(|pumped| pumped.end == PumpEnd::Closed));
        let destination = self.destination_failure(destination, closed);
        if !self.killed && failures.is_empty() {
            // A source whose reader died is not to blame for how it ends.
            let blameless = self.hushed || destination.is_some() && closed;
            failures.extend(self.source_failure(source).filter(|_| !blameless));
            failures.extend(destination);
        }
        failures.extend(self.desk.broken().cloned());
        let gate = self.pumped.as_ref().map(|pumped| &pumped.gate);
        let settled = failures.is_empty() && !self.killed && !self.hushed;
        let differences = gate.filter(|_| settled).map(|gate| self.heard.differences(gate));
        let whole = settled && gate.is_some_and(|gate| gate.unfinished().next().is_none());
        let stopped = self.stopped.or_else(|| self.desk.stopped());
        LegEnd {
            // A limit that was reached when everything had been read cut nothing off.
            stopped: stopped.filter(|cause| !(whole && cause.is_limit())),
            killed: self.killed,
            dropped: gate.map(|gate| gate.dropped().clone()).unwrap_or_default(),
            failed_streams: self.heard.failed_at_destination.keys().cloned().collect(),
            differences: differences.unwrap_or_default(),
            at_limit: gate.map(|gate| at_limit(&self.plan.catalog, gate)).unwrap_or_default(),
            unfinished: gate
                .map(|gate| gate.unfinished().map(str::to_owned).collect())
                .unwrap_or_default(),
            failures,
        }
    }

    /// The end of a pair whose counts differ before it: both were ended for that.
    fn cut_off(&self, why: String) -> LegEnd {
        let gate = self.pumped.as_ref().map(|pumped| &pumped.gate);
        let unfinished = gate.into_iter().flat_map(Gate::unfinished).map(str::to_owned);
        LegEnd {
            failures: self.desk.broken().cloned().into_iter().collect(),
            differences: vec![why],
            unfinished: unfinished.collect(),
            dropped: gate.map(|gate| gate.dropped().clone()).unwrap_or_default(),
            ..LegEnd::default()
        }
    }

    fn source_failure(&self, end: Result<End, ChildError>) -> Option<Failure> {
        let connector = &self.plan.source.connector;
        let gate = self.pumped.as_ref().map(|pumped| &pumped.gate);
        if let Some(refusal) = gate.and_then(Gate::failure) {
            return Some(connector.refused(refusal));
        }
        let failed =
            |code, message: String| Some(connector.failure(Class::Internal, code, message));
        let end = match end {
            Ok(end) => end,
            Err(error) => return failed("not_waited_for", error.to_string()),
        };
        match self.pumped.as_ref().map(|pumped| &pumped.end) {
            Some(PumpEnd::Garbled(why)) => failed("garbled", format!("{why}; {end}")),
            _ if self.plan.follow && cannot_follow(&end) => Some(connector.failure(
                Class::Config,
                "cannot_follow",
                format!("{end}; it cannot follow: run without `--follow`, again and again"),
            )),
            _ if !end.is_clean() => failed("ended_badly", end.to_string()),
            // Nobody asked it to end.
            Some(PumpEnd::Clean) if self.plan.follow && !self.stopping => {
                failed("ended_early", format!("{end}, though it was to follow until it is stopped"))
            }
            _ => None,
        }
    }

    fn destination_failure(&self, end: Result<End, ChildError>, closed: bool) -> Option<Failure> {
        let connector = &self.plan.destination.connector;
        if let Some(refusal) = &self.heard.refusal {
            return Some(connector.refused(refusal));
        }
        let failed =
            |code, message: String| Some(connector.failure(Class::Internal, code, message));
        let end = match end {
            Ok(end) => end,
            Err(error) => return failed("not_waited_for", error.to_string()),
        };
        match &self.garbled {
            Some(why) => failed("garbled", format!("{}: {why}", end.name)),
            None if !end.is_clean() => failed("ended_badly", end.to_string()),
            None if closed => failed("ended_early", format!("it took no more input; {end}")),
            None => None,
        }
    }
}

/// Whether a source says that it does not know how to follow.
fn cannot_follow(end: &End) -> bool {
    let is_usage = end.status.code() == Some(i32::from(protocol::exit::USAGE));
    is_usage && end.last_words.iter().any(|line| line.contains("--follow"))
}

/// A source may call a stream complete when it stopped at the limit, as Stripe's own does.
fn at_limit(catalog: &ConfiguredCatalog, gate: &Gate) -> Vec<String> {
    let passed: BTreeMap<&str, u64> = gate.passed().collect();
    let reached = |configured: &&ConfiguredStream| {
        let passed = passed.get(configured.stream.name.as_str());
        configured.backfill_limit.is_some_and(|limit| passed.is_some_and(|count| *count >= limit))
    };
    let streams = catalog.streams.iter().filter(reached);
    streams.map(|configured| configured.stream.name.clone()).collect()
}

/// How a child ended; `true` when it did not end by itself and was ended.
async fn end_of(child: &mut Child) -> (Result<End, ChildError>, bool) {
    if let Ok(end) = timeout(GRACE, child.wait()).await {
        return (end, false);
    }
    child.kill();
    (child.wait().await, true)
}
