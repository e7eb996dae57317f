//! State in the data schema of a PostgreSQL copy.

use std::time::Duration;

use pg::{Client, Ident, Migration, Settings};
use protocol::Places;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_postgres::types::{ToSql, Type};

use super::kept::{GLOBAL, Kept, Pipeline, Removed, StoreError, TABLES};
use super::lease::Holder;
use super::postgres_runs::{keeping, keeps};
use crate::config::Config;
use crate::pipeline::DEFAULT_SCHEMA;
use crate::reduce::Unsaved;

/// The engine's own tables.
const MIGRATIONS: [Migration; 3] = [
    Migration {
        number: 1,
        name: "sync_state",
        sql: include_str!("../../../../migrations/0001_sync_state.sql"),
    },
    Migration {
        number: 2,
        name: "sync_run",
        sql: include_str!("../../../../migrations/0002_sync_run.sql"),
    },
    Migration {
        number: 3,
        name: "freshness",
        sql: include_str!("../../../../migrations/0003_freshness.sql"),
    },
];

/// How often a save is tried when the connection is lost, with twice the wait each time.
const TRIES: u32 = 6;

/// State in tables beside the data.
#[derive(Debug)]
pub struct PostgresStore {
    pub(super) pipeline: String,
    settings: Settings,
    pub(super) schema: Ident,
    client: Option<Client>,
    in_the_copy: bool,
    /// Who runs the pipeline, once that is this process.
    pub(super) holder: Option<Holder>,
}

impl PostgresStore {
    pub(super) fn new(pipeline: &str, config: &Config) -> Result<Self, StoreError> {
        let unusable =
            |source| StoreError::Postgres { doing: "choosing where state is kept", source };
        let text = |key: &str| config.get(key).and_then(Value::as_str);
        let url = text("url").or_else(|| text("connection_string")).unwrap_or_default();
        Ok(Self {
            pipeline: pipeline.to_owned(),
            settings: Settings::from_url(url).map_err(unusable)?,
            schema: Ident::new(text("schema").unwrap_or(DEFAULT_SCHEMA)).map_err(unusable)?,
            client: None,
            in_the_copy: true,
            holder: None,
        })
    }

    /// In a database of its own choice, in the schema that `?schema=` names.
    pub(super) fn at(pipeline: &str, url: &str) -> Result<Self, StoreError> {
        let (url, schema) = split_schema(url);
        let config = [("url", url), ("schema", schema)];
        let config = config.map(|(key, value)| (key.to_owned(), Value::from(value)));
        Ok(Self { in_the_copy: false, ..Self::new(pipeline, &config.into_iter().collect())? })
    }

    pub(super) const fn is_in_the_copy(&self) -> bool {
        self.in_the_copy
    }

    pub(super) fn describe(&self) -> String {
        format!("table `_sync_state` in schema `{}`", self.schema.name())
    }

    pub(super) async fn load(&mut self) -> Result<Kept, StoreError> {
        let failed = |source| StoreError::Postgres { doing: "loading state", source };
        let mut kept = Kept::default();
        if self.has_table("_sync_state").await.map_err(failed)? {
            self.load_states(&mut kept).await.map_err(failed)?;
        }
        if self.has_table("_sync_pipeline").await.map_err(failed)? {
            self.load_pipeline(&mut kept.pipeline).await.map_err(failed)?;
        }
        Ok(kept)
    }

    pub(super) async fn prepare(&mut self) -> Result<(), StoreError> {
        let failed = |source| StoreError::Postgres { doing: "making tables for state", source };
        let schema = self.schema.clone();
        let client = self.client().await.map_err(failed)?;
        pg::migrate(client, &schema, &MIGRATIONS).await.map_err(failed)?;
        Ok(())
    }

