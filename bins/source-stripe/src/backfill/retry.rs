//! When a stream that failed is tried again, where reading goes on. Pure: the time comes in.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Minutes to wait after the first, the second … failure in a row; the last counts for all after.
const MINUTES: [u64; 3] = [1, 5, 15];

/// The streams that wait to be tried again.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    streams: BTreeMap<usize, Retry>,
}

#[derive(Debug)]
struct Retry {
    failures: usize,
    /// None while it is being tried.
    at: Option<Instant>,
}

impl Retries {
    /// A stream failed now. Says how long it waits.
    pub(crate) fn failed(&mut self, stream: usize, now: Instant) -> Duration {
        let retry = self.streams.entry(stream).or_insert(Retry { failures: 0, at: None });
        let minutes = MINUTES.get(retry.failures).or(MINUTES.last()).copied().unwrap_or(1);
        let wait = Duration::from_secs(minutes.saturating_mul(60));
        retry.failures = retry.failures.saturating_add(1);
        retry.at = Some(now + wait);
        wait
    }

    /// A page of a stream came: its failures count no more.
    pub(crate) fn forget(&mut self, stream: usize) {
        self.streams.remove(&stream);
    }

    /// The streams to try now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<usize> {
        let due = self.streams.iter_mut().filter(|(_, retry)| retry.at.is_some_and(|at| at <= now));
        due.map(|(stream, retry)| {
            retry.at = None;
            *stream
        })
        .collect()
    }

    /// When the next is to be tried.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.streams.values().filter_map(|retry| retry.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_waits_longer_each_time_until_a_page_comes() {
        let (mut retries, start) = (Retries::default(), Instant::now());
        let waits: Vec<u64> = (0..5).map(|_| retries.failed(3, start).as_secs() / 60).collect();
        assert_eq!(waits, [1, 5, 15, 15, 15]);
        let at = start + Duration::from_secs(900);
        assert_eq!(retries.next(), Some(at));
        assert_eq!(retries.due(at - Duration::from_secs(1)), Vec::<usize>::new());
        assert_eq!((retries.due(at), retries.next()), (vec![3], None));
        retries.forget(3);
        assert_eq!(retries.failed(3, at).as_secs(), 60);
    }
}
