//! How many requests may be made: one budget for the account and one for each endpoint.
//!
//! Pure: the time of day comes in, as what has passed since the start.

use std::collections::BTreeMap;
use std::time::Duration;

/// Share of a second's requests that may be made at once.
const BURST: f64 = 0.1;
/// At least so many may: with less, a request that comes back finds one token, and it would never
/// be seen that there is room for a second beside it.
const LEAST_BURST: f64 = 3.0;
/// Tokens beyond this are not counted: nobody splits a range into more parts.
const MOST_COUNTED: u32 = 128;
/// A budget is never cut below this share of what was configured.
const LEAST: f64 = 1.0 / 32.0;
/// Share of the configured rate that comes back every second after a cut.
const RECOVERY: f64 = 0.02;
/// Answers that come within this time after a cut were asked for before it.
const ONE_CUT: Duration = Duration::from_secs(1);

/// Whether a request may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// It may; the token is taken.
    Go,
    /// Not before this time has passed.
    Wait(Duration),
    /// No more requests are allowed at all.
    Never,
}

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Of the range that takes longest, or of none.
    First,
    /// Of a range that will be done before another.
    Later,
}

/// What the owner allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// Requests a second over all endpoints.
    pub(crate) account: f64,
    /// Requests a second of each endpoint.
    pub(crate) endpoint: f64,
    /// Requests in all; without end when absent.
    pub(crate) calls: Option<u64>,
}

/// The budgets as they stand.
#[derive(Debug)]
pub(crate) struct Limits {
    account: Bucket,
    endpoint_rate: f64,
    endpoints: BTreeMap<String, Bucket>,
    calls_left: Option<u64>,
    told: Option<Duration>,
}

impl Limits {
    /// Full budgets.
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            account: Bucket::new(rates.account),
            endpoint_rate: rates.endpoint,
            endpoints: BTreeMap::new(),
            calls_left: rates.calls,
            told: None,
        }
    }

    /// Takes a token for one request to `endpoint`, or says how long to wait for one. Whoever is
    /// not the one that all wait for in the end leaves it a token.
    pub(crate) fn take(&mut self, now: Duration, endpoint: &str, rank: Rank) -> Grant {
        let least = if rank == Rank::First { 1.0 } else { 2.0 };
        if self.calls_left == Some(0) {
            return Grant::Never;
        }
        let wait = self.account.wait(now, least).max(self.endpoint(endpoint).wait(now, least));
        if !wait.is_zero() {
            return Grant::Wait(wait);
        }
        self.account.tokens -= 1.0;
        self.endpoint(endpoint).tokens -= 1.0;
        self.calls_left = self.calls_left.map(|left| left.saturating_sub(1));
        Grant::Go
    }

    /// How many requests could be made now in all.
    pub(crate) fn room(&mut self, now: Duration) -> usize {
        let calls =
            self.calls_left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        self.account.room(now).min(calls)
    }

    /// How many requests to `endpoint` could be made now, as far as it alone is concerned.
    pub(crate) fn endpoint_room(&mut self, now: Duration, endpoint: &str) -> usize {
        self.endpoint(endpoint).room(now)
    }

    /// Halves the budget that Stripe named (`Stripe-Rate-Limited-Reason`) after a 429.
    /// Gives a word about it, at most once a second.
    pub(crate) fn slow_down(
        &mut self,
        now: Duration,
        endpoint: &str,
        reason: Option<&str>,
    ) -> Option<String> {
        let one = reason.is_some_and(|reason| !reason.starts_with("global"));
        let bucket = if one { self.endpoint(endpoint) } else { &mut self.account };
        bucket.halve(now);
        let rate = bucket.rate;
        if self.told.is_some_and(|told| now.saturating_sub(told) < Duration::from_secs(1)) {
            return None;
        }
        self.told = Some(now);
        let whose = if one { format!("`{endpoint}`") } else { "the account".to_owned() };
        let reason = reason.unwrap_or("no reason given");
        Some(format!(
            "stripe limits the rate of {whose} ({reason}): going on at {rate:.1} requests/s"
        ))
    }

    fn endpoint(&mut self, endpoint: &str) -> &mut Bucket {
        if !self.endpoints.contains_key(endpoint) {
            self.endpoints.insert(endpoint.to_owned(), Bucket::new(self.endpoint_rate));
        }
        self.endpoints.entry(endpoint.to_owned()).or_insert_with(|| Bucket::new(self.endpoint_rate))
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    configured: f64,
    rate: f64,
    tokens: f64,
    filled: Duration,
    cut: Option<Duration>,
}

impl Bucket {
    fn new(rate: f64) -> Self {
        Self { configured: rate, rate, tokens: burst(rate), filled: Duration::ZERO, cut: None }
    }

