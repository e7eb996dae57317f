//! The connector: what the harness calls, in terms of the other modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use connector::{
    About, Batch, BatchLimits, DeadLetter, Destination, Emitter, Error, Loaded, Look, Refused,
    Shape, StreamPlan,
};
use protocol::{ConfiguredCatalog, Level, Spec, WrittenCounts};

use crate::{
    begin::{Begun, begin},
    check::check,
    client::{Client, Patience, persist},
    config::{Config, Options, spec},
    dead_letter,
    failure::{ends_the_run, explain, grants},
    index::make_indexes,
    setup::{planned, setup},
    teardown::teardown,
    write::{Outcome, Session, Writer, load, look},
};

/// Writes records into PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    options: Options,
    client: Arc<Client>,
    writers: Arc<BTreeMap<String, Writer>>,
    /// Statements that begin every transaction that writes.
    settings: &'static str,
}

impl Destination for Postgres {
    const ABOUT: About = About {
        name: "destination-postgres",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes NDJSON records into PostgreSQL.",
        example: "export POSTGRES_URL=postgres://me:secret@localhost:5432/shop\n  \
                  destination-postgres setup --config '{\"schema\":\"stripe\"}' --catalog catalog.json\n  \
                  source-stripe read … | destination-postgres write --config '{}' --catalog catalog.json",
        environment: &[("connection_string", &["POSTGRES_URL", "DATABASE_URL"])],
    };
    type Config = Config;

    fn spec() -> Spec {
        let mut spec = spec();
        spec.setup_dry_run = true;
        spec
    }

    fn open(config: Config) -> Result<Self, Error> {
        let options = Options::of(config)?;
        let client = Client::new(&options)
            .map_err(|error| Error::config("reading the configuration").caused_by(error))?;
        Ok(Self { options, client: Arc::new(client), writers: Arc::default(), settings: "" })
    }

    async fn check(&mut self, plans: &[StreamPlan], _: &mut Emitter) -> Result<String, Error> {
        check(&self.client, plans).await
    }

    async fn setup(&mut self, plans: &[StreamPlan], out: &mut Emitter) -> Result<(), Error> {
        let places = setup(&self.client, plans).await?;
        let count = places.len();
        let tables = if count == 1 { "table is" } else { "tables are" };
        let said = format!("{count} {tables} ready in schema {}", self.client.schema);
        out.places(&said, places).await
    }

    async fn plan_setup(&mut self, plans: &[StreamPlan]) -> Result<Vec<String>, Error> {
        planned(&self.client, plans).await
    }

    async fn teardown(
        &mut self,
        streams: Option<&ConfiguredCatalog>,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let schema = &self.client.schema;
        let remedy = format!("only the owner of the tables in schema {schema} can drop them");
        let dropped = persist(Patience::Busy, async || {
            teardown(&mut self.client.get().await?, schema, streams).await
        })
        .await
        .map_err(|error| explain(error, &remedy))?;
        let said = match dropped.as_slice() {
            [] => format!("nothing in schema {schema} was made by sync-engine: nothing dropped"),
            names => format!("dropped from schema {schema}: {}", names.join(", ")),
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
        let Begun { settings, writers, unwritable } = begin(&self.client, plans).await?;
        self.settings = settings;
        self.writers = Arc::new(writers);
        Ok(unwritable)
    }

    fn shape(&self, plan: &StreamPlan) -> Shape {
        self.writers.get(plan.name()).map(|writer| writer.plan.shape().clone()).unwrap_or_default()
    }

    fn looks_ahead(&self) -> bool {
        self.writers.values().any(Writer::looks_first)
    }

    fn look(&self, batch: &Arc<Batch>) -> Look {
        let (client, writers) = (Arc::clone(&self.client), Arc::clone(&self.writers));
        Box::pin(look(client, Arc::clone(batch), writers))
    }

    async fn load(&mut self, batch: Batch) -> Result<Loaded, Error> {
        let session = Session {
            client: &self.client,
            settings: self.settings,
            run_id: self.options.run_id.as_deref(),
        };
        let mut loaded = Loaded::default();
        let stored = load(session, &batch, &self.writers, self.options.connections).await;
        for (stream, stored) in stored {
            let stored = stored.map_err(|error| {
                (ends_the_run(error.failure()), explain(error, &self.client.write_remedy()))
            });
            let counts = match stored {
                Ok((outcome, refused)) => Ok(self.learn(&stream, &outcome, &refused, &mut loaded)),
                Err((true, error)) => return Err(error),
                Err((false, error)) => Err(error),
            };
            loaded.streams.insert(stream, counts);
        }
        Ok(loaded)
    }

    async fn finish(
        &mut self,
        complete: &BTreeSet<String>,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        if !self.options.indexes {
            return Ok(());
        }
        let writers = self.writers.iter().filter(|(stream, _)| complete.contains(*stream));
        for (_, writer) in writers {
            let said = match make_indexes(&self.client, &writer.table, &writer.plan).await {
                Ok(made) if made.is_empty() => continue,
                Ok(made) => (Level::Info, format!("made indexes: {}", made.join(", "))),
                Err(error) => (Level::Warn, format!("{error}; the rows are there all the same")),
            };
            out.log(said.0, said.1).await?;
        }
        Ok(())
    }

    fn grants(&self) -> Result<String, Error> {
        Ok(grants(&self.client.schema, self.client.target()))
    }

    async fn dead_letters(
        &mut self,
        stream: Option<&str>,
        after: i64,
    ) -> Result<Vec<DeadLetter>, Error> {
        let read = persist(Patience::Busy, async || {
            let client = self.client.get().await?;
            dead_letter::read(&**client, &self.client.schema, stream, after).await
        });
        read.await.map_err(|error| explain(error, &self.client.write_remedy()))
    }

    async fn forget(&mut self, letters: &[DeadLetter]) -> Result<(), Error> {
        let gone = persist(Patience::Away, async || {
            let client = self.client.get().await?;
            dead_letter::forget(&**client, &self.client.schema, letters).await
        });
        gone.await.map_err(|error| explain(error, &self.client.write_remedy()))
    }
}

impl Postgres {
    fn learn(
        &self,
        stream: &str,
        outcome: &Outcome,
        refused: &[Refused],
        loaded: &mut Loaded,
    ) -> WrittenCounts {
        if let Some(writer) = self.writers.get(stream) {
            writer.learn(outcome);
        }
        let told = |Refused { key, error, .. }: &Refused| {
            format!("record {key:?} of stream `{stream}`: {error}")
        };
        loaded.refusals.extend(refused.iter().map(told));
        outcome.counts
    }
}
