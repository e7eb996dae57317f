//! Webhooks into a copy that is followed: how long each waits for the answer that says that its row
//! is committed, and whether that is true.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use super::following::Following;
use super::report::{Row, to_f64};
use super::server::Server;
use super::stripe::Stripe;
use super::tree::Cost;
use super::webhooks::{Pace, Sender, Sent};
use super::{Options, account};

const SECRET: &str = "whsec_0123456789abcdef";
/// Before anything is measured.
const WARM: Pace = Pace { rate: 100, count: 300 };
const STEADY: Pace = Pace { rate: 200, count: 3_000 };
const MANY: Pace = Pace { rate: 2_000, count: 20_000 };
/// Bare commits, one after the other.
const COMMITS: u32 = 500;

/// Webhooks at both paces, between bare commits on the same server.
pub(super) fn run(options: &Options) -> Result<Vec<Row>, String> {
    let stripe = Stripe::start(&account::mixed(500).0, &[])?;
    let folder = super::folder()?;
    let server = Server::start(folder.path())?;
    let told = |error: std::io::Error| format!("starting the runtime: {error}");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(told)?;
    let following = Following::start(&stripe, &server, folder.path(), SECRET)?;
    let mut connections = JoinSet::new();
    let bare = runtime.block_on(connect(&server, &mut connections))?;
    let copy = runtime.block_on(connect(&server, &mut connections))?;
    let from = (stripe.object("customers")?, stripe.now()?);
    let to = (following.address(), SECRET);
    let mut sender = runtime.block_on(Sender::new(to, from, copy))?;
    runtime.block_on(bare.batch_execute(TABLE)).map_err(|error| format!("bare: {error}"))?;
    runtime.block_on(sender.send(WARM));
    let mut rows = Vec::new();
    for _ in 0..options.rounds.max(1) {
        let took = runtime.block_on(commits(&bare))?;
        rows.push(bare_row(&took));
        let steady = pace(&runtime, &following, &mut sender, STEADY)?;
        let (p50, p99) = (steady.at(50), steady.at(99));
        let row = steady.row.at_most("ms until it is answered, p50", p50, 15.0);
        rows.push(row.at_most("ms until it is answered, p99", p99, 75.0));
        rows.push(pace(&runtime, &following, &mut sender, MANY)?.row);
    }
    following.stop()?;
    Ok(rows)
}

const TABLE: &str = "CREATE SCHEMA bench; \
                     CREATE TABLE bench.commits (id bigserial PRIMARY KEY, data text)";

async fn connect(server: &Server, tasks: &mut JoinSet<()>) -> Result<Client, String> {
    let connected = tokio_postgres::connect(&server.url(), NoTls).await;
    let (client, connection) = connected.map_err(|error| format!("connecting: {error}"))?;
    tasks.spawn(async move { drop(connection.await) });
    Ok(client)
}

/// How long each commit of one small row takes, one after the other.
async fn commits(client: &Client) -> Result<Vec<Duration>, String> {
    let failed = |error: tokio_postgres::Error| format!("committing: {error}");
    let insert = client.prepare("INSERT INTO bench.commits (data) VALUES ($1)").await;
    let insert = insert.map_err(failed)?;
    let mut took = Vec::new();
    for _ in 0..COMMITS {
        let begun = Instant::now();
        client.execute(&insert, &[&"x".repeat(1_000)]).await.map_err(failed)?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

fn bare_row(took: &[Duration]) -> Row {
    let cost = Cost { wall: took.iter().sum(), ..Cost::default() };
    Row::new("live", "bare commits", u64::from(COMMITS), cost)
        .figure("ms a commit, p50", percentile(took, 50))
        .figure("ms a commit, p99", percentile(took, 99))
}

/// What came of a pace.
struct Paced {
    row: Row,
    took: Vec<Duration>,
}

impl Paced {
    fn at(&self, percent: usize) -> f64 {
        percentile(&self.took, percent)
    }
}

fn pace(
    runtime: &Runtime,
    following: &Following,
    sender: &mut Sender,
    pace: Pace,
) -> Result<Paced, String> {
    let (before, begun) = (following.cost(), Instant::now());
    let sent = runtime.block_on(sender.send(pace));
    let wall = begun.elapsed();
    let cost = following.cost().since(&before, wall);
    let there: BTreeSet<String> = runtime.block_on(sender.rows())?.into_iter().collect();
    let count = |is: &dyn Fn(&Sent) -> bool| {
        to_f64(u64::try_from(sent.iter().filter(|sent| is(sent)).count()).unwrap_or(u64::MAX))
    };
    let is_kept = |sent: &Sent| (200..300).contains(&sent.status);
    let lost = count(&|sent| is_kept(sent) && !there.contains(&sent.customer));
    let early = count(&|sent| sent.was_there == Some(false));
    let took: Vec<Duration> =
        sent.iter().filter(|sent| is_kept(sent)).map(|sent| sent.took).collect();
    let step = format!("webhooks, {} a second", pace.rate);
    let mut row = Row::new("live", step, pace.count, cost);
    for percent in [50, 90, 99, 100] {
        row =
            row.figure(&format!("ms until it is answered, p{percent}"), percentile(&took, percent));
    }
    let row = row
        .figure("sent a second", to_f64(pace.count) / wall.as_secs_f64())
        .figure("confirmed", count(&is_kept))
        .figure("put off (503)", count(&|sent| sent.status == 503))
        .figure("answered otherwise, or not", count(&|sent| !is_kept(sent) && sent.status != 503))
        .figure("rows looked for as they were confirmed", count(&|sent| sent.was_there.is_some()))
        .at_most("confirmed before the row was there", early, 0.0)
        .at_most("confirmed, and not in the copy", lost, 0.0);
    Ok(Paced { row, took })
}

/// In milliseconds; nothing at all counts as for ever.
fn percentile(took: &[Duration], percent: usize) -> f64 {
    let mut took = took.to_vec();
    took.sort_unstable();
    let place = (took.len() * percent).div_ceil(100).saturating_sub(1);
    took.get(place).map_or(f64::INFINITY, |took| took.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_least_that_so_many_do_not_exceed() {
        let took: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&took, percent)), [100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[], 50), f64::INFINITY);
    }
}
