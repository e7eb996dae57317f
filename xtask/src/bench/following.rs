//! A copy that is followed: `sync-engine sync --follow` with a listener for webhooks.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::server::Server;
use super::stripe::Stripe;
use super::sync;
use super::tree::Cost;
use crate::suite::command;

/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked whether it does.
const LOOK: Duration = Duration::from_millis(20);

/// It runs until this is dropped.
pub(super) struct Following {
    child: Child,
    address: SocketAddr,
}

impl Following {
    /// Starts one, and waits until it listens for what is signed with `secret`.
    pub(super) fn start(
        stripe: &Stripe,
        server: &Server,
        folder: &Path,
        secret: &str,
    ) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("starting sync-engine: {error}");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(told)?;
        let address = free.local_addr().map_err(told)?;
        drop(free);
        let mut program = sync::program(stripe, folder, &["--postgres-url", &server.url()]);
        program.args(["--follow", "-q", "--source.poll_events", "false"]);
        program.args(["--source.webhook_port", &address.port().to_string()]);
        program.args(["--source.webhook_secret", secret]);
        program.stdin(Stdio::null()).stdout(Stdio::null());
        let child = program.spawn().map_err(told)?;
        let mut following = Self { child, address };
        following.wait()?;
        Ok(following)
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its programs have cost so far.
    pub(super) fn cost(&self) -> Cost {
        Cost::so_far(self.child.id())
    }

    /// Ends it in order.
    pub(super) fn stop(mut self) -> Result<(), String> {
        let told = |error: std::io::Error| format!("stopping sync-engine: {error}");
        let id = self.child.id().to_string();
        command("kill").args(["-TERM", &id]).status().map_err(told)?;
        let status = self.child.wait().map_err(told)?;
        if status.success() { Ok(()) } else { Err(format!("sync-engine ended with {status}")) }
    }

    fn wait(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while !is_healthy(self.address) {
            let ended = self.child.try_wait().map_err(|error| format!("waiting: {error}"))?;
            if let Some(status) = ended {
                return Err(format!("sync-engine ended with {status} before it listened"));
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("sync-engine does not listen on {}", self.address));
            }
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    }
}

fn is_healthy(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

impl Drop for Following {
    fn drop(&mut self) {
        // One that was stopped has gone; nobody is left to tell otherwise.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
