//! Which cases there are, and how they are run.

use super::report::{Row, render};
use super::{Options, drain, live, load, pipe, start, sync};
use crate::suite::step;

/// What can be measured.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Case {
    /// destination-postgres beside the bare loader and COPY into the same table.
    Load(load::Options),
    /// source-stripe alone, beside a bare HTTP client.
    Drain(Options),
    /// The whole pipe, beside the bare loader.
    Sync(Options),
    /// sync-engine between a file and a sink, beside a shell pipe.
    Pipe(Options),
    /// source-stripe with a tenth of a second a request.
    Latency(Options),
    /// The whole pipe at different sizes, up to --records.
    Memory(Options),
    /// How long programs take to begin.
    Start(Options),
    /// Signed webhooks, 200 and 2,000 a second, to a copy that is followed.
    Live(Options),
    /// The planner and its budgets in counted time, also at a hundred million objects.
    Budget,
    /// All of these but load and budget.
    All(Options),
}

type Run = fn(&Options) -> Result<Vec<Row>, String>;

const ALL: [Run; 7] =
    [start::run, drain::run, pipe::run, drain::latency, live::run, sync::run, sync::memory];

impl Case {
    /// Builds, measures, and renders a table.
    pub(crate) fn run(self) -> Result<String, String> {
        match self {
            Self::Load(options) => load::run(options),
            Self::Drain(options) => measured(&[drain::run], &options),
            Self::Sync(options) => measured(&[sync::run], &options),
            Self::Pipe(options) => measured(&[pipe::run], &options),
            Self::Latency(options) => measured(&[drain::latency], &options),
            Self::Memory(options) => measured(&[sync::memory], &options),
            Self::Start(options) => measured(&[start::run], &options),
            Self::Live(options) => measured(&[live::run], &options),
            Self::All(options) => measured(&ALL, &options),
            Self::Budget => budget(),
        }
    }
}

fn measured(runs: &[Run], options: &Options) -> Result<String, String> {
    if !options.built {
        step("cargo", &["build", "--release", "--locked", "--workspace", "--bins"])?;
    }
    let mut rows = Vec::new();
    for run in runs {
        rows.extend(run(options)?);
    }
    Ok(render(&rows, options.json))
}

fn budget() -> Result<String, String> {
    let arguments = ["test", "--release", "--locked", "-p", "source-stripe", "--lib"];
    step("cargo", &[&arguments[..], &["simulation::budget", "--", "--nocapture"]].concat())?;
    Ok("every history kept to its budget".to_owned())
}