    pub(super) async fn save(
        &mut self,
        unsaved: &Unsaved,
        pipeline: Option<&Pipeline>,
    ) -> Result<(), StoreError> {
        let states = unsaved.streams.iter().map(|(name, state)| (name.as_str(), &**state));
        let global = unsaved.global.as_deref().map(|state| (GLOBAL, state));
        let (names, states): (Vec<&str>, Vec<&str>) =
            states.chain(global).map(|(name, state)| (name, state.get())).unzip();
        let mut wait = Duration::from_millis(500);
        let mut tries = 1;
        loop {
            let source = match self.try_save(&names, &states, pipeline).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    return Err(StoreError::TakenOver { pipeline: self.pipeline.clone() });
                }
                Err(source) => source,
            };
            let passing = matches!(
                source.failure(),
                pg::Failure::Later | pg::Failure::Unreachable | pg::Failure::Internal
            );
            if !passing || tries == TRIES {
                return Err(StoreError::Postgres { doing: "saving state", source });
            }
            self.client = None;
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2);
            tries += 1;
        }
    }

    pub(super) async fn reset(&mut self, streams: Option<&[String]>) -> Result<(), StoreError> {
        let failed = |source| StoreError::Postgres { doing: "forgetting state", source };
        let doing = "deleting rows of `_sync_state`";
        let pipeline = self.pipeline.clone();
        let table = format!("DELETE FROM {}._sync_state WHERE sync_id = $1", self.schema);
        let client = self.client().await.map_err(failed)?;
        let result = match streams {
            None => client.query_typed(&table, &[(&pipeline, Type::TEXT)]).await,
            Some(streams) => {
                let statement = format!("{table} AND stream = ANY($2)");
                let streams = streams.to_vec();
                let values: [(&(dyn ToSql + Sync), Type); 2] =
                    [(&pipeline, Type::TEXT), (&streams, Type::TEXT_ARRAY)];
                client.query_typed(&statement, &values).await
            }
        };
        result.map(drop).map_err(|source| failed(pg::Error::query(doing, &source)))
    }

    pub(super) async fn remove(&mut self) -> Result<Removed, StoreError> {
        let failed = |source| StoreError::Postgres { doing: "forgetting the pipeline", source };
        let removed = self.try_remove().await.map_err(failed)?;
        self.holder = None;
        removed.ok_or(StoreError::TakenOver { pipeline: self.pipeline.clone() })
    }

    /// What went; `None` when another run has the pipeline.
    async fn try_remove(&mut self) -> Result<Option<Removed>, pg::Error> {
        let failed = |source| pg::Error::query("removing tables for state", &source);
        let (schema, id) = (self.schema.clone(), self.pipeline.clone());
        let Some(holder) = self.holder.clone() else { return Ok(Some(Removed::Nothing)) };
        let client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        // Whoever makes the tables for another pipeline waits, and then makes them anew.
        pg::lock_migrations(&transaction, &schema).await.map_err(failed)?;
        if !keeps(&transaction, &schema, &id, &holder).await.map_err(failed)? {
            return Ok(None);
        }
        let mut is_shared = false;
        for table in TABLES {
            let statement = format!("DELETE FROM {schema}.{table} WHERE sync_id = $1");
            transaction.query_typed(&statement, &[(&id, Type::TEXT)]).await.map_err(failed)?;
            let asked = format!("SELECT EXISTS (SELECT FROM {schema}.{table})");
            let row = transaction.query_typed_one(&asked, &[]).await.map_err(failed)?;
            is_shared |= row.try_get::<_, bool>(0).map_err(failed)?;
        }
        if !is_shared {
            for table in TABLES.iter().chain([&pg::MIGRATIONS]) {
                let statement = format!("DROP TABLE {schema}.{table}");
                transaction.batch_execute(&statement).await.map_err(failed)?;
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok(Some(if is_shared { Removed::Rows } else { Removed::Place }))
    }

    /// The connection, opened when there is none. Statements are sent unnamed, so that they work
    /// behind a pooler.
    pub(super) async fn client(&mut self) -> Result<&mut Client, pg::Error> {
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => pg::connect(&self.settings).await?,
        };
        Ok(self.client.insert(client))
    }

    pub(super) async fn has_table(&mut self, table: &str) -> Result<bool, pg::Error> {
        let schema = self.schema.name().to_owned();
        let asked = "SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = $2";
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&schema, Type::TEXT), (&table, Type::TEXT)];
        let rows = self.client().await?.query_typed(asked, &values).await;
        Ok(!rows.map_err(|source| pg::Error::query("looking for state", &source))?.is_empty())
    }

    async fn load_states(&mut self, kept: &mut Kept) -> Result<(), pg::Error> {
        let failed = |source| pg::Error::query("reading `_sync_state`", &source);
        let pipeline = self.pipeline.clone();
        let statement = format!(
            "SELECT stream, state::text FROM {}._sync_state WHERE sync_id = $1",
            self.schema
        );
        let rows = self.client().await?.query_typed(&statement, &[(&pipeline, Type::TEXT)]).await;
        for row in rows.map_err(failed)? {
            let stream: String = row.try_get(0).map_err(failed)?;
            match RawValue::from_string(row.try_get(1).map_err(failed)?) {
                Ok(state) if stream == GLOBAL => kept.source.global = Some(state),
                Ok(state) => {
                    kept.source.streams.insert(stream, state);
                }
                Err(error) => kept.unreadable.push((stream, error.to_string())),
            }
        }
        Ok(())
    }

    async fn load_pipeline(&mut self, pipeline: &mut Pipeline) -> Result<(), pg::Error> {
        let failed = |source| pg::Error::query("reading `_sync_pipeline`", &source);
        let id = self.pipeline.clone();
        let statement = format!(
            "SELECT places::text, last_run, pinned::text FROM {}._sync_pipeline WHERE sync_id = $1",
            self.schema
        );
        let rows = self.client().await?.query_typed(&statement, &[(&id, Type::TEXT)]).await;
        let Some(row) = rows.map_err(failed)?.into_iter().next() else { return Ok(()) };
        let places: String = row.try_get(0).map_err(failed)?;
        let pinned: String = row.try_get(2).map_err(failed)?;
        // What does not decode was written by another program: those places count as unknown.
        pipeline.places = serde_json::from_str::<Places>(&places).unwrap_or_default();
        pipeline.last_run = row.try_get(1).map_err(failed)?;
        pipeline.pinned = serde_json::from_str::<Config>(&pinned).unwrap_or_default();
        Ok(())
    }

    /// The same for states alone, in one statement that waits for no disk: the rows that a state
    /// speaks for are durable before it, and a server that dies may forget only that they are.
    async fn try_save_states(
        &mut self,
        holder: &Holder,
        names: &[&str],
        states: &[&str],
    ) -> Result<bool, pg::Error> {
        let failed = |source| pg::Error::query("writing `_sync_state`", &source);
        let (schema, id) = (self.schema.clone(), self.pipeline.clone());
        let statement = format!(
            "WITH kept AS ({}), saved AS ({}) \
             SELECT set_config('synchronous_commit', 'off', true) FROM kept",
            keeping(&schema),
            saving(&schema, "kept, unnest($3::text[], $4::text[])")
        );
        let values: [(&(dyn ToSql + Sync), Type); 4] = [
            (&id, Type::TEXT),
            (&holder.token, Type::TEXT),
            (&names, Type::TEXT_ARRAY),
            (&states, Type::TEXT_ARRAY),
        ];
        let client = self.client().await?;
        client.query_typed(&statement, &values).await.map(|rows| !rows.is_empty()).map_err(failed)
    }

    /// Says whether it was saved: not when another run has the pipeline.
    async fn try_save(
        &mut self,
        names: &[&str],
        states: &[&str],
        pipeline: Option<&Pipeline>,
    ) -> Result<bool, pg::Error> {
        let failed = |source| pg::Error::query("writing `_sync_state`", &source);
        let (schema, id) = (self.schema.clone(), self.pipeline.clone());
        let holder = self.holder.clone();
        if let (Some(holder), None) = (&holder, pipeline) {
            return self.try_save_states(holder, names, states).await;
        }
        let client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        if let Some(holder) = &holder
            && !keeps(&transaction, &schema, &id, holder).await.map_err(failed)?
        {
            return Ok(false);
        }
        let statement = saving(&schema, "unnest($2::text[], $3::text[])");
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&id, Type::TEXT), (&names, Type::TEXT_ARRAY), (&states, Type::TEXT_ARRAY)];
        transaction.query_typed(&statement, &values).await.map_err(failed)?;
        if let Some(pipeline) = pipeline {
            save_pipeline(&transaction, &schema, &id, pipeline).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }
}

