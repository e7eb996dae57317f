//! Which histories to try: what `cargo xtask histories` asks for, else as many as time allows.

use std::time::{Duration, Instant};

use crate::place::{POSTGRES, SHEETS, SQLITE};

/// How long the histories of one kind of place may take together where nobody asked for a number.
const PATIENCE: Duration = Duration::from_secs(8);
/// So many are tried however long they take.
const FEWEST: u64 = 3;

/// The seeds to try.
pub(crate) struct Asked {
    first: u64,
    runs: Option<u64>,
    kind: Option<&'static str>,
}

impl Asked {
    /// Without wishes: the seeds from `first` on.
    pub(crate) fn from_environment(first: u64) -> Self {
        let number = |name| word(name).map(|text| text.parse().unwrap());
        let kind = word("HISTORY_DESTINATION").map(|kind| match kind.as_str() {
            "postgres" => POSTGRES,
            "sqlite" => SQLITE,
            other => panic!("no destination `{other}`; there are postgres and sqlite"),
        });
        let runs = number("HISTORY_RUNS");
        Self { first: number("HISTORY_SEED").unwrap_or(first), runs, kind }
    }

    /// The kinds of places among these that are meant; a spreadsheet takes part only when nobody
    /// asked, because it is slow.
    pub(crate) fn kinds(&self, all: &[&'static str]) -> Vec<&'static str> {
        let is_meant = |kind: &&&str| match self.kind {
            Some(asked) => **kind == asked,
            None => self.runs.is_none() || **kind != SHEETS,
        };
        all.iter().filter(is_meant).copied().collect()
    }

    /// Tries seed after seed, until as many were tried as were asked for, or as time allows.
    pub(crate) async fn each(&self, what: &str, mut history: impl AsyncFnMut(u64)) {
        let begun = Instant::now();
        let mut tried = 0;
        while self.goes_on(tried, begun.elapsed()) {
            history(self.first + tried).await;
            tried += 1;
        }
        println!("{tried} histories from seed {} on: {what}", self.first);
    }

    fn goes_on(&self, tried: u64, elapsed: Duration) -> bool {
        match self.runs {
            Some(runs) => tried < runs,
            None => tried < FEWEST || elapsed < PATIENCE,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wishes of `cargo xtask histories` come this way"
)]
fn word(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
