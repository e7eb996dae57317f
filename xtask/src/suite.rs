//! The whole suite, with what it needs: PostgreSQL's programs, PgBouncer, and our own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages of Debian and its kin: the server, and the pool that is tried before it.
const PACKAGES: [&str; 2] = ["postgresql", "pgbouncer"];

/// Installs PostgreSQL and PgBouncer when they are missing and we may, and runs every test.
pub(crate) fn run() -> Result<String, String> {
    if !has_postgres() || !has_pgbouncer() {
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

/// Whether a server can be started: `initdb` on the path, or where Debian keeps it.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/initdb")).any(|path| path.is_file())
        || on_path("initdb").is_some()
}

fn has_pgbouncer() -> bool {
    Path::new("/usr/sbin/pgbouncer").is_file() || on_path("pgbouncer").is_some()
}

fn install() -> Result<(), String> {
    let packages = PACKAGES.join(" ");
    let by_hand = format!(
        "the tests start a PostgreSQL server and a PgBouncer of their own, and a program of them \
         is missing; install the packages `{packages}` (Debian, Ubuntu: sudo apt-get install \
         {packages}; macOS: brew install {packages}), or put initdb, postgres and pgbouncer on PATH"
    );
    if on_path("apt-get").is_none() || !is_root() {
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

pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let found = command("sh").args(["-c", "command -v \"$0\"", program]).output().ok()?;
    let path = String::from_utf8(found.stdout).ok()?;
    found.status.success().then(|| Path::new(path.trim()).to_owned())
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
