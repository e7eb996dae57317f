//! The connector: what the harness calls, in terms of the other modules.

use std::collections::BTreeMap;

use connector::{About, Batch, BatchLimits, Destination, Emitter, Error, Loaded, StreamPlan};
use futures_util::{StreamExt as _, stream};
use protocol::{ConfiguredCatalog, Level, Spec, WrittenCounts};

use crate::{
    catalog,
    check::check,
    client::{Client, Patience, persist},
    config::{Config, Options, spec},
    failure::{ends_the_run, explain},
    meta,
    schema::{Table, plan},
    setup::{is_missing, refuse_mixing, setup},
    teardown::teardown,
    write::{Outcome, Session, Writer, attempt, split},
};

/// Writes records into PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    options: Options,
    client: Client,
    writers: BTreeMap<String, Writer>,
    /// Statements that begin every transaction that writes.
    settings: &'static str,
}

impl Destination for Postgres {
    const ABOUT: About = About {
        name: "destination-postgres",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Writes NDJSON records into PostgreSQL.",
        example: "  export POSTGRES_URL=postgres://me:secret@localhost:5432/shop\n  \
                  destination-postgres setup --config '{\"schema\":\"stripe\"}' --catalog catalog.json\n  \
                  source-stripe read … | destination-postgres write --config '{}' --catalog catalog.json",
        environment: &[("connection_string", &["POSTGRES_URL", "DATABASE_URL"])],
    };
    type Config = Config;

    fn spec() -> Spec {
        spec()
    }

    fn open(config: Config) -> Result<Self, Error> {
        let options = Options::of(config)?;
        let client = Client::new(&options)
            .map_err(|error| Error::config("reading the configuration").caused_by(error))?;
        Ok(Self { options, client, writers: BTreeMap::new(), settings: PLAIN })
    }

    async fn check(&mut self, plans: &[StreamPlan], _: &mut Emitter) -> Result<String, Error> {
        check(&self.client, &self.tables(plans)?).await
    }

    async fn setup(&mut self, plans: &[StreamPlan], out: &mut Emitter) -> Result<(), Error> {
        let tables = self.tables(plans)?;
        let places = setup(&self.client, &tables).await?;
        let said = format!("{} tables are ready in schema {}", places.len(), self.client.schema);
        out.places(&said, places).await
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
        let mut unwritable = Loaded::default();
        for plan in plans {
            match Writer::of(&self.client.schema, plan) {
                Ok(writer) => drop(self.writers.insert(plan.name().to_owned(), writer)),
                Err(reason) => {
                    unwritable.streams.insert(plan.name().to_owned(), Err(Error::config(reason)));
                }
            }
        }
        let read = persist(Patience::Busy, async || self.look().await);
        let seen = read.await.map_err(|error| explain(error, &self.client.write_remedy()))?;
        refuse_mixing(seen.mixed)?;
        self.settings = if seen.has_lz4 { WITH_LZ4 } else { PLAIN };
        unwritable.streams.extend(seen.unwritable.into_iter().map(|(name, why)| (name, Err(why))));
        Ok(unwritable)
    }

    async fn load(&mut self, batch: Batch) -> Result<Loaded, Error> {
        let mut loaded = Loaded::default();
        for (stream, outcome) in self.store(&batch).await {
            let counts = match outcome {
                Ok(outcome) => Ok(self.learn(&stream, &outcome)),
                Err(error) if ends_the_run(error.failure()) => {
                    return Err(explain(error, &self.client.write_remedy()));
                }
                Err(error) => Err(explain(error, &self.client.write_remedy())),
            };
            loaded.streams.insert(stream, counts);
        }
        Ok(loaded)
    }
}

/// A writer waits for another's row lock this long before it lets go of its own and tries again.
const PLAIN: &str = "SET LOCAL lock_timeout = '30s'";
/// lz4 saves the server a quarter of its CPU against its default, where it was built with it.
const WITH_LZ4: &str =
    "SET LOCAL lock_timeout = '30s'; SET LOCAL default_toast_compression = 'lz4'";

/// What there is before the first batch.
struct Seen {
    has_lz4: bool,
    mixed: Option<String>,
    unwritable: BTreeMap<String, Error>,
}

impl Postgres {
    fn tables(&self, plans: &[StreamPlan]) -> Result<Vec<Table>, Error> {
        let table = |plan| Table::of(&self.client.schema, plan).map_err(Error::config);
        plans.iter().map(table).collect()
    }

    fn learn(&mut self, stream: &str, outcome: &Outcome) -> WrittenCounts {
        if let Some(writer) = self.writers.get_mut(stream) {
            writer.learn(outcome);
        }
        outcome.counts
    }

    async fn look(&self) -> Result<Seen, pg::Error> {
        let client = self.client.get().await?;
        let schema = &self.client.schema;
        let asked = "SELECT EXISTS (SELECT FROM pg_settings \
                     WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))";
        let failed =
            |error: tokio_postgres::Error| pg::Error::query("asking for the settings", &error);
        let row = client.query_one(asked, &[]).await.map_err(failed)?;
        let has_lz4 = row.try_get(0).map_err(failed)?;
        let tables: Vec<&Table> = self.writers.values().map(|writer| &writer.table).collect();
        let existing = catalog::existing(&**client, schema, &tables).await?;
        let unwritable = tables.iter().filter_map(|table| {
            let found = existing.get(table.name.object().name());
            let reason = match found {
                None => Error::config(format!("the table {} does not exist", table.name))
                    .hint(self.client.write_remedy()),
                Some(_) => Error::config(plan(table, found, uuid::Uuid::nil()).err()?),
            };
            Some((table.stream.clone(), reason))
        });
        let unwritable = unwritable.collect();
        let mixed = match meta::read(&**client, schema).await {
            Ok(noted) => meta::mixes_modes(&noted, tables),
            Err(error) if is_missing(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Seen { has_lz4, mixed, unwritable })
    }

    /// Stores each stream's share; of a stream cut in parts the sum, or its first failure.
    async fn store(&self, batch: &Batch) -> BTreeMap<String, Result<Outcome, pg::Error>> {
        let session = Session { settings: self.settings, run_id: self.options.run_id.as_deref() };
        let parts = split(batch, &self.writers, self.options.connections);
        let stored = stream::iter(parts).map(|part| async move {
            let done =
                persist(Patience::Away, async || attempt(&self.client, session, &part).await);
            (part.stream.to_owned(), done.await)
        });
        let mut outcomes = BTreeMap::new();
        let mut stored = std::pin::pin!(stored.buffer_unordered(self.options.connections));
        while let Some((stream, outcome)) = stored.next().await {
            join(outcomes.entry(stream).or_insert(Ok(Outcome::default())), outcome);
        }
        outcomes
    }
}

fn join(sum: &mut Result<Outcome, pg::Error>, part: Result<Outcome, pg::Error>) {
    match (sum.as_mut(), part) {
        (Ok(sum), Ok(part)) => sum.add(&part),
        (Ok(_), Err(error)) => *sum = Err(error),
        (Err(_), _) => {}
    }
}
