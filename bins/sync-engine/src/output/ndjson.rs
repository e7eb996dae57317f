//! Protocol messages on stdout, for a program that reads them.

use std::io;

use engine::Shown;
use tokio::io::{AsyncWriteExt as _, Stdout};

/// Writes every message as one line.
#[derive(Debug)]
pub(crate) struct Ndjson {
    stdout: Stdout,
}

impl Ndjson {
    pub(super) fn new() -> Self {
        Self { stdout: tokio::io::stdout() }
    }

    pub(super) async fn show(&mut self, shown: &Shown<'_>) -> io::Result<()> {
        self.stdout.write_all(&shown.line()).await?;
        self.stdout.flush().await
    }
}
