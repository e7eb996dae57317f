//! The one place where test support starts processes.

use std::{ffi::OsStr, process::Command};

/// Variables that would reach into a program under test from the developer's own shell.
const FOREIGN: [&str; 10] = [
    "STRIPE_API_KEY",
    "STRIPE_API_VERSION",
    "POSTGRES_URL",
    "DATABASE_URL",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLIENT_ID",
    "GOOGLE_CLIENT_SECRET",
    "RUST_LOG",
    "HTTP_PROXY",
    "NO_COLOR",
];

/// A command that inherits nothing of the environment that would change what a program does.
#[expect(clippy::disallowed_methods, reason = "tests run the real programs and a real server")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}
