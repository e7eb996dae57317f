//! What cases have in common: how much, how often, and where programs are.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How to run a case.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Objects of the account, over five streams
    #[arg(long, default_value_t = 250_000)]
    pub(super) records: usize,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3)]
    pub(super) rounds: usize,
    /// One JSON array instead of a table
    #[arg(long)]
    pub(super) json: bool,
    /// Do not build first
    #[arg(long)]
    pub(super) built: bool,
}

/// A program of the release build.
pub(super) fn release(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release").join(program)
}

/// A folder that goes when it is dropped, and that a server's own user may enter.
pub(super) fn folder() -> Result<TempDir, String> {
    let told = |error: std::io::Error| format!("making a folder: {error}");
    let folder = tempfile::tempdir().map_err(told)?;
    let open: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).map_err(told)?;
    Ok(folder)
}
