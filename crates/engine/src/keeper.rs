//! What is kept of a pipeline, looked at and changed outside of a run.

use protocol::SyncState;
use serde_json::json;

use crate::config::Config;
use crate::failure::Failure;
use crate::job::{Host, Job};
use crate::pipeline::{self, Account};
use crate::reduce::Unsaved;
use crate::resolve::Role;
use crate::runlog::RunRecord;
use crate::store::{Holder, Kept, Pipeline, Removed, Store, StoreError};

/// The store of one pipeline, found as a run finds it.
#[derive(Debug)]
pub struct Keeper {
    /// The pipeline's name.
    pub pipeline: String,
    store: Store,
    holder: Holder,
}

impl Keeper {
    /// Finds the store of the pipeline that a job describes. The source is asked only when the
    /// pipeline's name has to be derived.
    ///
    /// # Errors
    ///
    /// When a connector that has to be asked does not answer, or an address cannot be read.
    pub async fn find(job: &Job, host: &Host) -> Result<Self, Failure> {
        let destination = Box::pin(host.open(Role::Destination, &job.destination)).await?;
        let pipeline = match &job.pipeline {
            Some(name) => name.clone(),
            None => {
                let source = Box::pin(host.open(Role::Source, &job.source)).await?;
                let asked = source.connector.discover(&host.launcher, &source.config.config);
                let account = Account::of(&asked.await?.0);
                pipeline::name(&source.config, &account, &destination.config, &destination.spec)
            }
        };
        let chosen = Store::choose(&job.store, &pipeline, &destination.config, &host.state_folder);
        let store = chosen.map_err(|error| error.failure(false))?;
        Ok(Self { pipeline, store, holder: Holder::of_this_process(&host.run_id) })
    }

    /// Where it is, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        self.store.describe()
    }

    /// Everything that another store needs to go on from here.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn export(&mut self) -> Result<SyncState, Failure> {
        let failed = self.failed();
        let Kept { source, pipeline, .. } = self.store.load().await.map_err(&failed)?;
        let mut state = SyncState { source, ..SyncState::default() };
        if !pipeline.places.is_empty() {
            state.destination.insert("places".to_owned(), json!(pipeline.places));
        }
        if let Some(run) = self.runs(1).await?.pop() {
            state.sync_run.run_id = Some(run.run_id);
            state.sync_run.time_ceiling = run.time_ceiling;
            state.sync_run.progress = run.progress;
        }
        Ok(state)
    }

    /// Configuration values that the pipeline keeps.
    pub(crate) async fn pinned(&mut self) -> Result<Config, Failure> {
        let failed = self.failed();
        Ok(self.store.load().await.map_err(&failed)?.pipeline.pinned)
    }

    /// Whether there is anything to forget.
    pub(crate) async fn knows_anything(&mut self) -> Result<bool, Failure> {
        let failed = self.failed();
        Ok(!self.store.load().await.map_err(&failed)?.source.is_empty())
    }

    /// The latest runs, the newest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn runs(&mut self, limit: u32) -> Result<Vec<RunRecord>, Failure> {
        let failed = self.failed();
        self.store.runs(limit).await.map_err(&failed)
    }

    /// The run of this name, if the log has it.
    pub(crate) async fn run(&mut self, run_id: &str) -> Result<Option<RunRecord>, Failure> {
        let failed = self.failed();
        self.store.run(run_id).await.map_err(&failed)
    }

    /// Forgets how far some streams got, or all of them; says of how many something was known.
    ///
    /// # Errors
    ///
    /// When a run is at work, or the store cannot be written.
    pub async fn reset(&mut self, streams: Option<&[String]>) -> Result<usize, Failure> {
        let failed = self.failed();
        let kept = self.take().await?;
        let is_meant = |name: &&String| streams.is_none_or(|streams| streams.contains(*name));
        let count = kept.source.streams.keys().filter(is_meant).count();
        self.store.reset(streams).await.map_err(&failed)?;
        self.reopen(streams).await?;
        self.give_back().await?;
        Ok(count)
    }

    /// Puts a state in the place of what is known, or of some streams of it; says of how many
    /// streams something is known now.
    ///
    /// # Errors
    ///
    /// When a run is at work, or the store cannot be written.
    pub async fn import(
        &mut self,
        mut state: SyncState,
        streams: Option<&[String]>,
    ) -> Result<usize, Failure> {
        let kept = self.take().await?;
        if let Some(streams) = streams {
            state.source.streams.retain(|name, _| streams.contains(name));
            state.source.global = None;
        }
        let count = state.source.streams.len();
        let places = state.destination.remove("places").unwrap_or_default();
        let mut pipeline = kept.pipeline;
        // What does not decode is of another engine: those places count as unknown.
        let places: protocol::Places = serde_json::from_value(places).unwrap_or_default();
        pipeline.places.extend(places);
        self.put(state, &pipeline, streams).await?;
        self.give_back().await?;
        Ok(count)
    }

    /// Forgets the pipeline with its runs, and takes away the place where that was kept unless
    /// others keep theirs there.
    pub(crate) async fn remove(&mut self) -> Result<Removed, Failure> {
        let failed = self.failed();
        let holder = self.holder.clone();
        if !self.store.acquire(&holder).await.map_err(&failed)? {
            return Ok(Removed::Nothing);
        }
        self.store.remove().await.map_err(&failed)
    }

    /// Whether it is kept beside the rows that it speaks of.
    pub(crate) const fn is_in_the_copy(&self) -> bool {
        self.store.is_in_the_copy()
    }

    async fn put(
        &mut self,
        state: SyncState,
        pipeline: &Pipeline,
        streams: Option<&[String]>,
    ) -> Result<(), Failure> {
        let failed = self.failed();
        self.store.reset(streams).await.map_err(&failed)?;
        self.reopen(streams).await?;
        let unsaved =
            Unsaved { streams: state.source.streams, global: state.source.global, pipeline: true };
        self.store.save(unsaved, Some(pipeline)).await.map_err(&failed)
    }

    /// A run that goes on must not leave out what was forgotten here.
    async fn reopen(&mut self, streams: Option<&[String]>) -> Result<(), Failure> {
        let failed = self.failed();
        let Some(mut run) = self.runs(1).await?.pop().filter(RunRecord::is_open) else {
            return Ok(());
        };
        let keeps = |name: &String| streams.is_some_and(|streams| !streams.contains(name));
        run.progress.streams.retain(|name, _| keeps(name));
        self.store.save_run(&run).await.map_err(&failed)
    }

    async fn take(&mut self) -> Result<Kept, Failure> {
        let failed = self.failed();
        self.store.prepare().await.map_err(&failed)?;
        let holder = self.holder.clone();
        self.store.acquire(&holder).await.map_err(&failed)?;
        self.store.load().await.map_err(&failed)
    }

    async fn give_back(&mut self) -> Result<(), Failure> {
        let failed = self.failed();
        self.store.release().await.map_err(&failed)
    }

    fn failed(&self) -> impl Fn(StoreError) -> Failure + use<> {
        let in_the_copy = self.store.is_in_the_copy();
        move |error| error.failure(in_the_copy)
    }
}
