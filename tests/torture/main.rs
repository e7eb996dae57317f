//! Random accidents, told by a seed: a made-up account that changes and answers badly, real
//! programs, real databases, and any of them killed at any moment. The same command again and
//! again ends equal to the oracle; at no death was a stored state ahead of its rows.
//!
//! `cargo xtask torture --runs N --seed S` runs more of it, or one seed again.
#![cfg(test)]

mod asked;
mod blow;
mod claims;
mod copy;
mod oracle;
mod plan;
mod run;
mod stdin;
mod tally;
mod way;

use std::collections::BTreeSet;
use std::sync::Arc;

use testkit::postgres::Cluster;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

use crate::asked::Asked;
use crate::copy::Kind;
use crate::plan::Plan;
use crate::tally::Tally;

/// One seed in so many passes events on through a shell pipe, too.
const PASSED_ON_EVERY: usize = 8;

/// Runs every seed that is asked for, some at a time, and tells what came of it.
async fn torture(kind: Kind) {
    let asked = Asked::from_environment();
    if !asked.kinds.contains(&kind) {
        return;
    }
    let seeds = Arc::new(Mutex::new(asked.seeds.clone()));
    let mut workers = JoinSet::new();
    for _ in 0..asked.jobs {
        let (seeds, faults) = (Arc::clone(&seeds), asked.faults.clone());
        workers.spawn(async move { work(kind, &seeds, &faults).await });
    }
    let mut all = Tally::default();
    while let Some(tally) = workers.join_next().await {
        all.add(tally.unwrap());
    }
    println!("{}", all.report(kind));
    assert!(all.failures.is_empty(), "{}", all.complaint(kind));
}

/// Runs a task of its own, so that a seed that fails is known and the others go on.
async fn alone<T: Send + 'static>(
    run: impl Future<Output = T> + Send + 'static,
) -> Result<T, JoinError> {
    let mut one = JoinSet::new();
    one.spawn(run);
    one.join_next().await.expect("one was spawned")
}

async fn work(kind: Kind, seeds: &Mutex<std::ops::Range<u64>>, faults: &BTreeSet<String>) -> Tally {
    let mut tally = Tally::default();
    let mut cluster = (kind == Kind::Postgres).then(Cluster::start);
    loop {
        let Some(seed) = seeds.lock().await.next() else { return tally };
        let plan = Plan::of(seed, kind, faults);
        match alone(run::run(plan, cluster.take())).await {
            Ok((run, server)) => {
                tally.add(run);
                cluster = server;
            }
            Err(error) => {
                println!("seed {seed} with {} failed; the others go on", kind.name());
                tally.fail(seed, error);
                cluster = (kind == Kind::Postgres).then(Cluster::start);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_equals_the_oracle_whatever_died() {
    torture(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_equals_the_oracle_whatever_died() {
    torture(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_passed_on_make_the_copy_equal_whatever_died() {
    let asked = Asked::from_environment();
    if !asked.kinds.contains(&Kind::Sqlite) || !asked.faults.contains("follow") {
        return;
    }
    let mut all = Tally::default();
    for seed in asked.seeds.step_by(PASSED_ON_EVERY) {
        match alone(stdin::run(seed)).await {
            Ok(tally) => all.add(tally),
            Err(error) => all.fail(seed, error),
        }
    }
    println!("{}", all.report(Kind::Sqlite));
    assert!(all.failures.is_empty(), "{}", all.complaint(Kind::Sqlite));
}
