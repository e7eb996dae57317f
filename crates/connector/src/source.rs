//! What a source has to do.

use protocol::{Catalog, ConfiguredCatalog, SourceState, Spec};
use serde::de::DeserializeOwned;

use crate::about::About;
use crate::config::Environment;
use crate::emitter::Emitter;
use crate::error::Error;
use crate::input::Input;
use crate::stop::Stop;

/// What a `read` is asked for.
#[derive(Debug)]
pub struct ReadRequest {
    /// The streams, and what is wanted of each.
    pub catalog: ConfiguredCatalog,
    /// How far earlier reads got; empty at first.
    pub state: SourceState,
    /// Whether to stay after the history was read, and pass on changes as they come.
    pub follow: bool,
    /// What comes in on stdin. A source that does not ask for it neither waits for it nor minds its
    /// end. With `acks` in its spec, every confirmed state comes back here as a line, in order.
    pub input: Input,
}

/// A program that reads some system.
///
/// The laws it keeps (`docs/protocol.md`): a state is emitted after every record it covers, and speaks only of
/// what was **emitted**, never of what was fetched. Each stream gets `start` and then exactly one
/// terminal status, unless it was cut off by a stop. A failed stream never stops the others.
#[expect(async_fn_in_trait, reason = "each program has one connector, driven by one task")]
pub trait Source: Sized {
    /// Name, version and example.
    const ABOUT: About;
    /// What a user writes; unknown keys were refused before, by the spec's schema.
    type Config: DeserializeOwned;

    /// Describes configuration and state.
    fn spec() -> Spec;

    /// Prepares, without asking for data yet. What the configuration names may be read or fetched,
    /// and `environment` says where the user keeps files.
    ///
    /// # Errors
    ///
    /// When the configuration makes no sense, or names what cannot be had.
    async fn open(
        config: Self::Config,
        environment: &Environment,
        out: &mut Emitter,
    ) -> Result<Self, Error>;

    /// Asks whether the connection works, and for each stream of the catalog whether it can be read.
    /// Returns what a person wants to know of it.
    ///
    /// # Errors
    ///
    /// When it does not work.
    async fn check(
        &self,
        catalog: Option<&ConfiguredCatalog>,
        out: &mut Emitter,
    ) -> Result<String, Error>;

    /// Lists what can be read.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    async fn discover(&self, out: &mut Emitter) -> Result<Catalog, Error>;

    /// Reads until everything asked was tried, or a stop is requested: then it stops asking for more,
    /// emits what it has with its states, and returns.
    ///
    /// # Errors
    ///
    /// When the connection failed as a whole; the failure of one stream is no error here.
    async fn read(&self, request: ReadRequest, out: &mut Emitter, stop: Stop) -> Result<(), Error>;

    /// Prepares the other side, such as a webhook endpoint. Nothing, unless overridden.
    ///
    /// # Errors
    ///
    /// When that fails.
    async fn setup(&self, _catalog: &ConfiguredCatalog, _out: &mut Emitter) -> Result<(), Error> {
        Ok(())
    }

    /// Removes what `setup` made. Nothing, unless overridden.
    ///
    /// # Errors
    ///
    /// When that fails.
    async fn teardown(
        &self,
        _catalog: Option<&ConfiguredCatalog>,
        _out: &mut Emitter,
    ) -> Result<(), Error> {
        Ok(())
    }
}
