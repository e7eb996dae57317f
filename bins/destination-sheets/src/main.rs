//! Writes NDJSON records into a Google spreadsheet; see `destination-sheets --help`.

use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "main reads the environment, once")]
fn main() -> ExitCode {
    let environment = std::env::vars_os().collect();
    connector::run_destination::<destination_sheets::SheetsDestination>(
        std::env::args_os(),
        &environment,
    )
}
