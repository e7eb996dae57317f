//! What connectors give account of beside records: receipts, and requests made; pure.

use std::collections::BTreeMap;

use protocol::{Log, Receipt, Timestamp};
use serde::{Deserialize, Serialize};

/// Paths that are told apart; a source that leaves ids in them has any number of them.
const PATHS: usize = 1000;

/// Where the requests to further paths are counted.
const OTHERS: &str = "others";

/// An account of one run, over all its calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// What the copy does not hold as it is at the source, in the connectors' words; one receipt
    /// for each stream and reason.
    pub receipts: Vec<Receipt>,
    /// Requests that the source made in this run, by path.
    pub requests: BTreeMap<String, u64>,
    /// The calendar month (UTC) of the last request, such as `2026-01`; empty before the first.
    pub month: String,
    /// Requests of the whole pipeline in that month, this run included.
    pub month_requests: u64,
}

impl Tally {
    /// Takes in what a log carries; the engine saw it at `ts`.
    pub fn fold(&mut self, log: &Log, ts: Timestamp) {
        for receipt in &log.receipts {
            self.add(receipt);
        }
        let made = log.requests.values().copied().fold(0, u64::saturating_add);
        if made == 0 {
            return;
        }
        for (path, count) in &log.requests {
            let has_room = self.requests.len() < PATHS || self.requests.contains_key(path);
            let path = if has_room { path.as_str() } else { OTHERS };
            let sum = self.requests.entry(path.to_owned()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.enter_month(ts);
        self.month_requests = self.month_requests.saturating_add(made);
    }

    /// Goes on with the month where earlier runs of the pipeline left it.
    pub fn carry(&mut self, earlier: &Self, now: Timestamp) {
        if earlier.month == month_of(now) {
            self.enter_month(now);
            self.month_requests = self.month_requests.max(earlier.month_requests);
        }
    }

    /// Requests of this run.
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.requests.values().copied().fold(0, u64::saturating_add)
    }

    fn enter_month(&mut self, now: Timestamp) {
        let month = month_of(now);
        if self.month != month {
            self.month = month;
            self.month_requests = 0;
        }
    }

    fn add(&mut self, receipt: &Receipt) {
        let same =
            |known: &&mut Receipt| known.stream == receipt.stream && known.reason == receipt.reason;
        let Some(known) = self.receipts.iter_mut().find(same) else {
            return self.receipts.push(receipt.clone());
        };
        known.count = known.count.saturating_add(receipt.count);
        if receipt.message.is_some() {
            known.message.clone_from(&receipt.message);
        }
    }
}

fn month_of(now: Timestamp) -> String {
    now.to_string().chars().take(7).collect()
}

#[cfg(test)]
mod tests {
    use protocol::Level;

    use super::*;

    const JANUARY: i64 = 1_767_225_600;

    fn log(requests: u64) -> Log {
        let requests = [("/v1/customers".to_owned(), requests)].into();
        Log { requests, ..Log::new(Level::Debug, "") }
    }

    #[test]
    fn a_month_is_counted_over_runs_and_begins_anew() {
        let at = |day: i64| Timestamp::from_seconds(JANUARY + day * 86_400);
        let mut first = Tally::default();
        first.fold(&log(5), at(0));
        first.fold(&log(2), at(30));
        let mut second = Tally::default();
        second.carry(&first, at(30));
        second.fold(&log(1), at(30));
        assert_eq!((second.request_count(), second.month_requests), (1, 8));
        second.fold(&log(3), at(31));
        assert_eq!((second.month.as_str(), second.month_requests), ("2026-02", 3));
        assert_eq!(second.requests["/v1/customers"], 4);
        let mut third = Tally::default();
        third.carry(&first, at(31));
        assert_eq!((third.month.as_str(), third.month_requests), ("", 0));
    }

    #[test]
    fn paths_without_end_are_counted_together() {
        let mut tally = Tally::default();
        for number in 0..PATHS + 7 {
            let requests = [(format!("/v1/customers/cus_{number}"), 1)].into();
            let log = Log { requests, ..Log::new(Level::Debug, "") };
            tally.fold(&log, Timestamp::EPOCH);
        }
        assert_eq!(tally.requests[OTHERS], 7);
        assert_eq!(tally.request_count(), 1007);
    }

    #[test]
    fn receipts_of_a_stream_and_reason_are_one_with_the_latest_words() {
        let mut tally = Tally::default();
        let mut tell = |stream: Option<&str>, count, message: Option<&str>| {
            let receipt = Receipt {
                stream: stream.map(str::to_owned),
                reason: "gap".to_owned(),
                count,
                message: message.map(str::to_owned),
            };
            let log = Log { receipts: vec![receipt], ..Log::new(Level::Warn, "") };
            tally.fold(&log, Timestamp::EPOCH);
        };
        tell(Some("a"), 2, Some("first"));
        tell(None, 1, None);
        tell(Some("a"), 3, Some("then"));
        tell(Some("a"), 0, None);
        assert_eq!(tally.receipts.len(), 2);
        assert_eq!(tally.receipts[0].count, 5);
        assert_eq!(tally.receipts[0].message.as_deref(), Some("then"));
    }
}
