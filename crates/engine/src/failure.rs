//! What stopped a run, on whose side, and who has to act.

use std::fmt;

use protocol::Class;

/// A side of the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The program that reads.
    Source,
    /// The program that writes.
    Destination,
    /// Neither: this program, its state, its arguments.
    Engine,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Engine => "engine",
        })
    }
}

/// Why a run could not go on: one message for a person, secrets masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Where it happened.
    pub side: Side,
    /// Who has to act; `Internal` when nobody knows.
    pub class: Class,
    /// A word for machines, such as `source_ended_badly`.
    pub code: &'static str,
    /// What was being done, what came back, what to do.
    pub message: String,
}

impl Failure {
    /// A failure with all its parts.
    pub fn new(side: Side, class: Class, code: &'static str, message: impl fmt::Display) -> Self {
        let message = protocol::secret::mask(&message.to_string());
        Self { side, class, code, message }
    }

    /// A pipeline that is described wrongly.
    pub fn config(message: impl fmt::Display) -> Self {
        Self::new(Side::Engine, Class::Config, "config", message)
    }
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
