//! Stripe's time as a listener needs it: asked for anew where a genuine signature is ahead of it.
//!
//! What we hold for Stripe's time goes on by our own monotonic clock, which on most systems stands
//! while the machine sleeps, and it is asked for with every request that we make. A source that only
//! listens makes none.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use protocol::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::client::Client;

/// A signature that is further ahead than this, in seconds, says that our time is behind.
const AHEAD_SECONDS: i64 = 30;
/// Stripe is not asked again sooner when that was for nothing.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest wait for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Knows Stripe's time, or can ask for it.
pub(crate) trait Clock: Send + Sync {
    /// Stripe's time, once it is known; never later than it is.
    fn now(&self) -> Option<Timestamp>;

    /// Asks Stripe. What it says shows in [`Clock::now`].
    fn ask(&self) -> BoxFuture<'_, ()>;
}

impl Clock for Client {
    fn now(&self) -> Option<Timestamp> {
        Self::now(self)
    }

    fn ask(&self) -> BoxFuture<'_, ()> {
        self.ask_time().boxed()
    }
}

/// Stripe's time for those who hold signatures against it.
pub(crate) struct StripeTime {
    clock: Arc<dyn Clock>,
    /// When Stripe was last asked for nothing.
    asked: Mutex<Option<Instant>>,
}

impl StripeTime {
    /// By this clock.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, asked: Mutex::default() }
    }

    /// Stripe's time now, if it is known, when something genuine was signed at `signed` (unix
    /// seconds).
    pub(crate) async fn now(&self, signed: i64) -> Option<Timestamp> {
        let is_behind = |now: Timestamp| now.seconds_floor().saturating_add(AHEAD_SECONDS) < signed;
        let now = self.clock.now()?;
        if !is_behind(now) {
            return Some(now);
        }
        let mut asked = self.asked.lock().await;
        // Somebody else may have asked while we waited.
        let is_due = asked.is_none_or(|asked| asked.elapsed() >= PAUSE);
        if is_due && self.clock.now().is_some_and(is_behind) {
            if timeout(PATIENCE, self.clock.ask()).await.is_err() {
                tracing::debug!("Stripe does not tell its time");
            }
            let is_vain = self.clock.now().is_none_or(is_behind);
            *asked = is_vain.then(Instant::now);
        }
        drop(asked);
        self.clock.now()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

    use super::*;

    /// A clock that was left behind until it is asked.
    #[derive(Debug, Default)]
    pub(crate) struct Sleepy {
        pub(crate) now: AtomicI64,
        pub(crate) truth: AtomicI64,
        pub(crate) asked: AtomicU32,
    }

    impl Sleepy {
        pub(crate) fn new(now: i64, truth: i64) -> Arc<Self> {
            Arc::new(Self { now: now.into(), truth: truth.into(), asked: 0.into() })
        }
    }

    impl Clock for Sleepy {
        fn now(&self) -> Option<Timestamp> {
            Some(Timestamp::from_seconds(self.now.load(Relaxed)))
        }

        fn ask(&self) -> BoxFuture<'_, ()> {
            self.asked.fetch_add(1, Relaxed);
            self.now.store(self.truth.load(Relaxed), Relaxed);
            std::future::ready(()).boxed()
        }
    }

    async fn seconds(time: &StripeTime, signed: i64) -> i64 {
        time.now(signed).await.unwrap().seconds_floor()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_stood_is_set_by_asking_and_not_by_the_signature() {
        let clock = Sleepy::new(1_000, 5_000);
        let time = StripeTime::new(Arc::<Sleepy>::clone(&clock));
        assert_eq!((seconds(&time, 1_030).await, clock.asked.load(Relaxed)), (1_000, 0));
        assert_eq!((seconds(&time, 5_001).await, clock.asked.load(Relaxed)), (5_000, 1));
        assert_eq!((seconds(&time, 4_000).await, clock.asked.load(Relaxed)), (5_000, 1));
        clock.truth.store(9_000, Relaxed);
        assert_eq!((seconds(&time, 9_000).await, clock.asked.load(Relaxed)), (9_000, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_signed_in_the_future_has_stripe_asked_now_and_then_only() {
        let clock = Sleepy::new(1_000, 1_000);
        let time = StripeTime::new(Arc::<Sleepy>::clone(&clock));
        for _ in 0..100 {
            assert_eq!(seconds(&time, 9_000).await, 1_000);
        }
        assert_eq!(clock.asked.load(Relaxed), 1);
        tokio::time::advance(PAUSE).await;
        seconds(&time, 9_000).await;
        assert_eq!(clock.asked.load(Relaxed), 2);
    }
}
