//! The choice of a store, and the one interface of all of them.

use std::path::PathBuf;

use protocol::ConnectorConfig;
use xxhash_rust::xxh3::xxh3_64;

use super::file::FileStore;
use super::kept::{Kept, Pipeline, Removed, StoreError};
use super::lease::Holder;
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use crate::reduce::Unsaved;
use crate::runlog::RunRecord;

/// Where somebody wants state to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreChoice {
    /// In the copy where it can be, so that both live and die together; else in this folder, one
    /// file a pipeline.
    #[default]
    Auto,
    /// In this file.
    File(PathBuf),
    /// In tables of this PostgreSQL database, in the schema that `?schema=` names.
    Postgres(String),
    /// Nowhere: every run begins afresh.
    Nowhere,
}

/// Most characters of a pipeline's name that stand in a file's: file systems take 255 bytes.
const LONGEST: usize = 120;

/// A pipeline's name as a file may be called: one given by a person may hold anything. Where it
/// cannot stand as it is, a hash of it keeps it apart from its like.
pub(crate) fn file_name(pipeline: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = pipeline.chars().map(plain).take(LONGEST).collect();
    if name == pipeline { name } else { format!("{name}-{:016x}", xxh3_64(pipeline.as_bytes())) }
}

/// A pipeline's store.
///
/// `load` changes nothing and finds nothing where nothing was prepared; `prepare` makes what is
/// needed to save. Every save is one step: all of it is kept, or none.
#[derive(Debug)]
pub enum Store {
    /// In the data schema.
    Postgres(Box<PostgresStore>),
    /// In the data file.
    Sqlite(SqliteStore),
    /// In a file of its own.
    File(FileStore),
    /// Nowhere.
    Nowhere,
}

impl Store {
    /// The store of a pipeline; connects to nothing yet. `folder` is for those whose destination
    /// cannot keep state.
    ///
    /// # Errors
    ///
    /// When the destination's address cannot be read.
    pub fn choose(
        choice: &StoreChoice,
        pipeline: &str,
        destination: &ConnectorConfig,
        folder: &std::path::Path,
    ) -> Result<Self, StoreError> {
        let own_file =
            || FileStore::new(folder.join(format!("{}.json", file_name(pipeline))), pipeline);
        Ok(match choice {
            StoreChoice::Nowhere => Self::Nowhere,
            StoreChoice::File(path) => Self::File(FileStore::new(path.clone(), pipeline)),
            StoreChoice::Postgres(url) => {
                Self::Postgres(Box::new(PostgresStore::at(pipeline, url)?))
            }
            StoreChoice::Auto => match destination.connector_type.as_str() {
                "postgres" => {
                    Self::Postgres(Box::new(PostgresStore::new(pipeline, &destination.config)?))
                }
                "sqlite" => Self::Sqlite(SqliteStore::new(pipeline, &destination.config)),
                _ => Self::File(own_file()),
            },
        })
    }

    /// Whether state is kept in the copy itself, so that a copy brought back brings its state.
    #[must_use]
    pub const fn is_in_the_copy(&self) -> bool {
        match self {
            Self::Postgres(store) => store.is_in_the_copy(),
            Self::Sqlite(_) => true,
            Self::File(_) | Self::Nowhere => false,
        }
    }

