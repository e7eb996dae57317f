//! Writes NDJSON records into PostgreSQL; see `destination-postgres --help`.

use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "main reads the environment, once")]
fn main() -> ExitCode {
    let environment = std::env::vars_os().collect();
    connector::run_destination::<destination_postgres::Postgres>(std::env::args_os(), &environment)
}
