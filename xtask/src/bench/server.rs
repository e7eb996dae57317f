//! A throwaway PostgreSQL with durability on.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::suite::{command, initdb, is_root};

/// Waits until its stdin ends, whatever signals come, and then runs its arguments.
const KEEPER: &str = "trap '' HUP INT TERM; cat >/dev/null; exec \"$@\"";

/// A server that runs until this is dropped, or until this process has ended in any other way.
pub(super) struct Server {
    binaries: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Stops the server when its stdin, which we hold, ends.
    keeper: Child,
}

impl Server {
    /// Makes and starts one in a folder.
    pub(super) fn start(folder: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("choosing a port: {error}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(told)?;
        let port = listener.local_addr().map_err(told)?.port();
        drop(listener);
        let (binaries, folder) = (binaries()?, folder.join("data"));
        let keeper = keep(&binaries, &folder)?;
        let server = Self { binaries, folder, port, keeper };
        let data = server.folder.display();
        server.sh(&format!(
            "initdb --no-sync --auth=trust --username=bench -D '{data}' >/dev/null"
        ))?;
        server.sh(&format!(
            "pg_ctl -w -D '{data}' -l '{data}.log' -o '-p {port} -c listen_addresses=127.0.0.1 \
             -c unix_socket_directories= -c shared_buffers=1GB -c max_wal_size=4GB' start >/dev/null"
        ))?;
        Ok(server)
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://bench@127.0.0.1:{}/postgres", self.port)
    }

    /// The process whose children serve us.
    pub(super) fn process(&self) -> Result<u32, String> {
        let path = self.folder.join("postmaster.pid");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("reading `{}`: {error}", path.display()))?;
        let first = text.lines().next().and_then(|line| line.trim().parse().ok());
        first.ok_or_else(|| format!("`{}` names no process", path.display()))
    }

    /// psql, connected to the server.
    pub(super) fn client(&self) -> Command {
        let mut psql = command(self.binaries.join("psql"));
        psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url()]);
        psql.env("PGOPTIONS", "-c client_min_messages=warning");
        psql
    }

    /// Runs SQL; the output is of no interest.
    pub(super) fn psql(&self, statements: &[&str]) -> Result<(), String> {
        let mut psql = self.client();
        for statement in statements {
            psql.args(["-c", statement]);
        }
        let status = psql.status().map_err(|error| format!("starting psql: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("psql ended with {status}")) }
    }

    /// The one value that a query gives.
    pub(super) fn value(&self, query: &str) -> Result<String, String> {
        let mut psql = self.client();
        let output = psql.args(["-A", "-t", "-c", query]).output();
        let output = output.map_err(|error| format!("starting psql: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("psql ended with {}: {}", output.status, said.trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Returns once nobody else is connected.
    pub(super) fn settle(&self) -> Result<(), String> {
        self.psql(&["DO $$ BEGIN LOOP PERFORM pg_stat_clear_snapshot(); \
                    EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity \
                    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()); \
                    PERFORM pg_sleep(0.05); END LOOP; PERFORM pg_sleep(0.1); END $$"])
    }

    fn sh(&self, line: &str) -> Result<(), String> {
        let status = shell(&self.binaries, line).status();
        let status = status.map_err(|error| format!("starting a shell: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // Nobody is left to tell; the folder goes anyway.
        drop(self.keeper.wait());
    }
}

/// Starts the process that stops the server.
fn keep(binaries: &Path, data: &Path) -> Result<Child, String> {
    let stop = format!("pg_ctl -m immediate -D '{}' stop >/dev/null", data.display());
    let stop = shell(binaries, &stop);
    let mut keeper = command("sh");
    keeper.args(["-c", KEEPER, "sh"]).arg(stop.get_program()).args(stop.get_args());
    let keeper = keeper.stdin(Stdio::piped()).spawn();
    keeper.map_err(|error| format!("starting a shell: {error}"))
}

/// A line of shell with the server's programs on the path; root may not run a server.
fn shell(binaries: &Path, line: &str) -> Command {
    let line = format!("PATH='{}':$PATH; {line}", binaries.display());
    let mut shell = command(if is_root() { "su" } else { "sh" });
    if is_root() {
        shell.args(["postgres", "-s", "/bin/sh"]);
    }
    shell.args(["-c", &line]);
    shell
}

fn binaries() -> Result<PathBuf, String> {
    let folder = initdb().and_then(|program| program.parent().map(Path::to_owned));
    folder.ok_or_else(|| "PostgreSQL is missing: run `cargo xtask test` once".to_owned())
}