    /// Where it is, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Postgres(store) => store.describe(),
            Self::Sqlite(store) => store.describe(),
            Self::File(store) => store.describe(),
            Self::Nowhere => "nowhere (`--no-state`)".to_owned(),
        }
    }

    /// Everything that is known of the pipeline.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn load(&mut self) -> Result<Kept, StoreError> {
        match self {
            Self::Postgres(store) => store.load().await,
            Self::Sqlite(store) => store.load().await,
            Self::File(store) => store.load().await,
            Self::Nowhere => Ok(Kept::default()),
        }
    }

    /// Makes ready to save.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn prepare(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.prepare().await,
            Self::Sqlite(store) => store.prepare().await,
            Self::File(_) | Self::Nowhere => Ok(()),
        }
    }

    /// Saves what was confirmed, and the pipeline's own part when there is a new one, in one step.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn save(
        &mut self,
        unsaved: Unsaved,
        pipeline: Option<&Pipeline>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.save(&unsaved, pipeline).await,
            Self::Sqlite(store) => store.save(unsaved, pipeline.cloned()).await,
            Self::File(store) => store.save(unsaved, pipeline.cloned()).await,
            Self::Nowhere => Ok(()),
        }
    }

    /// Forgets the state of some streams, or of all and of the source as a whole.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn reset(&mut self, streams: Option<&[String]>) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.reset(streams).await,
            Self::Sqlite(store) => store.reset(streams.map(<[String]>::to_vec)).await,
            Self::File(store) => store.reset(streams.map(<[String]>::to_vec)).await,
            Self::Nowhere => Ok(()),
        }
    }

    /// Takes the pipeline for one run; `false` when there is nowhere yet to say so.
    ///
    /// # Errors
    ///
    /// [`StoreError::Held`] when another run has it and lives; else see [`StoreError`].
    pub async fn acquire(&mut self, holder: &Holder) -> Result<bool, StoreError> {
        match self {
            Self::Postgres(store) => store.acquire(holder).await,
            Self::Sqlite(store) => store.acquire(holder).await,
            Self::File(store) => store.acquire(holder).await,
            Self::Nowhere => Ok(true),
        }
    }

    /// Whether this process has the pipeline.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        match self {
            Self::Postgres(store) => store.holder.is_some(),
            Self::Sqlite(store) => store.holder.is_some(),
            Self::File(store) => store.is_locked(),
            Self::Nowhere => true,
        }
    }

    /// Says that the run that took the pipeline lives.
    ///
    /// # Errors
    ///
    /// [`StoreError::TakenOver`] when another run has taken it since; else see [`StoreError`].
    pub async fn beat(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.beat().await,
            Self::Sqlite(store) => store.beat().await,
            // A lock of the file lasts as long as its process.
            Self::File(_) | Self::Nowhere => Ok(()),
        }
    }

    /// Gives the pipeline back, if this store took it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn release(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.release().await,
            Self::Sqlite(store) => store.release().await,
            Self::File(store) => {
                store.release();
                Ok(())
            }
            Self::Nowhere => Ok(()),
        }
    }

    /// Forgets the pipeline that this process has taken, its runs included; where no other pipeline
    /// keeps anything there, what was made to keep it goes too.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn remove(&mut self) -> Result<Removed, StoreError> {
        match self {
            Self::Postgres(store) => store.remove().await,
            Self::Sqlite(store) => store.remove().await,
            Self::File(store) => store.remove(),
            Self::Nowhere => Ok(Removed::Nothing),
        }
    }

    /// The latest runs of the pipeline, the newest first.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn runs(&mut self, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        match self {
            Self::Postgres(store) => store.runs(None, limit).await,
            Self::Sqlite(store) => store.runs(None, limit).await,
            Self::File(store) => store.runs(limit).await,
            Self::Nowhere => Ok(Vec::new()),
        }
    }

    /// The run of this name, if the log has it.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn run(&mut self, run_id: &str) -> Result<Option<RunRecord>, StoreError> {
        let mut found = match self {
            Self::Postgres(store) => store.runs(Some(run_id), 1).await?,
            Self::Sqlite(store) => store.runs(Some(run_id), 1).await?,
            Self::File(store) => store.runs(u32::MAX).await?,
            Self::Nowhere => Vec::new(),
        };
        found.retain(|run| run.run_id == run_id);
        Ok(found.pop())
    }

    /// Keeps a run that begins, and forgets the oldest ones when there are many.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn begin_run(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        self.save_run(run).await?;
        match self {
            Self::Postgres(store) => store.forget_runs().await,
            Self::Sqlite(store) => store.forget_runs().await,
            // A file never holds many.
            Self::File(_) | Self::Nowhere => Ok(()),
        }
    }

    /// Keeps where a run stands.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub async fn save_run(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.save_run(run).await,
            Self::Sqlite(store) => store.save_run(run).await,
            Self::File(store) => store.save_run(run).await,
            Self::Nowhere => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_pipelines_share_a_file() {
        let long = "p".repeat(300);
        let longer = format!("{long}p");
        let names = ["a_b", "a/b", "a b", "../a_b", "ä_b", "", long.as_str(), longer.as_str()];
        let files: BTreeSet<String> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(files.len(), names.len(), "{files:?}");
        assert!(files.iter().all(|file| file.len() < 150 && !file.contains('/')), "{files:?}");
        assert_eq!(file_name("stripe-acct_1.eu"), "stripe-acct_1.eu");
    }
}
