//! Whoever watches a run: a person, and perhaps a program too.

use std::io;

use engine::{Client, Opening, Shown};

use super::live::Live;
use super::ndjson::Ndjson;
use super::plain::Plain;

/// How a person is told.
#[derive(Debug)]
enum People {
    Plain(Plain),
    Live(Box<Live>),
}

/// A client that tells both.
#[derive(Debug)]
pub(crate) struct Watcher {
    people: People,
    ndjson: Option<Ndjson>,
}

impl Watcher {
    /// Lines on stderr, and messages on stdout when `to_stdout`.
    pub(crate) fn new(plain: Plain, to_stdout: bool) -> Self {
        Self { people: People::Plain(plain), ndjson: to_stdout.then(Ndjson::new) }
    }

    /// A live view on stderr, and messages on stdout when `to_stdout`.
    pub(crate) fn live(live: Live, to_stdout: bool) -> Self {
        Self { people: People::Live(Box::new(live)), ndjson: to_stdout.then(Ndjson::new) }
    }
}

impl Client for Watcher {
    async fn open(&mut self, opening: &Opening) -> io::Result<()> {
        match &mut self.people {
            People::Plain(plain) => plain.open(opening),
            People::Live(live) => live.open(opening),
        }
        Ok(())
    }

    async fn show(&mut self, shown: Shown<'_>) -> io::Result<()> {
        match &mut self.people {
            People::Plain(plain) => plain.show(&shown),
            People::Live(live) => live.show(&shown),
        }
        match &mut self.ndjson {
            Some(ndjson) => ndjson.show(&shown).await,
            None => Ok(()),
        }
    }
}
