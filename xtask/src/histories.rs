//! `cargo xtask histories`: random histories of records, as many as wanted, or one of them again.

use clap::ValueEnum;

use crate::suite::{Database, command, step};

/// What is to be tried.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Options {
    /// Histories of each sort, each with a seed of its own
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What befalls the histories; without it each sort is tried
    #[arg(long)]
    sort: Option<Sort>,
    /// One kind of database; without it each is tried
    #[arg(long)]
    destination: Option<Database>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The program is killed; deleted rows are marked
    Kills,
    /// The program is killed; deleted rows are removed
    Removes,
    /// The server crashes (postgres)
    Server,
}

impl Sort {
    /// What the name of its test holds.
    const fn test(self) -> &'static str {
        match self {
            Self::Kills => "histories_end_as_the_objects_did_whatever_was_killed",
            Self::Removes => "histories_with_removed_rows",
            Self::Server => "whatever_the_server_went_through",
        }
    }
}

/// Builds the programs and runs the histories.
pub(crate) fn run(options: Options) -> Result<String, String> {
    if (options.sort, options.destination) == (Some(Sort::Server), Some(Database::Sqlite)) {
        return Err("`sqlite` has no server that crashes: leave out `--destination`".to_owned());
    }
    step("cargo", &["build", "--locked", "--workspace", "--bins"])?;
    let mut cargo = command("cargo");
    cargo.args(["test", "--locked", "-p", "workspace-tests", "--test", "destination", "--"]);
    cargo.args(["--nocapture", options.sort.map_or("histories_", Sort::test)]);
    cargo.env("HISTORY_RUNS", options.runs.to_string());
    cargo.env("HISTORY_SEED", options.seed.to_string());
    if let Some(database) = options.destination {
        cargo.env("HISTORY_DESTINATION", database.name());
    }
    let status = cargo.status().map_err(|error| format!("starting {cargo:?}: {error}"))?;
    if status.success() {
        return Ok("every history ended as its objects did".to_owned());
    }
    Err("a history ended otherwise; its seed stands above: try it again with --runs 1 --seed"
        .into())
}
