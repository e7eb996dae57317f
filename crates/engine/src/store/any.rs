//! The choice of a store, and the one interface of all of them.

use std::path::PathBuf;

use protocol::ConnectorConfig;

use super::file::FileStore;
use super::kept::{Kept, Pipeline, StoreError};
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use crate::reduce::Unsaved;

/// Where somebody wants state to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreChoice {
    /// In the copy where it can be, so that both live and die together; else in this folder, one
    /// file a pipeline.
    #[default]
    Auto,
    /// In this file.
    File(PathBuf),
    /// Nowhere: every run begins afresh.
    Nowhere,
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
        let own_file = || {
            // A name given by a person may hold anything; a file name may not.
            let plain =
                |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
            let name: String = pipeline.chars().map(plain).collect();
            FileStore::new(folder.join(format!("{name}.json")), pipeline)
        };
        Ok(match choice {
            StoreChoice::Nowhere => Self::Nowhere,
            StoreChoice::File(path) => Self::File(FileStore::new(path.clone(), pipeline)),
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
            Self::Postgres(_) | Self::Sqlite(_) => true,
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
}
