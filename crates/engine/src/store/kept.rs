//! What a store keeps.

use protocol::{Class, Places, SourceState};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::failure::{Failure, Side};

/// What a pipeline keeps beside its state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pipeline {
    /// Identity of each stream's place, and the last run known to have changed rows there.
    pub places: Places,
    /// The run that was started last.
    pub last_run: Option<String>,
    /// Configuration values that the pipeline began with and keeps.
    pub pinned: Config,
}

/// Everything that a store knows of one pipeline.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// How far the source got.
    pub source: SourceState,
    /// What belongs to the pipeline.
    pub pipeline: Pipeline,
    /// States that could not be read, by stream, with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// What went with a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Nothing was kept.
    Nothing,
    /// What was kept of it; other pipelines keep theirs in the same place.
    Rows,
    /// The place where it was kept.
    Place,
}

/// The tables of a store in a database. What one pipeline keeps has its `sync_id`.
pub(super) const TABLES: [&str; 6] = [
    "_sync_state",
    "_sync_pipeline",
    "_sync_lease",
    "_sync_run",
    "_sync_run_stream",
    "_sync_freshness",
];

/// How many runs of a pipeline a database keeps; a service that restarts often has many.
pub(super) const RUNS: u32 = 1000;

/// The row that holds the state of the source as a whole.
pub(super) const GLOBAL: &str = "_global";

/// Why state could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// PostgreSQL said no.
    #[error("{doing}: {source}")]
    Postgres {
        /// What was being done.
        doing: &'static str,
        /// What the server or the connection said.
        source: pg::Error,
    },
    /// SQLite said no.
    #[error("{doing} in `{path}`: {source}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file system said no.
    #[error("{doing} `{path}`: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A state file that cannot be read.
    #[error(
        "the state file `{path}` is damaged: {source}; bring back a copy of it, or remove it to start afresh"
    )]
    Damaged {
        /// The file.
        path: String,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// A state file of another pipeline.
    #[error(
        "the state file `{path}` belongs to the pipeline `{found}`, not to `{wanted}`; name another file with `--state`, or that pipeline with `--pipeline`"
    )]
    OtherPipeline {
        /// The file.
        path: String,
        /// The pipeline whose state it holds.
        found: String,
        /// The pipeline that was asked for.
        wanted: String,
    },
    /// Another run of the pipeline is at work.
    #[error("the pipeline `{pipeline}` is being run by {holder}; wait until it ends, or stop it")]
    Held {
        /// The pipeline.
        pipeline: String,
        /// Who runs it, and since when if that is known.
        holder: String,
    },
    /// Another run took the pipeline over while this one was silent.
    #[error(
        "another run took the pipeline `{pipeline}` over, because this one was not heard of for 20 seconds; nothing more is saved here"
    )]
    TakenOver {
        /// The pipeline.
        pipeline: String,
    },
    /// What was to be saved is no JSON.
    #[error("writing state as JSON: {0}")]
    Encode(#[from] serde_json::Error),
    /// The work was cut off.
    #[error("saving state was cut off: {0}")]
    CutOff(String),
}

impl StoreError {
    /// A word for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::TakenOver { .. } => "taken_over",
            Self::Postgres { .. }
            | Self::Sqlite { .. }
            | Self::File { .. }
            | Self::Damaged { .. }
            | Self::OtherPipeline { .. }
            | Self::Encode(_)
            | Self::CutOff(_) => "state_store",
        }
    }

    /// The failure of a run that it ends: the destination's where the store is `in_the_copy`.
    pub(crate) fn failure(&self, in_the_copy: bool) -> Failure {
        let class = self.class();
        let of_ours = matches!(self, Self::Held { .. } | Self::TakenOver { .. });
        let of_copy = in_the_copy && class != Class::Config && !of_ours;
        let side = if of_copy { Side::Destination } else { Side::Engine };
        Failure::new(side, class, self.code(), self)
    }

    /// Who has to act.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Postgres { source, .. } => class_of(source),
            Self::Damaged { .. } | Self::OtherPipeline { .. } => Class::Config,
            Self::Held { .. } | Self::TakenOver { .. } => Class::Unreachable,
            Self::Sqlite { .. } | Self::File { .. } | Self::Encode(_) | Self::CutOff(_) => {
                Class::Internal
            }
        }
    }
}

fn class_of(error: &pg::Error) -> Class {
    if matches!(error, pg::Error::Url { .. } | pg::Error::Name { .. }) {
        return Class::Config;
    }
    let failure = error.failure();
    let table = [
        (pg::Failure::Credentials, Class::Credentials),
        (pg::Failure::Permission, Class::Permission),
        (pg::Failure::Unreachable, Class::Unreachable),
        (pg::Failure::Later, Class::Unreachable),
    ];
    let found = table.into_iter().find(|(known, _)| *known == failure);
    found.map_or(Class::Internal, |(_, class)| class)
}
