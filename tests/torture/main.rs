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
mod plan;
mod run;
mod tally;

use std::collections::BTreeSet;
use std::sync::Arc;

use testkit::postgres::Cluster;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::asked::Asked;
use crate::copy::Kind;
use crate::plan::Plan;
use crate::tally::Tally;

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

async fn work(kind: Kind, seeds: &Mutex<std::ops::Range<u64>>, faults: &BTreeSet<String>) -> Tally {
    let mut tally = Tally::default();
    let mut cluster = (kind == Kind::Postgres).then(Cluster::start);
    loop {
        let Some(seed) = seeds.lock().await.next() else { return tally };
        let plan = Plan::of(seed, kind, faults);
        // A task of its own, so that a seed that fails is known and the others go on.
        let mut one = JoinSet::new();
        one.spawn(run::run(plan, cluster.take()));
        match one.join_next().await {
            Some(Ok((run, server))) => {
                tally.add(run);
                cluster = server;
            }
            Some(Err(error)) => {
                println!("seed {seed} with {} failed; the others go on", kind.name());
                tally.fail(seed, error);
                cluster = (kind == Kind::Postgres).then(Cluster::start);
            }
            None => return tally,
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
