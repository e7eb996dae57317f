//! How many events were brought, and what became of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::delivery::Outcome;

/// What became of events so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    kept: AtomicU64,
    not_ours: AtomicU64,
    refused: AtomicU64,
    put_off: AtomicU64,
    is_healthy: AtomicBool,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Confirmed.
    Kept,
    /// Genuine, and of no stream of the catalog.
    NotOurs,
    /// Not Stripe's, or no event.
    Refused,
    /// Not confirmed in time: it comes again.
    PutOff,
}

impl Fate {
    /// What an answer of the read loop means; none is an event that was dropped.
    pub(crate) const fn of(outcome: Option<&Outcome>) -> Self {
        match outcome {
            Some(Outcome::Kept) => Self::Kept,
            Some(Outcome::NotOurs) => Self::NotOurs,
            Some(Outcome::Refused(_)) => Self::Refused,
            None => Self::PutOff,
        }
    }
}

impl Counts {
    /// Counts one; gives how many had the same fate so far.
    pub(crate) fn add(&self, fate: Fate) -> u64 {
        let count = match fate {
            Fate::Kept => &self.kept,
            Fate::NotOurs => &self.not_ours,
            Fate::Refused => &self.refused,
            Fate::PutOff => &self.put_off,
        };
        let before = count.fetch_add(1, Relaxed);
        // Whoever is refused says nothing of Stripe's own way to us.
        if fate != Fate::Refused {
            self.is_healthy.store(fate != Fate::PutOff, Relaxed);
        }
        before.saturating_add(1)
    }

    /// Whether the last genuine event reached us and could be taken.
    pub(crate) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Relaxed)
    }

    /// Everything in a sentence that begins with how they came; none if nothing did.
    pub(crate) fn sentence(&self, how: &str) -> Option<String> {
        let [kept, not_ours, refused, put_off] = self.all();
        if [kept, not_ours, refused, put_off] == [0; 4] {
            return None;
        }
        Some(format!(
            "{how}: {kept} kept, {not_ours} of streams that are not read, {refused} refused, {put_off} put off"
        ))
    }

    /// Kept, not ours, refused, put off.
    pub(crate) fn all(&self) -> [u64; 4] {
        [&self.kept, &self.not_ours, &self.refused, &self.put_off].map(|count| count.load(Relaxed))
    }
}
