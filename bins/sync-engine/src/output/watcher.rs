//! Whoever watches a run: a person, and perhaps a program too.

use std::io;

use engine::{Client, Opening, Shown};

use super::ndjson::Ndjson;
use super::plain::Plain;

/// A client that tells both.
#[derive(Debug)]
pub(crate) struct Watcher {
    plain: Plain,
    ndjson: Option<Ndjson>,
}

impl Watcher {
    /// Lines on stderr, and messages on stdout when `to_stdout`.
    pub(crate) fn new(plain: Plain, to_stdout: bool) -> Self {
        Self { plain, ndjson: to_stdout.then(Ndjson::new) }
    }
}

impl Client for Watcher {
    async fn open(&mut self, opening: &Opening) -> io::Result<()> {
        self.plain.open(opening);
        Ok(())
    }

    async fn show(&mut self, shown: Shown<'_>) -> io::Result<()> {
        self.plain.show(&shown);
        match &mut self.ndjson {
            Some(ndjson) => ndjson.show(&shown).await,
            None => Ok(()),
        }
    }
}
