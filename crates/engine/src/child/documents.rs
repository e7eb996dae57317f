//! What a child is told: on open descriptors of private files that have no name.
//!
//! A command line can be read by every user of the machine, and one argument is limited to 128 KiB.
//! A file that was never linked is gone with the last process that has it open, whatever dies.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::process::Command;

/// A flag and the document that it gives, such as `--config` and the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The flag.
    pub(crate) flag: &'static str,
    /// The document, JSON.
    pub(crate) body: Vec<u8>,
}

impl Document {
    /// A document of any value that is JSON.
    pub(crate) fn new(
        flag: &'static str,
        value: &impl serde::Serialize,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self { flag, body: serde_json::to_vec(value)? })
    }
}

/// The first descriptor a document gets. High, because low ones may be in use between fork and
/// exec by the standard library itself.
const FIRST: i32 = 100;

/// Hands documents to a child; returns the arguments that name them.
pub(super) fn attach(command: &mut Command, documents: &[Document]) -> io::Result<Vec<OsString>> {
    let mut args = Vec::new();
    let mut mappings = Vec::new();
    for (child_fd, document) in (FIRST..).zip(documents) {
        args.push(OsString::from(document.flag));
        args.push(OsString::from(format!("/dev/fd/{child_fd}")));
        mappings.push(FdMapping { parent_fd: private_file(&document.body)?, child_fd });
    }
    command.fd_mappings(mappings).map_err(|collision| io::Error::other(collision.to_string()))?;
    Ok(args)
}

fn private_file(body: &[u8]) -> io::Result<OwnedFd> {
    let mut file: File = tempfile::tempfile()?;
    file.write_all(body)?;
    file.rewind()?;
    Ok(file.into())
}
