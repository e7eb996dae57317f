//! destination-postgres against the bare loader and COPY into the same table.

use std::path::PathBuf;
use std::process::Command;

use super::data;
use super::load_report::{Measured, Report};
use super::measure::{Cost, run as measure};
use super::parity::Parity;
use super::server::Server;
use super::{folder, release};
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
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Measure the programs that are there, without building them
    #[arg(long)]
    built: bool,
}

/// The steps of a round, in order.
const STEPS: [&str; 6] = ["bare loader", "COPY", "insert", "unchanged", "update", "one stream"];
/// What is measured once, for its memory.
const MEMORY: [&str; 2] = ["60 streams", "5 MB objects"];

/// Builds, measures every step in turns, and renders a table.
pub(crate) fn run(options: Options) -> Result<String, String> {
    if !options.built {
        let packages = ["-p", "destination-postgres", "-p", "xtask"];
        step("cargo", &[&["build", "--release", "--locked"][..], &packages].concat())?;
    }
    let folder = folder()?;
    let told = |error: std::io::Error| format!("preparing `{}`: {error}", folder.path().display());
    data::write(folder.path(), options.records).map_err(told)?;
    data::write_for_memory(folder.path()).map_err(told)?;
    let server = Server::start(folder.path())?;
    let bench = Bench { folder: folder.path().to_owned(), server };
    let mut measured: Vec<Measured> = STEPS.iter().map(|step| Measured::new(step)).collect();
    for _ in 0..options.rounds.max(1) {
        bench.prepare(&data::STREAMS.map(str::to_owned))?;
        for measured in &mut measured {
            measured.costs.push(bench.step(measured.step)?);
        }
    }
    let memory = MEMORY.map(|step| bench.memory(step).map(|cost| (step, cost.peak)));
    let memory = memory.into_iter().collect::<Result<Vec<_>, _>>()?;
    let report = Report { records: options.records, measured, memory };
    Ok(if options.json { report.json().to_string() } else { report.text() })
}

struct Bench {
    folder: PathBuf,
    server: Server,
}

impl Bench {
    /// Empty tables, and two of the same columns and key for the others.
    fn prepare(&self, streams: &[String]) -> Result<(), String> {
        self.server.psql(&["DROP SCHEMA IF EXISTS bench CASCADE", "CHECKPOINT"])?;
        let mut setup = self.destination("setup", streams);
        let status = setup.stdout(std::process::Stdio::null()).status();
        let status = status.map_err(|error| format!("starting {setup:?}: {error}"))?;
        if !status.success() {
            return Err(format!("{setup:?} ended with {status}"));
        }
        let Some(first) = streams.first() else { return Ok(()) };
        self.server.psql(&[
            &format!("CREATE TABLE bench.bare (LIKE bench.{first} INCLUDING ALL)"),
            "CREATE TABLE bench.after (LIKE bench.bare INCLUDING ALL)",
        ])
    }

    fn step(&self, name: &str) -> Result<Cost, String> {
        let parity = Parity { server: &self.server };
        let file = |name: &str| self.folder.join(name);
        match name {
            "bare loader" => {
                let mut bare = command(release("xtask"));
                bare.args(["bare-load", &self.server.url(), "2"]);
                measure(bare, &file("bare"), &self.server)
            }
            "COPY" => {
                self.server.psql(&["TRUNCATE bench.bare", "CHECKPOINT"])?;
                let after = measure(self.copy("after"), &file("after"), &self.server);
                after.and_then(|_| measure(self.copy("bare"), &file("bare"), &self.server))
            }
            "unchanged" => {
                let before = parity.versions()?;
                let cost = self.write(name)?;
                parity.equal("bare", name)?;
                parity.not_rewritten(&before)?;
                Ok(cost)
            }
            "one stream" => {
                let tables = data::STREAMS.map(|stream| format!("bench.{stream}")).join(", ");
                self.server.psql(&[&format!("TRUNCATE {tables}")])?;
                let cost = self.write(name)?;
                parity.equal("bare", name).map(|()| cost)
            }
            _ => {
                let cost = self.write(name)?;
                parity.equal(if name == "update" { "after" } else { "bare" }, name).map(|()| cost)
            }
        }
    }

    /// Each line of stdin into a row: a quote and a delimiter that no JSON text holds.
    fn copy(&self, table: &str) -> Command {
        let mut psql = self.server.client();
        psql.args(["-c", "SET default_toast_compression = 'lz4'", "-c"]);
        psql.arg(format!(
            "COPY bench.{table} (_raw_data) FROM STDIN \
             (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
        ));
        psql
    }

    fn write(&self, file: &str) -> Result<Cost, String> {
        self.server.psql(&["CHECKPOINT"])?;
        let write = self.destination("write", &data::STREAMS.map(str::to_owned));
        measure(write, &self.folder.join(file), &self.server)
    }

    fn memory(&self, file: &str) -> Result<Cost, String> {
        let streams = match file {
            "60 streams" => data::many(),
            _ => data::STREAMS.map(str::to_owned).to_vec(),
        };
        self.prepare(&streams)?;
        measure(self.destination("write", &streams), &self.folder.join(file), &self.server)
    }

    fn destination(&self, verb: &str, streams: &[String]) -> Command {
        let config = serde_json::json!({"url": self.server.url(), "schema": "bench"}).to_string();
        let mut program = command(release("destination-postgres"));
        program.args([verb, "--config", &config, "--catalog", &data::catalog(streams).to_string()]);
        program
    }
}
