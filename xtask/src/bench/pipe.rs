//! The engine between a file and a sink, beside a shell pipe between the same two.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::account::{self, Files};
use super::report::{Row, median};
use super::stripe::Stripe;
use super::{Options, release, tree};
use crate::suite::command;

/// Says of itself what it must, and reads a file.
const SOURCE: &str = r#"
case $1 in
spec) echo '{"type":"spec","spec":{"config":{"type":"object"}}}' ;;
check) echo '{"type":"connection_status","connection_status":{"status":"succeeded"}}' ;;
discover) exec cat discovered.ndjson ;;
read) exec cat lines.ndjson ;;
*) echo "unknown command: $1" >&2; exit 2 ;;
esac
"#;

/// Says of itself what it must, and lets everything but records pass.
const SINK: &str = r#"
case $1 in
spec) echo '{"type":"spec","spec":{"config":{"type":"object"}}}' ;;
check) echo '{"type":"connection_status","connection_status":{"status":"succeeded"}}' ;;
write) exec grep --line-buffered -v '^{"type":"record"' ;;
*) echo "unknown command: $1" >&2; exit 2 ;;
esac
"#;

const SHELL: &str = r#"cat lines.ndjson | grep --line-buffered -v '^{"type":"record"'"#;

/// The engine's share.
pub(super) fn run(options: &Options) -> Result<Vec<Row>, String> {
    let (objects, records) = account::mixed(options.records);
    let folder = super::folder()?;
    prepare(folder.path(), &objects)?;
    let (mut shell, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        let mut pipe = command("sh");
        pipe.current_dir(folder.path()).args(["-c", SHELL]);
        shell.push(Row::new("pipe", "shell pipe", records, tree::run(pipe, None)?));
        let cost = tree::run(engine(folder.path()), None)?;
        ours.push(Row::new("pipe", "sync-engine", records, cost));
    }
    let (shell, ours) = (median(shell), median(ours));
    let least = shell.as_ref().map_or(1.0, |row| row.cost.wall.as_secs_f64());
    let without = shell.as_ref().map_or(0.0, Row::micros);
    let ours = ours.map(|row| {
        let ratio = row.cost.wall.as_secs_f64() / least;
        let memory = row.cost.memory_of("sync-engine");
        // All but what the same two cost in the shell: more exact than what was last seen.
        let cpu = row.micros() - without;
        row.at_most("wall ÷ shell pipe", ratio, 1.05)
            .at_most("µs CPU a record of the engine", cpu, 2.0)
            .at_most("MiB of the engine", memory, 16.0)
    });
    Ok(shell.into_iter().chain(ours).collect())
}

/// Writes what both read: the lines of a source, and its streams.
fn prepare(folder: &Path, objects: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("preparing the pipe: {error}");
    let stripe = Stripe::start(objects, &[])?;
    let files = Files::write(folder, &stripe, &account::streams(), &json!({}))?;
    let lines = std::fs::File::create(folder.join("lines.ndjson")).map_err(told)?;
    let status = files.read().stdout(lines).stderr(Stdio::null()).status().map_err(told)?;
    if !status.success() {
        return Err(format!("preparing the pipe: source-stripe ended with {status}"));
    }
    let catalog = std::fs::read(files.catalog()).map_err(told)?;
    let catalog: serde_json::Value = serde_json::from_slice(&catalog)
        .map_err(|error| format!("reading the catalog: {error}"))?;
    let configured = catalog.get("streams").and_then(serde_json::Value::as_array);
    let streams: Vec<_> =
        configured.into_iter().flatten().filter_map(|stream| stream.get("stream")).collect();
    let discovered = json!({"type": "catalog", "catalog": {"streams": streams}});
    std::fs::write(folder.join("discovered.ndjson"), format!("{discovered}\n")).map_err(told)?;
    std::fs::write(folder.join("source"), SOURCE).map_err(told)?;
    std::fs::write(folder.join("sink"), SINK).map_err(told)
}

fn engine(folder: &Path) -> Command {
    let mut engine = command(release("sync-engine"));
    engine.current_dir(folder).env("XDG_STATE_HOME", folder);
    engine.args(["sync", "--no-state", "--source", r#"{"type":"lines","lines":{}}"#]);
    engine.args(["--destination", r#"{"type":"sink","sink":{}}"#]);
    engine.args(["--connector", "source.lines=sh source"]);
    engine.args(["--connector", "destination.sink=sh sink"]);
    engine
}