    /// Fills up to now, and says how long until there are so many tokens.
    fn wait(&mut self, now: Duration, least: f64) -> Duration {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(burst(self.configured));
        self.rate = (self.rate + passed * RECOVERY * self.configured).min(self.configured);
        self.filled = self.filled.max(now);
        if self.tokens >= least {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((least - self.tokens) / self.rate).max(Duration::from_millis(1))
    }

    /// Whole tokens.
    fn room(&mut self, now: Duration) -> usize {
        self.wait(now, 1.0);
        // A bucket holds a tenth of a second: few enough to count.
        (1..=MOST_COUNTED).take_while(|count| self.tokens >= f64::from(*count)).count()
    }

    fn halve(&mut self, now: Duration) {
        if self.cut.is_some_and(|cut| now.saturating_sub(cut) < ONE_CUT) {
            return;
        }
        self.wait(now, 1.0);
        self.cut = Some(now);
        self.rate = (self.rate / 2.0).max(self.configured * LEAST);
        self.tokens = self.tokens.min(0.0);
    }
}

fn burst(rate: f64) -> f64 {
    (rate * BURST).max(LEAST_BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates { account: 50.0, endpoint: 15.0, calls: None };

    /// Requests that get through in `seconds`, asking at every millisecond.
    fn granted(limits: &mut Limits, from: Duration, seconds: u64, endpoints: &[&str]) -> usize {
        let moments = (0..seconds * 1000).map(|ms| from + Duration::from_millis(ms));
        moments
            .flat_map(|now| endpoints.iter().map(move |endpoint| (now, endpoint)))
            .filter(|(now, endpoint)| limits.take(*now, endpoint, Rank::First) == Grant::Go)
            .count()
    }

    #[test]
    fn one_endpoint_and_the_account_are_held_to_their_rates() {
        let mut limits = Limits::new(RATES);
        let one = granted(&mut limits, Duration::ZERO, 10, &["/a"]);
        assert!((148..=152).contains(&one), "{one}");
        let mut limits = Limits::new(RATES);
        let many = granted(&mut limits, Duration::ZERO, 10, &["/a", "/b", "/c", "/d", "/e"]);
        assert!((498..=506).contains(&many), "{many}");
    }

    #[test]
    fn a_wait_is_long_enough() {
        let mut limits = Limits::new(Rates { account: 2.0, ..RATES });
        assert_eq!(
            (limits.room(Duration::ZERO), limits.endpoint_room(Duration::ZERO, "/a")),
            (3, 3)
        );
        assert_eq!(limits.take(Duration::ZERO, "/a", Rank::First), Grant::Go);
        assert_eq!(limits.take(Duration::ZERO, "/a", Rank::First), Grant::Go);
        assert!(matches!(limits.take(Duration::ZERO, "/b", Rank::Later), Grant::Wait(_)));
        assert_eq!(limits.take(Duration::ZERO, "/b", Rank::First), Grant::Go);
        assert_eq!(
            (limits.room(Duration::ZERO), limits.endpoint_room(Duration::ZERO, "/a")),
            (0, 1)
        );
        let Grant::Wait(wait) = limits.take(Duration::ZERO, "/a", Rank::First) else {
            panic!("no wait")
        };
        assert_eq!(limits.take(wait, "/a", Rank::First), Grant::Go);
    }

    #[test]
    fn the_named_budget_is_halved_once_and_recovers() {
        let mut limits = Limits::new(RATES);
        let word = limits.slow_down(Duration::ZERO, "/a", Some("endpoint-rate")).unwrap();
        assert!(word.contains("`/a` (endpoint-rate): going on at 7.5"), "{word}");
        assert_eq!(limits.slow_down(Duration::from_millis(10), "/a", Some("endpoint-rate")), None);
        let slow = granted(&mut limits, Duration::from_secs(1), 2, &["/a"]);
        assert!((14..=20).contains(&slow), "{slow}");
        let other = granted(&mut limits, Duration::from_secs(3), 2, &["/b"]);
        assert!((29..=32).contains(&other), "{other}");
        let later = granted(&mut limits, Duration::from_secs(60), 2, &["/a"]);
        assert!((29..=32).contains(&later), "{later}");
    }

    #[test]
    fn an_unnamed_429_slows_the_account() {
        let mut limits = Limits::new(RATES);
        let word = limits.slow_down(Duration::ZERO, "/a", None).unwrap();
        assert!(word.contains("the account (no reason given): going on at 25.0"), "{word}");
    }

    #[test]
    fn the_last_allowed_call_is_the_last() {
        let mut limits = Limits::new(Rates { calls: Some(1), ..RATES });
        assert_eq!(limits.room(Duration::ZERO), 1);
        assert_eq!(limits.take(Duration::ZERO, "/a", Rank::First), Grant::Go);
        assert_eq!(limits.room(Duration::from_secs(9)), 0);
        assert_eq!(limits.take(Duration::from_secs(9), "/a", Rank::First), Grant::Never);
    }
}
