//! The one place where test support starts processes.

use std::{ffi::OsStr, io, path::PathBuf, process::Command};

/// Variables that would reach into a program under test from the developer's own shell.
const FOREIGN: [&str; 19] = [
    "STRIPE_API_KEY",
    "STRIPE_API_VERSION",
    "POSTGRES_URL",
    "DATABASE_URL",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLIENT_ID",
    "GOOGLE_CLIENT_SECRET",
    "RUST_LOG",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
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

/// The file that a line of shell names, if it names one.
pub(crate) fn find(script: &str) -> io::Result<Option<PathBuf>> {
    let found = command("sh").args(["-c", script]).output()?;
    let text = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    if text.is_empty() { Ok(None) } else { std::fs::canonicalize(text).map(Some) }
}
