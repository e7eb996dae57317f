//! `cargo xtask torture`: random accidents, as many as wanted, or one of them again.

use crate::suite::{Database, command, step};

/// What is to be tried.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs, each with a seed of its own
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What may go wrong, of kill, server, cut, disk, network, limit, change, lag, follow; without it all
    #[arg(long, value_name = "FAULT,…")]
    faults: Option<String>,
    /// One kind of database; without it each seed is tried with both
    #[arg(long)]
    destination: Option<Database>,
    /// Runs at a time, of each kind of database
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    jobs: u64,
}

/// Builds the programs and runs the suite that is meant.
pub(crate) fn run(options: &Options) -> Result<String, String> {
    step("cargo", &["build", "--locked", "--workspace", "--bins"])?;
    let arguments =
        ["test", "--locked", "-p", "workspace-tests", "--test", "torture", "--", "--nocapture"];
    let mut cargo = command("cargo");
    cargo.args(arguments).arg("whatever_died");
    cargo.env("TORTURE_RUNS", options.runs.to_string());
    cargo.env("TORTURE_SEED", options.seed.to_string());
    cargo.env("TORTURE_JOBS", options.jobs.to_string());
    if let Some(faults) = &options.faults {
        cargo.env("TORTURE_FAULTS", faults);
    }
    if let Some(database) = options.destination {
        cargo.env("TORTURE_DESTINATION", database.name());
    }
    let status = cargo.status().map_err(|error| format!("starting {cargo:?}: {error}"))?;
    if status.success() {
        Ok("every run ended equal to the oracle".to_owned())
    } else {
        Err("a run did not end as it must; its seed stands above".to_owned())
    }
}
