//! `sync-engine connectors`: the programs that can be found.

use engine::child::Launcher;
use engine::resolve::Program;
use engine::{Connector, Failure, Limits, Side};
use protocol::exit;
use serde_json::json;

use crate::session;
use crate::surroundings::Surroundings;
use crate::table;

/// Writes them to stdout; with `json` each with its spec.
pub(crate) async fn run(json: bool, surroundings: &Surroundings) -> Result<u8, Failure> {
    let found = session::resolver(&[], surroundings)?.connectors();
    if !json {
        let rows: Vec<Vec<String>> =
            found.into_iter().map(|(name, path)| vec![name, path.display().to_string()]).collect();
        return Ok(crate::print(&table::render(&["connector", "program"], &rows)));
    }
    let patience = Some(Limits::default().stall);
    let launcher = Launcher { step: session::step(), listener: None, patience };
    for (name, path) in found {
        let side = if name.starts_with("source-") { Side::Source } else { Side::Destination };
        let program = Program { name: name.clone(), path: path.clone(), args: Vec::new() };
        let spec = Connector { program, side }.spec(&launcher).await;
        let line = match spec {
            Ok(spec) => json!({"connector": name, "program": path, "spec": spec}),
            Err(failure) => {
                json!({"connector": name, "program": path, "error": failure.to_string()})
            }
        };
        crate::print(&format!("{line}\n"));
    }
    Ok(exit::OK)
}
