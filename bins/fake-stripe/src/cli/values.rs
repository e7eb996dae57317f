//! Values of arguments, and what is wrong with them.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use stripe_api::CompileError;
use thiserror::Error;

/// A stream and how many objects it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectCount {
    pub(crate) stream: String,
    pub(crate) count: u32,
}

/// So many times a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

impl Rate {
    /// The time between two times.
    pub(crate) fn pause(self) -> Duration {
        Duration::from_secs_f64(self.0.recip())
    }
}

impl FromStr for Rate {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let rate = text.parse().ok().filter(|rate| (0.001..=10_000.0).contains(rate));
        rate.map(Self).ok_or_else(|| ArgumentError::NoRate(text.to_owned()))
    }
}

impl FromStr for ObjectCount {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let no_count = || ArgumentError::NoCount(text.to_owned());
        let (stream, count) = text.split_once('=').ok_or_else(no_count)?;
        let count = count.trim().parse().map_err(|_| no_count())?;
        Ok(Self { stream: stream.trim().to_owned(), count })
    }
}

/// Arguments that cannot be played.
#[derive(Debug, Error)]
pub(crate) enum ArgumentError {
    #[error("reading an object count: `{0}` is not STREAM=COUNT; write customers=1000")]
    NoCount(String),
    #[error("reading `{path}`: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("compiling `{path}`: {source}")]
    Compile { path: PathBuf, source: CompileError },
    #[error("reading a rate: `{0}` is not between 0.001 and 10000; write 5 for five a second")]
    NoRate(String),
    #[error("reading the streams: there is no stream `{name}`; there are {known}")]
    UnknownStream { name: String, known: String },
}
