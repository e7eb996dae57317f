//! `sync-engine connectors`: the programs that can be found.

use engine::Failure;

use crate::session;
use crate::surroundings::Surroundings;
use crate::table;

/// Writes them to stdout.
pub(crate) fn run(surroundings: &Surroundings) -> Result<u8, Failure> {
    let found = session::resolver(&[], surroundings)?.connectors();
    let rows: Vec<Vec<String>> =
        found.into_iter().map(|(name, path)| vec![name, path.display().to_string()]).collect();
    Ok(crate::print(&table::render(&["connector", "program"], &rows)))
}
