//! `cargo xtask`: commands for those who work on this repository.

mod bench;
mod catalog;
mod histories;
mod live_check;
mod suite;
mod torture;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Commands for those who work on this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The facts of Stripe's API.
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Measure a case beside its comparison.
    #[command(subcommand)]
    Bench(bench::Case),
    /// The bare loader that `bench load` compares with.
    #[command(hide = true)]
    BareLoad {
        /// Where the database is
        url: String,
        /// Connections that load at once
        connections: usize,
    },
    /// The client that `bench drain` compares with.
    #[command(hide = true)]
    BareDrain {
        /// Host and port of the server
        address: String,
        /// Streams to read
        streams: Vec<String>,
    },
    /// Deliver random histories of records to destinations that are killed, and compare with a model.
    Histories(histories::Options),
    /// Kill everything at random moments and compare the copy with the original.
    Torture(torture::Options),
    /// Try on the real Stripe what docs/stripe-assumptions.md says of it; only reads.
    LiveCheck(live_check::Options),
    /// Run the whole suite; PostgreSQL is installed from the system's packages when it is missing.
    Test,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Catalog(command) => catalog::run(&command).map_err(|error| error.to_string()),
        Command::Test => suite::run(),
        Command::Histories(options) => histories::run(options),
        Command::LiveCheck(options) => live_check::run(&options),
        Command::Torture(options) => torture::run(&options),
        Command::Bench(case) => case.run(),
        Command::BareDrain { address, streams } => bench::bare_drain(&address, &streams),
        Command::BareLoad { url, connections } => bench::bare_load(&url, connections),
    };
    match outcome {
        Ok(report) => say(&report),
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
