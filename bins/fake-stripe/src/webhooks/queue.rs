//! What is to be sent, and when: late, out of order, twice, again when it failed. Time is passed
//! in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::faults::Share;
use crate::mix::{below, mix};

/// Stripe gives up after three days; here it is this many tries.
const TRIES: u32 = 16;

/// The longest wait between two tries, in seconds.
const MAX_WAIT_SECONDS: i64 = 60;

/// How webhooks come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) seed: u64,
    /// Each is up to so many seconds late, so that they come out of order.
    pub(crate) late: u32,
    /// The share that comes twice.
    pub(crate) twice: Share,
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The number of the event.
    pub(crate) event: usize,
    /// The id of the endpoint.
    pub(crate) endpoint: String,
    /// How often it failed.
    pub(crate) failures: u32,
}

/// All that is waiting, by the time when it is due.
#[derive(Debug)]
pub(crate) struct Queue {
    manner: Manner,
    /// Events up to this number were looked at.
    pub(crate) seen: usize,
    waiting: BTreeMap<(i64, u64), Delivery>,
    added: u64,
    in_flight: u64,
    delivered: u64,
    failed: u64,
    given_up: u64,
}

impl Queue {
    pub(crate) fn new(manner: Manner) -> Self {
        let waiting = BTreeMap::new();
        let (seen, added, in_flight, delivered, failed, given_up) = (0, 0, 0, 0, 0, 0);
        Self { manner, seen, waiting, added, in_flight, delivered, failed, given_up }
    }

    /// Adds an event that happened at `at`, in milliseconds, for an endpoint.
    pub(crate) fn add(&mut self, event: usize, endpoint: &str, at: i64) {
        let random = mix(&[self.manner.seed, self.added]);
        let times = if self.manner.twice.holds(mix(&[random, 1])) { 2 } else { 1 };
        for time in 0..times {
            let late = below(mix(&[random, 2, time]), u64::from(self.manner.late) * 1_000 + 1);
            let due = at.saturating_add_unsigned(late);
            let delivery = Delivery { event, endpoint: endpoint.to_owned(), failures: 0 };
            self.put(due, delivery);
        }
    }

    /// Takes out what is due, the first due first.
    pub(crate) fn due(&mut self, now: i64) -> Vec<Delivery> {
        let later = self.waiting.split_off(&(now.saturating_add(1), 0));
        let due: Vec<Delivery> =
            std::mem::replace(&mut self.waiting, later).into_values().collect();
        self.in_flight += u64::try_from(due.len()).unwrap_or(0);
        due
    }

    /// Settles one that was taken out: it was accepted, or it comes again.
    pub(crate) fn settle(&mut self, mut delivery: Delivery, accepted: bool, now: i64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if accepted {
            self.delivered += 1;
            return;
        }
        self.failed += 1;
        delivery.failures += 1;
        if delivery.failures >= TRIES {
            self.given_up += 1;
            return;
        }
        let wait = (1_i64 << delivery.failures.min(10)) / 2;
        self.put(now + wait.min(MAX_WAIT_SECONDS) * 1_000, delivery);
    }

    /// Forgets one whose endpoint is gone or disabled.
    pub(crate) fn forget(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The counters: `waiting`, those on their way included, `delivered`, `failed` tries,
    /// `given_up`.
    pub(crate) fn to_json(&self) -> Value {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(0) + self.in_flight;
        json!({
            "waiting": waiting,
            "delivered": self.delivered,
            "failed": self.failed,
            "given_up": self.given_up,
        })
    }

    fn put(&mut self, due: i64, delivery: Delivery) {
        self.added += 1;
        self.waiting.insert((due, self.added), delivery);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(late: u32, twice: &str) -> Queue {
        Queue::new(Manner { seed: 3, late, twice: twice.parse().unwrap() })
    }

    fn events(due: &[Delivery]) -> Vec<usize> {
        due.iter().map(|delivery| delivery.event).collect()
    }

    #[test]
    fn what_is_not_late_comes_at_once_and_in_order() {
        let mut queue = queue(0, "0");
        (0..5).for_each(|event| queue.add(event, "we_1", 1_000));
        assert!(queue.due(999).is_empty());
        assert_eq!(events(&queue.due(1_000)), [0, 1, 2, 3, 4]);
        assert_eq!(queue.to_json()["waiting"], 5);
    }

    #[test]
    fn what_is_late_comes_out_of_order_and_all_of_it() {
        let mut queue = queue(3_600, "0.5");
        (0..100).for_each(|event| queue.add(event, "we_1", 0));
        let came = events(&queue.due(3_600_000));
        assert!(!came.is_sorted());
        assert!(came.len() > 120, "{}: half of them twice", came.len());
        assert!((0..100).all(|event| came.contains(&event)));
    }

    #[test]
    fn a_failure_comes_again_later_and_later_until_it_is_given_up() {
        let mut queue = queue(0, "0");
        queue.add(7, "we_1", 0);
        let (mut now, mut waits) = (0, Vec::new());
        while let Some(delivery) = queue.due(now).pop() {
            queue.settle(delivery, false, now);
            let Some(((due, _), _)) = queue.waiting.first_key_value() else { break };
            waits.push((due - now) / 1_000);
            now = *due;
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(
            queue.to_json(),
            json!({"waiting": 0, "delivered": 0, "failed": 16, "given_up": 1})
        );
    }
}
