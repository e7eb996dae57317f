//! What a destination has to do. The commit rule, batching and counting are not its business: the
//! harness gathers records and calls [`Destination::load`], and releases states when that returns.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use protocol::{ConfiguredCatalog, Spec};
use serde::de::DeserializeOwned;

use crate::about::About;
use crate::batch::{Batch, BatchLimits, Loaded, Seen};
use crate::dead_letter::DeadLetter;
use crate::emitter::Emitter;
use crate::error::Error;
use crate::liaison::Liaison;
use crate::plan::StreamPlan;
use crate::shape::Shape;

/// A look at rows, on its way.
pub type Look = Pin<Box<dyn Future<Output = Seen>>>;

/// A program that writes into some system.
#[expect(async_fn_in_trait, reason = "each program has one connector, driven by one task")]
pub trait Destination: Sized {
    /// Name, version and example.
    const ABOUT: About;
    /// What a user writes; unknown keys were refused before, by the spec's schema.
    type Config: DeserializeOwned;

    /// Describes the configuration.
    fn spec() -> Spec;

    /// Prepares, without talking to anybody.
    ///
    /// # Errors
    ///
    /// When the configuration makes no sense.
    fn open(config: Self::Config) -> Result<Self, Error>;

    /// Asks whether the connection works and, for a catalog, whether its streams could be written.
    /// Returns what a person wants to know of it.
    ///
    /// # Errors
    ///
    /// When it does not work.
    async fn check(&mut self, plans: &[StreamPlan], out: &mut Emitter) -> Result<String, Error>;

    /// Makes a place for each stream, only adding, and emits the places' identities
    /// ([`Emitter::places`]). A second call changes nothing.
    ///
    /// # Errors
    ///
    /// When a place cannot be made.
    async fn setup(&mut self, plans: &[StreamPlan], out: &mut Emitter) -> Result<(), Error>;

    /// What [`Destination::setup`] would do now, one statement or request each, for a person to read.
    /// Changes nothing. A destination that can tell says so in its spec.
    ///
    /// # Errors
    ///
    /// When it cannot be told.
    async fn plan_setup(&mut self, _plans: &[StreamPlan]) -> Result<Vec<String>, Error> {
        Err(Error::config(format!("planning setup: {} cannot tell", Self::ABOUT.name)))
    }

    /// Removes places that this tool made: those of the streams given or, when none is, all.
    ///
    /// # Errors
    ///
    /// When one cannot be removed.
    async fn teardown(
        &mut self,
        catalog: Option<&ConfiguredCatalog>,
        out: &mut Emitter,
    ) -> Result<(), Error>;

    /// How much to gather for one load.
    fn limits(&self) -> BatchLimits;

    /// Whether records are to be echoed once they are stored, for engines that count echoes.
    fn echoes_records(&self) -> bool {
        false
    }

    /// Called once before [`Destination::begin`], for destinations whose work may wait long: what they
    /// wait for should end with the wish to stop, and be told.
    fn meet(&mut self, _: Liaison) {}

    /// Called once before the first load. A stream that is in the result cannot be written, and why.
    ///
    /// # Errors
    ///
    /// When the connection fails as a whole.
    async fn begin(&mut self, plans: &[StreamPlan]) -> Result<Loaded, Error>;

    /// How documents of a stream are to be kept. Asked after [`Destination::begin`].
    fn shape(&self, _: &StreamPlan) -> Shape {
        Shape::default()
    }

    /// Whether most rows are there already, so that looking ahead is worth it.
    fn looks_ahead(&self) -> bool {
        false
    }

    /// Looks at the rows that a batch is about, while batches before it wait to be loaded and more
    /// records are read. Asked where [`Destination::looks_ahead`] says so.
    ///
    /// What was seen comes back in [`crate::StreamBatch::sights`], but for rows that a batch before
    /// may have changed since. What could not be seen is left out: [`Destination::load`] looks itself.
    fn look(&self, _: &Arc<Batch>) -> Look {
        Box::pin(async { Seen::new() })
    }

    /// Stores a batch: each key by [`crate::version::resolve`] over its versions and what is stored.
    ///
    /// When it returns, the rows of every stream reported as written are durable; of a stream reported
    /// as failed none is acknowledged. Transient failures are retried inside. A row that cannot be stored
    /// is counted as refused and goes, as those that the batch names, to the dead-letter place.
    ///
    /// # Errors
    ///
    /// When the connection failed as a whole: nothing of the batch is acknowledged.
    async fn load(&mut self, batch: Batch) -> Result<Loaded, Error>;

    /// What to do once everything was written, such as making indexes; `complete` are the streams
    /// that are done. Nothing is lost when it fails.
    ///
    /// # Errors
    ///
    /// When nobody reads our stdout.
    async fn finish(
        &mut self,
        _complete: &BTreeSet<String>,
        _out: &mut Emitter,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// The statements by which an owner gives this user what setup and writing need, for a person
    /// to read and run.
    ///
    /// # Errors
    ///
    /// When this destination knows no grants.
    fn grants(&self) -> Result<String, Error> {
        Err(Error::config(format!("printing grants: {} needs none", Self::ABOUT.name)))
    }

    /// The next dead letters with a number greater than `after`, in order, at most some hundred; of
    /// one stream or of all. None is the end.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or this destination keeps none.
    async fn dead_letters(
        &mut self,
        _stream: Option<&str>,
        _after: i64,
    ) -> Result<Vec<DeadLetter>, Error> {
        Err(Error::config(format!("listing dead letters: {} keeps none", Self::ABOUT.name)))
    }

    /// Removes dead letters, except those that were refused again meanwhile.
    ///
    /// # Errors
    ///
    /// When they cannot be removed.
    async fn forget(&mut self, _letters: &[DeadLetter]) -> Result<(), Error> {
        Ok(())
    }
}
