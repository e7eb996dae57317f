//! How many requests and how much time a first run takes: the budget and latency rows of the
//! performance targets. The time is counted, so that a slow machine changes nothing.

use std::time::Duration;

use super::account::{Account, Computed, Spread};
use super::run::{Asked, Conditions, Outcome, most_in_a_second, run, schedule};
use crate::limits::Rates;

const LATENCY: Duration = Duration::from_millis(100);
const NAMES: [&str; 3] = ["charges", "customers", "invoices"];

fn conditions(rate: f64, max_in_flight: usize) -> Conditions {
    Conditions {
        rates: Rates { account: rate, endpoint: rate, calls: None },
        max_in_flight,
        latencies: vec![LATENCY],
        reader: Duration::ZERO,
        asked: Asked::default(),
        dies_after: None,
    }
}

/// Runs over accounts of which each stream has one; gives the outcome and the fewest requests.
fn read(accounts: &[Computed], conditions: &Conditions) -> (Outcome, u64) {
    let names = NAMES.get(..accounts.len()).unwrap();
    let states = vec![None; accounts.len()];
    let mut owned = accounts.to_vec();
    let mut lists: Vec<&mut dyn Account> =
        owned.iter_mut().map(|account| account as &mut dyn Account).collect();
    let schedule = schedule(names, &states, conditions, Duration::ZERO);
    let outcome = run(schedule, &mut lists, conditions, Duration::ZERO, false);
    let objects: u64 = accounts.iter().map(|account| account.objects).sum();
    assert_eq!(outcome.records, objects, "every object once");
    assert!(outcome.most_ranges <= conditions.max_in_flight.max(accounts.len()));
    assert!(outcome.most_in_flight <= conditions.max_in_flight);
    assert!(outcome.largest_state <= 16 * 1024, "{}", outcome.largest_state);
    let allowed = conditions.rates.account * 1.1 + 2.0;
    assert!(most_in_a_second(&outcome.sent, None) as f64 <= allowed, "the rate is kept");
    (outcome, accounts.iter().map(|account| account.objects.div_ceil(100)).sum())
}

/// One line of the table: what it came to against what is best, and the bounds for both.
fn row(name: &str, accounts: &[Computed], conditions: &Conditions, bounds: (f64, f64)) {
    let (outcome, pages) = read(accounts, conditions);
    let chain = accounts.iter().map(Computed::longest_second).max().unwrap_or(0).div_ceil(100);
    let rate = conditions.rates.account;
    let best = (pages as f64 / rate).max(chain as f64 * LATENCY.as_secs_f64());
    let best = best.max(LATENCY.as_secs_f64());
    let (requests, took) = (outcome.requests as f64 / pages as f64, outcome.took.as_secs_f64());
    println!(
        "| {name} | {rate} | {pages} | {} | {requests:.3} | {took:.2} | {:.3} | {} |",
        outcome.requests,
        took / best,
        outcome.most_ranges
    );
    assert!(requests <= bounds.0, "{name}: {requests:.3} × the fewest requests");
    assert!(took / best <= bounds.1, "{name}: {:.3} × the shortest time", took / best);
}

fn one(spread: Spread, pages: u64) -> [Computed; 1] {
    [Computed { objects: pages * 100, spread }]
}

const HEADER: &str = "| history | requests/s | pages | requests | ÷ fewest | seconds | ÷ shortest | ranges |\n\
                      | --- | --- | --- | --- | --- | --- | --- | --- |";

#[test]
fn a_budget_is_used_and_not_wasted() {
    println!("{HEADER}");
    for rate in [25.0, 100.0] {
        for pages in [500, 1_000, 5_000] {
            let even = if pages == 500 { 1.06 } else { 1.02 };
            let wall = if pages < 5_000 { 1.25 } else { 1.10 };
            let conditions = conditions(rate, 32);
            row("uniform", &one(Spread::Uniform, pages), &conditions, (even, 1.10));
            row("growth", &one(Spread::Growth, pages), &conditions, (even, 1.10));
            row("bursts", &one(Spread::Bursts, pages), &conditions, (1.10, 1.10));
            row("skewed", &one(Spread::Skewed, pages), &conditions, (1.10, wall));
            row("one second", &one(Spread::OneSecond, pages), &conditions, (1.25, 1.05));
        }
        let three =
            [300, 150, 50].map(|pages| Computed { objects: pages * 100, spread: Spread::Growth });
        row("growth, three streams", &three, &conditions(rate, 32), (1.06, 1.10));
    }
}

#[test]
fn without_a_limit_latency_is_all_that_is_waited_for() {
    let conditions = conditions(100_000.0, 100);
    for (spread, most) in [(Spread::Uniform, 1.3), (Spread::Growth, 1.3)] {
        let (outcome, _) = read(&one(spread, 500), &conditions);
        let took = outcome.took.as_secs_f64();
        println!("{spread:?}: {took:.2} s, {} requests", outcome.requests);
        assert!(took <= most, "{spread:?}: {took:.2} s");
    }
    for (spread, most) in [(Spread::Skewed, 2.0), (Spread::OneSecond, 1.05)] {
        let account = one(spread, 500);
        let chain = account[0].longest_second().div_ceil(100) as f64 * LATENCY.as_secs_f64();
        let (outcome, _) = read(&account, &conditions);
        let took = outcome.took.as_secs_f64();
        println!("{spread:?}: {took:.2} s, {} requests, chain {chain:.2} s", outcome.requests);
        assert!(took <= f64::max(chain * 1.05, chain + most - 1.0), "{spread:?}: {took:.2} s");
    }
}

/// Unoptimised, a hundred million would take minutes.
const HUGE: u64 = if cfg!(debug_assertions) { 1_000_000 } else { 100_000_000 };

#[test]
fn a_huge_stream_has_a_small_state_and_no_wasted_requests() {
    for spread in [Spread::Growth, Spread::Skewed] {
        let (outcome, pages) =
            read(&[Computed { objects: HUGE, spread }], &conditions(1_000.0, 1_000));
        println!(
            "{spread:?}: {} requests, {} ranges, state {} bytes",
            outcome.requests, outcome.most_ranges, outcome.largest_state
        );
        assert!(outcome.requests as f64 <= pages as f64 * 1.05);
    }
}

#[test]
fn the_account_and_each_endpoint_are_held_to_their_rates() {
    let rates = Rates { account: 50.0, endpoint: 15.0, calls: None };
    let accounts =
        [200, 400, 300].map(|pages| Computed { objects: pages * 100, spread: Spread::Growth });
    let conditions = Conditions { rates, ..conditions(50.0, 32) };
    let (outcome, pages) = read(&accounts, &conditions);
    for stream in 0..accounts.len() {
        assert!(most_in_a_second(&outcome.sent, Some(stream)) <= 15 + 2);
    }
    // The longest list is held up by its own rate alone.
    let best = 400.0 / 15.0;
    let took = outcome.took.as_secs_f64();
    assert!(took <= best * 1.10, "{took:.2} s");
    assert!(outcome.requests as f64 <= pages as f64 * 1.06, "{}", outcome.requests);
}