/// Writes states of pipeline `$1`, of which `from` gives names and data last; what is known of a
/// stream gives way.
fn saving(schema: &Ident, from: &str) -> String {
    format!(
        "INSERT INTO {schema}._sync_state (sync_id, stream, state, updated_at) \
         SELECT $1, name, data::jsonb, now() FROM {from} AS s (name, data) \
         ON CONFLICT (sync_id, stream) \
         DO UPDATE SET state = EXCLUDED.state, updated_at = EXCLUDED.updated_at"
    )
}

/// Takes `schema` out of the parameters of a URL.
fn split_schema(url: &str) -> (String, String) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), DEFAULT_SCHEMA.to_owned());
    };
    let (ours, rest): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|parameter| parameter.starts_with("schema="));
    let schema = ours.first().and_then(|parameter| parameter.strip_prefix("schema="));
    let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    (url, schema.unwrap_or(DEFAULT_SCHEMA).to_owned())
}

async fn save_pipeline(
    transaction: &tokio_postgres::Transaction<'_>,
    schema: &Ident,
    id: &str,
    pipeline: &Pipeline,
) -> Result<(), tokio_postgres::Error> {
    let statement = format!(
        "INSERT INTO {schema}._sync_pipeline (sync_id, places, last_run, pinned, updated_at) \
         VALUES ($1, $2::text::jsonb, $3, $4::text::jsonb, now()) \
         ON CONFLICT (sync_id) DO UPDATE SET places = EXCLUDED.places, \
         last_run = EXCLUDED.last_run, pinned = EXCLUDED.pinned, updated_at = EXCLUDED.updated_at"
    );
    let places = serde_json::to_string(&pipeline.places).unwrap_or_else(|_| "{}".to_owned());
    let pinned = Value::Object(pipeline.pinned.clone()).to_string();
    let values: [(&(dyn ToSql + Sync), Type); 4] = [
        (&id, Type::TEXT),
        (&places, Type::TEXT),
        (&pipeline.last_run, Type::TEXT),
        (&pinned, Type::TEXT),
    ];
    transaction.query_typed(&statement, &values).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_taken_out_of_the_address_and_the_rest_stays() {
        let split = |url| split_schema(url);
        let expected = ("postgres://h/d?sslmode=require".to_owned(), "s".to_owned());
        assert_eq!(split("postgres://h/d?schema=s&sslmode=require"), expected);
        assert_eq!(split("postgres://h/d?schema=s").0, "postgres://h/d");
        assert_eq!(split("postgres://h/d").1, DEFAULT_SCHEMA);
    }
}
