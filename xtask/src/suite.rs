//! The whole suite, with what it needs: PostgreSQL's programs, PgBouncer, and our own.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// Packages of Debian and its kin: the server, and the pool that is tried before it.
const PACKAGES: [&str; 2] = ["postgresql", "pgbouncer"];

/// A kind of database that random suites can be told to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Database {
    Postgres,
    Sqlite,
}

impl Database {
    /// As the suites call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

/// Installs PostgreSQL and PgBouncer when they are missing and we may, and runs every test.
pub(crate) fn run() -> Result<String, String> {
    if initdb().is_none() || pgbouncer().is_none() {
        install()?;
    }
    // Every program has a test of its own, so cargo builds them all, and the suites find them.
    if runs("cargo-nextest", &["nextest", "--version"]) {
        step("cargo", &["nextest", "run", "--locked", "--workspace", "--profile", "ci"])?;
        step("cargo", &["test", "--locked", "--workspace", "--doc"])?;
    } else {
        step("cargo", &["test", "--locked", "--workspace", "--no-fail-fast"])?;
    }
    Ok("every test passed".to_owned())
}

/// `initdb`: on the path, or the newest where packages put it. The tests look in the same places.
pub(crate) fn initdb() -> Option<PathBuf> {
    found(
        "command -v initdb && exit; \
         ls -d /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
         /opt/homebrew/opt/postgresql*/bin/initdb 2>/dev/null | sort -V | tail -n 1",
    )
}

/// Also where the tests look for it.
fn pgbouncer() -> Option<PathBuf> {
    found(
        "command -v pgbouncer && exit; \
         ls -d /usr/sbin/pgbouncer /opt/homebrew/bin/pgbouncer 2>/dev/null | head -n 1",
    )
}

fn install() -> Result<(), String> {
    let packages = PACKAGES.join(" ");
    let by_hand = format!(
        "the tests start a PostgreSQL server and a PgBouncer of their own, and a program of them \
         is missing; install the packages `{packages}` (Debian, Ubuntu: sudo apt-get install \
         {packages}; macOS: brew install {packages}), or put initdb, postgres and pgbouncer on PATH"
    );
    if found("command -v apt-get").is_none() || !is_root() {
        return Err(by_hand);
    }
    let install = ["install", "--yes", "--no-install-recommends"];
    step("apt-get", &["update"])
        .and_then(|()| step("apt-get", &[&install[..], &PACKAGES[..]].concat()))
        .map_err(|error| format!("{error}; {by_hand}"))
}

pub(crate) fn is_root() -> bool {
    command("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The file that a line of shell names, if it names one.
fn found(line: &str) -> Option<PathBuf> {
    let said = command("sh").args(["-c", line]).output().ok()?;
    let path = String::from_utf8(said.stdout).ok()?;
    if path.trim().is_empty() { None } else { std::fs::canonicalize(path.trim()).ok() }
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    command(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// Runs a command with its output where ours goes; anything but success is an error.
pub(crate) fn step(program: &str, arguments: &[&str]) -> Result<(), String> {
    let line = format!("{program} {}", arguments.join(" "));
    let status = command(program)
        .args(arguments)
        .status()
        .map_err(|error| format!("starting `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

#[expect(clippy::disallowed_methods, reason = "xtask runs cargo and the system's package tool")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
