//! Runs a source into a destination and keeps the state; see `sync-engine --help`.

use std::process::ExitCode;

#[expect(clippy::disallowed_methods, reason = "main reads the environment, once")]
fn main() -> ExitCode {
    sync_engine::main_with(std::env::args_os().collect(), std::env::vars_os().collect())
}
