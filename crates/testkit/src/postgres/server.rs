//! The processes behind a cluster: `initdb`, and a server under a watchdog.

use std::{
    fs::{OpenOptions, Permissions},
    io::{self, BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    thread::JoinHandle,
};

use crate::process;

/// The superuser of every cluster.
pub(super) const USER: &str = "postgres";
/// The superuser's password; the servers listen on loopback only.
pub(super) const PASSWORD: &str = "superuser";

/// Ends the server when its stdin closes, which happens whatever kills the test, and removes the
/// folder unless told to keep it.
const WATCHDOG: &str = r#"
"$@" </dev/null & server=$!
read -r order
kill -QUIT "$server"
wait "$server"
[ "$order" = keep ] || rm -rf "$FOLDER"
"#;

const FIND: &str = r#"
command -v initdb && exit
ls -d /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
      /opt/homebrew/opt/postgresql*/bin/initdb 2>/dev/null | sort -V | tail -n 1
"#;

const INSTALL: &str = "PostgreSQL's `initdb` is neither in PATH nor in /usr/lib/postgresql/*/bin; \
                       install it: `apt-get install postgresql` (Debian, Ubuntu), `dnf install \
                       postgresql-server` (Fedora), `brew install postgresql` (macOS)";

/// Who runs the server: root may not, so root becomes the user that the packages make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    pub(super) fn choose() -> io::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let users = std::fs::read_to_string("/etc/passwd")?;
        let numbers = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let named = fields.next() == Some("postgres");
            let user = fields.nth(1)?.parse().ok()?;
            let group = fields.next()?.parse().ok()?;
            named.then_some((user, group))
        });
        let missing = "root may not run a server and there is no user `postgres`; install \
                       PostgreSQL from the packages, or run the tests as another user";
        numbers.map(|pair| Self(Some(pair))).ok_or_else(|| io::Error::other(missing))
    }

    pub(super) fn own(self, folder: &Path) -> io::Result<()> {
        match self.0 {
            Some((user, group)) => std::os::unix::fs::chown(folder, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    fn command(self, program: &Path) -> Command {
        let mut command = process::command(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }
}

/// The folder with `initdb` and `postgres`, from PATH or from where packages put them.
pub(super) fn binaries() -> io::Result<PathBuf> {
    let file = process::find(FIND)?;
    let folder = file.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    folder.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, INSTALL))
}

/// Makes the data folder.
pub(super) fn initialise(account: Account, binaries: &Path, folder: &Path) -> io::Result<()> {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD)?;
    account.own(&password)?;
    let made = account
        .command(&binaries.join("initdb"))
        .current_dir(folder)
        .args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
        .args(["--wal-segsize=1", "--username", USER, "--pwfile"])
        .arg(&password)
        .arg("--pgdata")
        .arg(folder.join("data"))
        .output()?;
    if made.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("initdb: {}", String::from_utf8_lossy(&made.stderr))))
}

/// Puts certificate and key where a server looks for them, and asks it to use them.
pub(super) fn offer_tls(
    account: Account,
    data: &Path,
    certificate: &str,
    key: &str,
) -> io::Result<()> {
    for (name, text) in [("server.crt", certificate), ("server.key", key)] {
        let path = data.join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        account.own(&path)?;
    }
    let mut settings = OpenOptions::new().append(true).open(data.join("postgresql.conf"))?;
    settings.write_all(b"\nssl = on\n")
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    watchdog: Child,
    log: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the server of a folder on a port and returns once it takes connections.
    pub(super) fn start(
        account: Account,
        binaries: &Path,
        folder: &Path,
        port: u16,
    ) -> io::Result<Self> {
        let mut command = account.command(Path::new("/bin/sh"));
        command.args(["-c", WATCHDOG, "watchdog"]).arg(binaries.join("postgres"));
        command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.env("FOLDER", folder).current_dir(folder).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut watchdog = command.spawn()?;
        let stderr = watchdog.stderr.take().ok_or_else(|| io::Error::other("no stderr"))?;
        let mut log = BufReader::new(stderr);
        let ready = wait_until_ready(&mut log);
        let mut server = Self { watchdog, log: None };
        if let Err(error) = ready {
            server.stop(true);
            return Err(error);
        }
        server.log = Some(std::thread::spawn(move || drain(log)));
        Ok(server)
    }

    /// Ends the server at once, as a crash would, and waits until it is gone.
    pub(super) fn stop(&mut self, keep: bool) {
        if let Some(mut stdin) = self.watchdog.stdin.take() {
            let order: &[u8] = if keep { b"keep\n" } else { b"\n" };
            // A watchdog that is gone needs no order.
            drop(stdin.write_all(order));
        }
        drop(self.watchdog.wait());
        if let Some(log) = self.log.take() {
            drop(log.join());
        }
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Quick to start and light to run; durability is of no use to a test.
const SETTINGS: [&str; 11] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=60",
    "shared_buffers=64MB",
    "autovacuum=off",
    "jit=off",
    "log_min_messages=log",
];

fn wait_until_ready(log: &mut BufReader<ChildStderr>) -> io::Result<()> {
    let mut seen = String::new();
    loop {
        let start = seen.len();
        if log.read_line(&mut seen)? == 0 {
            return Err(io::Error::other(format!("the server did not start:\n{seen}")));
        }
        let line = seen.get(start..).unwrap_or_default();
        if line.contains("database system is ready to accept connections") {
            return Ok(());
        }
        // A client that comes too early is told so with a FATAL of its own.
        let is_fatal = line.contains("FATAL:") && !line.contains("the database system is ");
        if is_fatal || line.contains("database system is shut down") {
            return Err(io::Error::other(format!("the server did not start:\n{seen}")));
        }
    }
}

/// The server must never wait for a reader of its log.
fn drain(mut log: BufReader<ChildStderr>) {
    // The end of the log is the end of the server; there is nobody to tell.
    drop(io::copy(&mut log, &mut io::sink()));
}
