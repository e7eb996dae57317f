//! PgBouncer in transaction mode: every transaction may be on another connection of the server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::server::{PASSWORD, USER, free_port};
use crate::failure::{fail, loud};
use crate::process;
use crate::program::{DEADLINE, Program, Running, Signal};

/// Debian puts it where only root looks for programs.
const FIND: &str = r#"
command -v pgbouncer && exit
ls -d /usr/sbin/pgbouncer /opt/homebrew/bin/pgbouncer 2>/dev/null | head -n 1
"#;

const INSTALL: &str = "`pgbouncer` is neither in PATH nor in /usr/sbin; install the package `pgbouncer` (apt-get install \
                       pgbouncer), or let `cargo xtask test` do it";

/// A pool of few connections before a cluster; it ends with its owner.
#[derive(Debug)]
pub struct Bouncer {
    port: u16,
    _running: Running,
    _folder: TempDir,
}

impl Bouncer {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    ///
    /// When PgBouncer is missing, or ends or is silent instead of listening.
    pub async fn start(cluster: &Cluster) -> Self {
        let installed = loud("looking for PgBouncer", process::find(FIND));
        let program = Program::at(installed.unwrap_or_else(|| fail(INSTALL)));
        let folder = loud("making a folder", tempfile::tempdir());
        let port = loud("looking for a port", free_port());
        let settings =
            loud("writing the settings of PgBouncer", write(folder.path(), cluster.port(), port));
        let program = program.arg(&settings);
        let is_root = rustix::process::geteuid().is_root();
        let program = if is_root { program.args(["-u", USER]) } else { program };
        let running = listening(program.start(), port).await;
        Self { port, _running: running, _folder: folder }
    }

    /// The address of a database of the cluster, through the pool.
    #[must_use]
    pub fn url(&self, direct: &str) -> String {
        let (before, after) = direct.rsplit_once(':').unwrap_or_else(|| fail("no port"));
        let (_, database) = after.split_once('/').unwrap_or_else(|| fail("no database"));
        format!("{before}:{}/{database}", self.port)
    }
}

/// Returns once somebody takes connections on the port.
async fn listening(mut running: Running, port: u16) -> Running {
    let taken = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    // It writes nothing to stdout, so what comes there is its end.
    let is_taken = tokio::select! {
        _end = running.line() => false,
        outcome = timeout(DEADLINE, taken) => outcome.is_ok(),
    };
    if is_taken {
        return running;
    }
    running.signal(Signal::KILL);
    let said = running.finish().await.stderr;
    fail(&format!("PgBouncer does not listen on port {port}: {said}"))
}

/// Writes what the pool is told, and returns where.
fn write(folder: &Path, server: u16, port: u16) -> io::Result<PathBuf> {
    let users = folder.join("users.txt");
    fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n"))?;
    let settings = folder.join("pgbouncer.ini");
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
         auth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\n",
        users.display()
    );
    fs::write(&settings, text)?;
    // It gives up being root before it reads all of them.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    Ok(settings)
}
