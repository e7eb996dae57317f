//! destination-postgres against the bare loader and COPY into the same table.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::data;
use super::measure::{Cost, run as measure};
use super::server::Server;
use crate::suite::{command, step};

/// How to run the case.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Options {
    /// Records, over four streams
    #[arg(long, default_value_t = 50_000)]
    records: usize,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

const STEPS: [&str; 5] = ["bare loader", "COPY", "insert", "unchanged", "update"];

/// Builds, measures every step in turns, and renders a table.
pub(crate) fn run(options: Options) -> Result<String, String> {
    step("cargo", &["build", "--release", "--locked", "-p", "destination-postgres"])?;
    step("cargo", &["build", "--release", "--locked", "-p", "xtask"])?;
    let folder = tempfile::tempdir().map_err(|error| format!("making a folder: {error}"))?;
    let told = |error: std::io::Error| format!("preparing `{}`: {error}", folder.path().display());
    let open: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).map_err(told)?;
    data::write(folder.path(), options.records).map_err(told)?;
    let server = Server::start(folder.path())?;
    let bench = Bench { folder: folder.path().to_owned(), server };
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); STEPS.len()];
    for _ in 0..options.rounds.max(1) {
        bench.prepare()?;
        for (step, costs) in STEPS.iter().zip(&mut costs) {
            costs.push(bench.step(step)?);
        }
    }
    let medians: Vec<Cost> = costs.into_iter().filter_map(median).collect();
    Ok(table(&medians, options.records))
}

struct Bench {
    folder: PathBuf,
    server: Server,
}

impl Bench {
    fn prepare(&self) -> Result<(), String> {
        self.server.psql(&["DROP SCHEMA IF EXISTS bench CASCADE", "CHECKPOINT"])?;
        let mut setup = self.destination("setup");
        let status = setup.stdout(std::process::Stdio::null()).status();
        let status = status.map_err(|error| format!("starting {setup:?}: {error}"))?;
        if !status.success() {
            return Err(format!("{setup:?} ended with {status}"));
        }
        // The same columns and key as the others have.
        let like = "CREATE TABLE bench.bare (LIKE bench.customers INCLUDING ALL)";
        self.server.psql(&[like])
    }

    fn step(&self, name: &str) -> Result<Cost, String> {
        let file = |name: &str| self.folder.join(name);
        match name {
            "bare loader" => {
                let mut bare = command(release("xtask"));
                bare.args(["bare-load", &self.server.url(), "2"]);
                measure(bare, &file("bare"), &self.server)
            }
            "COPY" => {
                self.server.psql(&["TRUNCATE bench.bare", "CHECKPOINT"])?;
                let mut psql = self.server.client();
                let lz4 = "SET default_toast_compression = 'lz4'";
                // A quote and a delimiter that no JSON text holds: each line is one document.
                let copy = "COPY bench.bare (_raw_data) FROM STDIN \
                            (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')";
                psql.args(["-c", lz4, "-c", copy]);
                measure(psql, &file("bare"), &self.server)
            }
            _ => {
                self.server.psql(&["CHECKPOINT"])?;
                measure(self.destination("write"), &file(name), &self.server)
            }
        }
    }

    fn destination(&self, verb: &str) -> Command {
        let config = serde_json::json!({"url": self.server.url(), "schema": "bench"}).to_string();
        let mut program = command(release("destination-postgres"));
        program.args([verb, "--config", &config, "--catalog", &data::catalog().to_string()]);
        program
    }
}

fn release(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release").join(program)
}

fn median(mut costs: Vec<Cost>) -> Option<Cost> {
    costs.sort_by_key(|cost| cost.client.saturating_add(cost.server));
    costs.get(costs.len() / 2).copied()
}

fn table(costs: &[Cost], records: usize) -> String {
    let mut lines = vec![
        format!("{records} records; CPU in microseconds a record, median of the rounds"),
        format!("{:<12} {:>8} {:>8} {:>8} {:>10}", "step", "wall s", "client", "server", "÷ bare"),
    ];
    let count = u32::try_from(records).unwrap_or(u32::MAX).max(1);
    let bare = costs.first().map_or(1.0, |cost| cost.wall.as_secs_f64());
    for (step, cost) in STEPS.iter().zip(costs) {
        let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6 / f64::from(count);
        lines.push(format!(
            "{step:<12} {:>8.2} {:>8.1} {:>8.1} {:>10.2}",
            cost.wall.as_secs_f64(),
            micros(cost.client),
            micros(cost.server),
            cost.wall.as_secs_f64() / bare,
        ));
    }
    lines.join("\n")
}
