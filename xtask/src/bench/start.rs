//! How long the programs take to begin.

use std::process::Command;

use super::report::Row;
use super::stripe::Stripe;
use super::{Options, account, release, sync, tree};
use crate::suite::command;

/// Starts are short: the middle of so many.
const TIMES: usize = 21;

/// `--help`, `spec`, `discover`, and a sync with nothing to do.
pub(super) fn run(_options: &Options) -> Result<Vec<Row>, String> {
    let folder = super::folder()?;
    let stripe = Stripe::start(&account::mixed(500).0, &[])?;
    let config = stripe.config().to_string();
    let plain = |arguments: &[&str], name: &str| {
        let mut program = command(release(name));
        program.args(arguments);
        program
    };
    let discover = ["discover", "--config", &config];
    let idle = || sync::program(&stripe, folder.path(), &["--sqlite", "copy.db"]);
    // The first one fills the copy.
    tree::run(idle(), None)?;
    Ok(vec![
        middle("sync-engine --help", 5.0, || plain(&["--help"], "sync-engine"))?,
        middle("source-stripe --help", 5.0, || plain(&["--help"], "source-stripe"))?,
        middle("source-stripe spec", 10.0, || plain(&["spec"], "source-stripe"))?,
        middle("destination-postgres spec", 10.0, || plain(&["spec"], "destination-postgres"))?,
        middle("source-stripe discover", 60.0, || plain(&discover, "source-stripe"))?,
        middle("a sync with nothing to do", 100.0, idle)?,
    ])
}

fn middle(step: &str, most: f64, program: impl Fn() -> Command) -> Result<Row, String> {
    let mut costs = Vec::new();
    for _ in 0..TIMES {
        costs.push(tree::run(program(), None)?);
    }
    costs.sort_by_key(|cost| cost.wall);
    let cost = costs.get(TIMES / 2).cloned().unwrap_or_default();
    let millis = cost.wall.as_secs_f64() * 1e3;
    Ok(Row::new("start", step, 1, cost).at_most("milliseconds", millis, most))
}
