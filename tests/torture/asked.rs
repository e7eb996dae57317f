//! What `cargo xtask torture` asks for.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::copy::Kind;
use crate::plan::FAULTS;

/// How much, and of what.
pub(crate) struct Asked {
    pub(crate) seeds: Range<u64>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) faults: BTreeSet<String>,
    /// Runs at a time, for each kind of database.
    pub(crate) jobs: usize,
}

/// Runs of each kind in a test run without wishes; together they are fifty.
const RUNS: u64 = 25;

impl Asked {
    /// Without wishes: the first seeds, with everything that can go wrong.
    pub(crate) fn from_environment() -> Self {
        let number = |name, default| word(name).map_or(default, |text| text.parse().unwrap());
        let (first, runs) = (number("TORTURE_SEED", 1), number("TORTURE_RUNS", RUNS));
        let kinds = match word("TORTURE_DESTINATION").as_deref() {
            Some("postgres") => vec![Kind::Postgres],
            Some("sqlite") => vec![Kind::Sqlite],
            Some(other) => panic!("no destination `{other}`; there are postgres and sqlite"),
            None => vec![Kind::Postgres, Kind::Sqlite],
        };
        let faults: BTreeSet<String> = match word("TORTURE_FAULTS") {
            Some(text) => text.split(',').map(str::to_owned).collect(),
            None => FAULTS.map(str::to_owned).into(),
        };
        let unknown = faults.iter().find(|fault| !FAULTS.contains(&fault.as_str()));
        assert!(unknown.is_none(), "no fault {unknown:?}; there are {}", FAULTS.join(", "));
        let jobs = usize::try_from(number("TORTURE_JOBS", 2)).unwrap();
        Self { seeds: first..first + runs, kinds, faults, jobs }
    }
}

#[expect(clippy::disallowed_methods, reason = "the wishes of `cargo xtask torture` come this way")]
fn word(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
