//! The way into the file: connections, and what is asked of every one of them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use connector::Error;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::failure::{explain, is_busy};

/// How long to wait while another program writes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Statements that are kept prepared: five for each of some fifty streams that are being written.
const STATEMENTS: usize = 256;

/// An open file.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    identity: Identity,
}

/// What tells a file from another one at the same path: device and inode.
type Identity = (u64, u64);

impl Client {
    /// Opens the file, or makes it.
    pub(crate) fn make(path: &Path) -> Result<Self, Error> {
        check_folder(path)?;
        let client = Self::open_with(path, OpenFlags::SQLITE_OPEN_CREATE)?;
        client.switch_to_wal().map_err(|error| client.failed("opening", &error))?;
        Ok(client)
    }

    /// Opens the file; one that is not there is an error.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::config(format!("opening `{}`: no such file", path.display()))
                .hint("run `destination-sqlite setup` with the same catalog"));
        }
        Self::open_with(path, OpenFlags::empty())
    }

    fn open_with(path: &Path, more: OpenFlags) -> Result<Self, Error> {
        let failed = |error: rusqlite::Error| explain("opening", path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        // A path that begins with `file:` would be read as an address.
        let connection =
            Connection::open_with_flags(Path::new(".").join(path), flags).map_err(failed)?;
        prepare(&connection).map_err(failed)?;
        if connection.is_readonly("main").map_err(failed)? {
            return Err(Error::permission(format!(
                "opening `{}`: it is read-only",
                path.display()
            ))
            .hint("make the file and its folder writable for this user"));
        }
        let identity = identity(path)?;
        Ok(Self { connection, path: path.to_owned(), identity })
    }

    /// Begins to write at once, so that two writers wait for each other instead of failing.
    pub(crate) fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        let path = &self.path;
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| explain("beginning to write to", path, &error))
    }

    /// Fails when the file was removed or replaced while it was open: what was written since then is
    /// in a file that nobody will ever see.
    pub(crate) fn check_identity(&self) -> Result<(), Error> {
        if identity(&self.path)? == self.identity {
            return Ok(());
        }
        Err(moved(&self.path))
    }

    pub(crate) fn failed(&self, doing: &str, error: &rusqlite::Error) -> Error {
        explain(doing, &self.path, error)
    }

    /// Readers do not stop writers in WAL mode. The mode stays with the file.
    fn switch_to_wal(&self) -> rusqlite::Result<()> {
        let switch = || {
            let mode = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
            self.connection.query_row("PRAGMA journal_mode = WAL", [], mode)
        };
        let mut mode = switch();
        if mode.as_ref().is_err_and(is_busy) {
            // SQLite does not wait for this lock; who waits for the write lock has waited for it too.
            self.connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
            mode = switch();
        }
        let mode = mode?;
        if mode != "wal" {
            tracing::warn!(mode, "this file system cannot do WAL: readers and writers take turns");
        }
        Ok(())
    }
}

/// A failing `check` names the folder rather than the file in it.
pub(crate) fn check_folder(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    };
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(Error::config(format!("opening `{}`: no folder `{shown}`", path.display()))
            .hint("make the folder, or choose another `path`"));
    }
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(folder, access).map_err(|error| {
        Error::permission(format!("opening `{}` in folder `{shown}`", path.display()))
            .caused_by(error)
            .hint("make the folder writable for this user, or choose another `path`")
    })
}

/// `FULL` makes each commit durable before it returns, even if the machine loses power. With
/// `NORMAL` the last commits could be lost while a state that speaks for them, kept elsewhere, is
/// not; measured over batches of 1,000 rows it is a tenth faster, which is not worth that.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // 16 MiB of pages, for the keys of large tables; 32 MiB of WAL before it is copied back, so
    // that a page written by several batches is copied once.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 8192;",
    )?;
    // The first read of the file: whatever it is, it shows here.
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
}

fn identity(path: &Path) -> Result<Identity, Error> {
    let found = std::fs::metadata(path).map_err(|error| moved(path).caused_by(error))?;
    Ok((found.dev(), found.ino()))
}

fn moved(path: &Path) -> Error {
    Error::config(format!("writing to `{}`: it was removed or replaced meanwhile", path.display()))
        .hint("leave the file in its place while a sync runs; run again to fill the new one")
}
