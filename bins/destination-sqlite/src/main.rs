//! Writes NDJSON records into a SQLite file; see `destination-sqlite --help`.

use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "main reads the environment, once")]
fn main() -> ExitCode {
    let environment = std::env::vars_os().collect();
    connector::run_destination::<destination_sqlite::SqliteDestination>(
        std::env::args_os(),
        &environment,
    )
}
