//! What was survived, compared and found wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::copy::Kind;

/// Sums over runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    /// Runs by how changes reach the copy.
    pub(crate) ways: BTreeMap<&'static str, u64>,
    /// Calls that followed and were stopped before all webhooks had arrived.
    pub(crate) unsettled: u64,
    /// Calls of the program.
    pub(crate) calls: u64,
    /// Blows that hit, by what they were.
    pub(crate) blows: BTreeMap<String, u64>,
    /// Stored states that were held against the rows.
    pub(crate) states: u64,
    /// Rows that a stored state claims and that were there.
    pub(crate) claimed: u64,
    /// Objects whose row was compared at the end.
    pub(crate) rows: u64,
    /// Changes made to the account.
    pub(crate) changes: u64,
    /// The longest run, with its seed.
    pub(crate) longest: (Duration, u64),
    pub(crate) failures: Vec<(u64, String)>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.calls += other.calls;
        self.unsettled += other.unsettled;
        for (way, count) in other.ways {
            *self.ways.entry(way).or_default() += count;
        }
        for (blow, count) in other.blows {
            *self.blows.entry(blow).or_default() += count;
        }
        self.states += other.states;
        self.claimed += other.claimed;
        self.rows += other.rows;
        self.changes += other.changes;
        self.longest = self.longest.max(other.longest);
        self.failures.extend(other.failures);
    }

    pub(crate) fn fail(&mut self, seed: u64, error: tokio::task::JoinError) {
        let why = match error.try_into_panic() {
            Ok(panic) => match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => {
                    panic.downcast::<&str>().map_or_else(|_| "?".to_owned(), |t| (*t).to_owned())
                }
            },
            Err(error) => error.to_string(),
        };
        self.runs += 1;
        self.failures.push((seed, why));
    }

    /// For people.
    pub(crate) fn report(&self, kind: Kind) -> String {
        let Self { runs, calls, states, claimed, rows, changes, longest, .. } = self;
        let mut text = format!(
            "{}: {runs} runs, {} failed; {calls} calls, {changes} changes, {} blows survived",
            kind.name(),
            self.failures.len(),
            self.blows.values().sum::<u64>(),
        );
        for (blow, count) in &self.blows {
            write!(text, "\n  {count:>6} {blow}").unwrap();
        }
        for (way, count) in &self.ways {
            write!(text, "\n  {count:>6} {way}").unwrap();
        }
        if self.unsettled > 0 {
            write!(text, "\n  {:>6} stopped before all webhooks had arrived", self.unsettled)
                .unwrap();
        }
        let seconds = longest.0.as_secs_f64();
        write!(
            text,
            "\n  {states} stored states held against {claimed} rows, {rows} objects compared at \
             the end; the longest run took {seconds:.1} s (seed {})",
            longest.1
        )
        .unwrap();
        text
    }

    /// What failed, and how to see it again.
    pub(crate) fn complaint(&self, kind: Kind) -> String {
        let mut text = String::new();
        for (seed, why) in &self.failures {
            let name = kind.name();
            write!(
                text,
                "\nseed {seed} failed; again: cargo xtask torture --runs 1 --seed {seed} \
                 --destination {name}\n{why}\n"
            )
            .unwrap();
        }
        text
    }
}
