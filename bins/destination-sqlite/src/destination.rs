//! The connector: what the harness calls, in terms of the other modules.
//!
//! SQLite blocks while it works, so everything runs on a thread made for that; meanwhile the harness
//! goes on reading its input.

use connector::{
    About, Batch, BatchLimits, DeadLetter, Destination, Emitter, Error, Loaded, StreamPlan,
};
use protocol::{ConfiguredCatalog, Level, Spec};

use crate::check::check;
use crate::client::Client;
use crate::config::{Config, Options, spec};
use crate::dead_letter;
use crate::setup::{planned, setup, tables};
use crate::teardown::teardown;
use crate::write::Writer;

/// Writes records into a SQLite file.
#[derive(Debug)]
pub struct SqliteDestination {
    options: Options,
    /// From the first call on; away while a batch is being written.
    writer: Option<Writer>,
}

impl Destination for SqliteDestination {
    const ABOUT: About = About {
        name: "destination-sqlite",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes NDJSON records into a SQLite file.",
        example: "destination-sqlite setup --config '{\"path\":\"./stripe.db\"}' --catalog catalog.json\n  \
                  source-stripe read … | destination-sqlite write --config '{\"path\":\"./stripe.db\"}' --catalog catalog.json",
        environment: &[],
    };
    type Config = Config;

    fn spec() -> Spec {
        let mut spec = spec();
        spec.setup_dry_run = true;
        spec
    }

    fn open(config: Config) -> Result<Self, Error> {
        Ok(Self { options: Options::of(config)?, writer: None })
    }

    async fn check(&mut self, plans: &[StreamPlan], _: &mut Emitter) -> Result<String, Error> {
        let (path, tables) = (self.options.path.clone(), tables(plans)?);
        blocking(move || check(&path, &tables)).await?
    }

    async fn setup(&mut self, plans: &[StreamPlan], out: &mut Emitter) -> Result<(), Error> {
        let (path, tables) = (self.options.path.clone(), tables(plans)?);
        let places = blocking(move || setup(&path, &tables)).await??;
        let (count, file) = (places.len(), self.options.path.display());
        let tables = if count == 1 { "table is" } else { "tables are" };
        out.places(&format!("{count} {tables} ready in `{file}`"), places).await
    }

    async fn plan_setup(&mut self, plans: &[StreamPlan]) -> Result<Vec<String>, Error> {
        let (path, tables) = (self.options.path.clone(), tables(plans)?);
        blocking(move || planned(&path, &tables)).await?
    }

    async fn teardown(
        &mut self,
        streams: Option<&ConfiguredCatalog>,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let (path, streams) = (self.options.path.clone(), streams.cloned());
        let dropped = blocking(move || teardown(&path, streams.as_ref())).await??;
        let file = self.options.path.display();
        let said = match dropped.as_slice() {
            [] => format!("nothing in `{file}` was made by sync-engine: nothing dropped"),
            names => format!("dropped from `{file}`: {}", names.join(", ")),
        };
        out.log(Level::Info, said).await
    }

    fn limits(&self) -> BatchLimits {
        self.options.limits
    }

    fn echoes_records(&self) -> bool {
        self.options.echo_records
    }

    async fn begin(&mut self, plans: &[StreamPlan]) -> Result<Loaded, Error> {
        let (options, tables) = (self.options.clone(), tables(plans)?);
        let (writer, unwritable) = blocking(move || Writer::begin(&options, tables)).await??;
        self.writer = Some(writer);
        Ok(unwritable)
    }

    async fn load(&mut self, batch: Batch) -> Result<Loaded, Error> {
        let Some(mut writer) = self.writer.take() else {
            return Err(Error::internal("writing a batch before anything was opened"));
        };
        let (writer, loaded) = blocking(move || {
            let loaded = writer.load(&batch);
            (writer, loaded)
        })
        .await?;
        self.writer = Some(writer);
        loaded
    }

    async fn dead_letters(
        &mut self,
        stream: Option<&str>,
        after: i64,
    ) -> Result<Vec<DeadLetter>, Error> {
        let (path, stream) = (self.options.path.clone(), stream.map(str::to_owned));
        let read = move || {
            let client = Client::open(&path)?;
            dead_letter::read(&client.connection, stream.as_deref(), after)
                .map_err(|error| client.failed("reading dead letters from", &error))
        };
        blocking(read).await?
    }

    async fn forget(&mut self, letters: &[DeadLetter]) -> Result<(), Error> {
        let (path, letters) = (self.options.path.clone(), letters.to_vec());
        let forget = move || {
            let client = Client::open(&path)?;
            dead_letter::forget(&client.connection, &letters)
                .map_err(|error| client.failed("removing dead letters from", &error))
        };
        blocking(forget).await?
    }
}

/// Does work that blocks on a thread where that harms nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("working on the file").caused_by(error))
}
