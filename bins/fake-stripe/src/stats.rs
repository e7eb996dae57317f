//! What was asked so far.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::answer::Answer;

/// Counters of all requests but those for the counters themselves.
#[derive(Default)]
pub(crate) struct Stats {
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    by_path: BTreeMap<String, u64>,
    by_status: BTreeMap<u16, u64>,
    bytes: u64,
    by_fault: BTreeMap<&'static str, u64>,
    in_flight: u64,
    in_flight_peak: u64,
}

impl Stats {
    /// Counts a request in, until the answer is dropped or finished.
    pub(crate) fn begin(&self) -> InFlight<'_> {
        let mut counters = self.lock();
        counters.in_flight += 1;
        counters.in_flight_peak = counters.in_flight_peak.max(counters.in_flight);
        InFlight { stats: self }
    }

    /// Counts a fault.
    pub(crate) fn struck(&self, fault: &'static str) {
        *self.lock().by_fault.entry(fault).or_default() += 1;
    }

    /// The counters as a value: `requests`, `by_path`, `by_status`, `by_fault`, `rate_limited` (answers of
    /// 429), `bytes` of bodies, `in_flight_peak`.
    pub(crate) fn to_json(&self) -> Value {
        let counters = self.lock();
        let by_status: BTreeMap<String, u64> =
            counters.by_status.iter().map(|(status, count)| (status.to_string(), *count)).collect();
        json!({
            "requests": counters.by_path.values().sum::<u64>(),
            "by_path": counters.by_path,
            "by_status": by_status,
            "by_fault": counters.by_fault,
            "rate_limited": counters.by_status.get(&429).copied().unwrap_or(0),
            "bytes": counters.bytes,
            "in_flight_peak": counters.in_flight_peak,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
pub(crate) struct InFlight<'a> {
    stats: &'a Stats,
}

impl InFlight<'_> {
    /// Counts the answer to a request for `path`.
    pub(crate) fn answered(self, path: &str, answer: &Answer) {
        let mut counters = self.stats.lock();
        *counters.by_path.entry(path.to_owned()).or_default() += 1;
        *counters.by_status.entry(answer.status).or_default() += 1;
        counters.bytes += u64::try_from(answer.body.len()).unwrap_or(0);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut counters = self.stats.lock();
        counters.in_flight = counters.in_flight.saturating_sub(1);
    }
}
