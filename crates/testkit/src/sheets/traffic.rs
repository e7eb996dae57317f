//! What was asked, how much may be asked, and what goes wrong.

use std::time::Duration;

/// Reads and writes have quotas of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A `GET`.
    Read,
    /// Anything else.
    Write,
    /// A request for an access token, which no quota counts.
    Token,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method and path, without the query.
    pub line: String,
    /// What it counts as.
    pub kind: Kind,
    /// When it came, since the start.
    pub at: Duration,
    /// The status of its answer.
    pub status: u16,
    /// Bytes of its body.
    pub bytes: usize,
}

/// How much of a request that is answered with an error takes effect all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// None of it.
    Nothing,
    /// The first half of the ranges of a `values:batchUpdate`.
    Half,
    /// All of it: only the answer is lost.
    Everything,
}

/// An error that answers some requests.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Part of the lines that it answers; empty is any.
    pub line: String,
    /// Requests of that kind that go through before.
    pub after: usize,
    /// Requests that it answers.
    pub times: usize,
    /// The status.
    pub status: u16,
    /// `Retry-After`, in seconds, if it has one.
    pub retry_after: Option<u64>,
    /// What happens all the same.
    pub effect: Effect,
}

impl Fault {
    /// One answer with this status to the next request whose line has this in it.
    pub fn once(line: &str, status: u16) -> Self {
        Self {
            line: line.to_owned(),
            after: 0,
            times: 1,
            status,
            retry_after: Some(0),
            effect: Effect::Nothing,
        }
    }

    /// Whether it answers this request; counts it in any case.
    pub(super) fn strikes(&mut self, line: &str) -> bool {
        if self.times == 0 || !line.contains(&self.line) {
            return false;
        }
        if self.after > 0 {
            self.after = self.after.saturating_sub(1);
            return false;
        }
        self.times = self.times.saturating_sub(1);
        true
    }
}

/// So many requests of each kind in each window.
#[derive(Debug, Clone)]
pub(super) struct Quota {
    pub(super) most: usize,
    pub(super) window: Duration,
    /// Whether the answer says how long to wait.
    pub(super) tells: bool,
}

impl Quota {
    /// Whether a request at `now` is within the quota; if not, when it would be.
    pub(super) fn admits(
        &self,
        kind: Kind,
        now: Duration,
        log: &[Request],
    ) -> Result<(), Duration> {
        let is_counted = |one: &&Request| {
            one.kind == kind && one.status != 429 && one.at.saturating_add(self.window) > now
        };
        let within: Vec<Duration> = log.iter().filter(is_counted).map(|one| one.at).collect();
        match within.first() {
            Some(first) if within.len() >= self.most => {
                Err(first.saturating_add(self.window).saturating_sub(now))
            }
            Some(_) | None => Ok(()),
        }
    }
}
