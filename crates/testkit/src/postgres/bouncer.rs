//! PgBouncer in transaction mode: every transaction may be on another connection of the server.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::cluster::Cluster;
use super::server::{PASSWORD, USER};
use crate::failure::{fail, loud};
use crate::program::{Program, Running};

const PLACES: [&str; 3] =
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];

const INSTALL: &str = "PgBouncer is missing; install the package `pgbouncer` (apt-get install \
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
    /// When PgBouncer is missing or does not start.
    pub async fn start(cluster: &Cluster) -> Self {
        let installed = PLACES.into_iter().find(|path| Path::new(path).is_file());
        let program = Program::at(installed.unwrap_or_else(|| fail(INSTALL)));
        let folder = loud("making a folder", tempfile::tempdir());
        let port = loud("looking for a port", free_port());
        let settings =
            loud("writing the settings of PgBouncer", write(folder.path(), cluster.port(), port));
        let program = program.arg(&settings);
        let is_root = rustix::process::geteuid().is_root();
        let program = if is_root { program.args(["-u", USER]) } else { program };
        let running = program.start();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
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

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
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
