//! Makes what is missing: the schema, `_sync_meta`, and each table in a transaction of its own.

use connector::{Deletes, StreamPlan};
use pg::{Error, Ident, Pooled};
use protocol::Places;
use tokio_postgres::{GenericClient, types::Type};
use uuid::Uuid;

use crate::{
    catalog,
    client::{Client, Patience, persist},
    dead_letter::{self, LETTERS},
    failure::explain,
    meta,
    schema::{Table, place_of, plan},
    survey::survey,
    tombstone::{self, TOMBSTONES},
};

/// How long a statement waits for a lock before it gives way to the readers queued behind it.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '5s'";
/// The mark of a schema that setup made.
pub(crate) const SCHEMA_COMMENT: &str = "sync-engine; made by setup";

/// Brings the server to what the streams ask for and returns their tables' places.
pub(crate) async fn setup(
    client: &Client,
    plans: &[StreamPlan],
) -> Result<Places, connector::Error> {
    let told = |error: Error| explain(error, &client.setup_remedy());
    persist(Patience::Busy, async || ground(&mut client.get().await?, client).await)
        .await
        .map_err(told)?;
    let seen = persist(Patience::Busy, async || {
        survey(&**client.get().await?, &client.schema, plans, client.columns).await
    });
    let tables = seen.await.map_err(told)?.all()?;
    let mixing = persist(Patience::Busy, async || {
        meta::mixing(&**client.get().await?, &client.schema, &tables).await
    });
    refuse_mixing(mixing.await.map_err(told)?)?;
    for table in &tables {
        let made = persist(Patience::Busy, async || one(&mut client.get().await?, table).await);
        made.await.map_err(told)?.map_err(connector::Error::config)?;
    }
    let noted = meta::read(&**client.get().await.map_err(told)?, &client.schema).await;
    Ok(meta::places(&noted.map_err(told)?, &tables))
}

/// Fails when live and test data would come together.
pub(crate) fn refuse_mixing(found: Option<String>) -> Result<(), connector::Error> {
    found.map_or(Ok(()), |reason| {
        Err(connector::Error::config(reason).hint("use another `schema` for it"))
    })
}

/// The schema and the tables of our own in it. Asks before it makes: `IF NOT EXISTS` would need the
/// privilege to create even where nothing is missing.
async fn ground(connection: &mut Pooled, client: &Client) -> Result<(), Error> {
    let schema = &client.schema;
    let doing = format!("setting up schema {schema}");
    let failed = |error: tokio_postgres::Error| Error::query(doing.clone(), &error);
    let transaction = connection.transaction().await.map_err(failed)?;
    lock(&*transaction, schema.name(), "").await.map_err(failed)?;
    for statement in missing_ground(&*transaction, client).await? {
        transaction.batch_execute(&statement).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// The statements for what is missing of the schema and of our own tables in it.
async fn missing_ground(
    connection: &impl GenericClient,
    client: &Client,
) -> Result<Vec<String>, Error> {
    let schema = &client.schema;
    let mut statements = Vec::new();
    if catalog::schema_comment(connection, schema).await?.is_none() {
        let comment = pg::Literal::new(SCHEMA_COMMENT)?;
        statements.push(format!("CREATE SCHEMA {schema}; COMMENT ON SCHEMA {schema} IS {comment}"));
    }
    let there = catalog::comments(connection, schema).await?;
    let mut wanted =
        vec![(meta::META, meta::create(schema)?), (LETTERS, dead_letter::create(schema)?)];
    if client.deletes == Deletes::Hard {
        wanted.push((TOMBSTONES, tombstone::create(schema)?));
    }
    let missing = wanted.into_iter().filter(|(name, _)| !there.contains_key(*name));
    statements.extend(missing.map(|(_, statement)| statement));
    Ok(statements)
}

/// The statements that setup would run; changes nothing. The ids in them are made anew each time.
pub(crate) async fn planned(
    client: &Client,
    plans: &[StreamPlan],
) -> Result<Vec<String>, connector::Error> {
    let told = |error: Error| explain(error, &client.setup_remedy());
    let connection = client.get().await.map_err(told)?;
    let mut statements = missing_ground(&**connection, client).await.map_err(told)?;
    let seen = survey(&**connection, &client.schema, plans, client.columns).await.map_err(told)?;
    let existing = seen.existing.clone();
    let tables = seen.all()?;
    refuse_mixing(meta::mixing(&**connection, &client.schema, &tables).await.map_err(told)?)?;
    for table in &tables {
        let found = existing.get(table.name.object().name());
        let planned = plan(table, found, Uuid::new_v4()).map_err(connector::Error::config)?;
        statements.extend(planned);
    }
    Ok(statements.into_iter().map(|statement| format!("{statement};")).collect())
}

/// One table. The inner failure is a conflict that no privilege and no waiting resolves.
async fn one(client: &mut Pooled, table: &Table) -> Result<Result<(), String>, Error> {
    let doing = format!("setting up table {}", table.name);
    let failed = |error: tokio_postgres::Error| Error::query(doing.clone(), &error);
    let schema = table.name.schema();
    let transaction = client.transaction().await.map_err(failed)?;
    lock(&*transaction, schema.name(), table.name.object().name()).await.map_err(failed)?;
    let mut found = catalog::existing(&*transaction, schema, &[table]).await?;
    let existing = found.remove(table.name.object().name());
    let fresh = Uuid::new_v4();
    let statements = match plan(table, existing.as_ref(), fresh) {
        Ok(statements) => statements,
        Err(reason) => return Ok(Err(reason)),
    };
    for statement in &statements {
        tracing::debug!(%statement, "changing the schema");
        transaction.batch_execute(statement).await.map_err(failed)?;
    }
    if existing.is_none() && has_tombstones(&*transaction, schema).await? {
        tombstone::clear(&*transaction, schema, &[&table.stream]).await?;
    }
    let place = existing.and_then(|found| place_of(found.comment.as_deref())).unwrap_or(fresh);
    let noted = meta::read(&*transaction, schema).await?;
    meta::note(&*transaction, table, place, noted.get(&table.stream)).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(Ok(()))
}

async fn has_tombstones(client: &impl GenericClient, schema: &Ident) -> Result<bool, Error> {
    Ok(catalog::comments(client, schema).await?.contains_key(TOMBSTONES))
}

/// Concurrent setups of one object wait for one another.
pub(crate) async fn lock(
    client: &impl GenericClient,
    schema: &str,
    object: &str,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(LOCK_TIMEOUT).await?;
    let key = pg::advisory_key("setup", &format!("{schema}\0{object}"));
    let asked = "SELECT pg_advisory_xact_lock($1)";
    client.query_typed(asked, &[(&key, Type::INT8)]).await.map(drop)
}
