//! Says whether the connection works and whether setup and write would be allowed.

use connector::{Error, StreamPlan};
use pg::{Failure, Ident};
use tokio_postgres::{GenericClient, types::Type};

use crate::{
    catalog, client::Client, failure::explain, meta, schema::plan, setup::refuse_mixing,
    survey::survey,
};

/// Returns what a person wants to know: server, place, and how many tables are there.
pub(crate) async fn check(client: &Client, plans: &[StreamPlan]) -> Result<String, Error> {
    let told = |error: pg::Error| explain(error, &client.setup_remedy());
    let connection = client.get().await.map_err(told)?;
    let server = server(&**connection).await.map_err(told)?;
    let schema = &client.schema;
    let seen = survey(&**connection, schema, plans, client.columns).await.map_err(told)?;
    let existing = seen.existing.clone();
    let tables = seen.all()?;
    let mut missing = 0_usize;
    for table in &tables {
        let found = existing.get(table.name.object().name());
        plan(table, found, uuid::Uuid::nil()).map_err(Error::config)?;
        missing += usize::from(found.is_none());
    }
    let comments = catalog::comments(&**connection, schema).await.map_err(told)?;
    if comments.contains_key(meta::META) {
        let noted = meta::read(&**connection, schema).await.map_err(told)?;
        refuse_mixing(meta::mixes_modes(&noted, &tables))?;
    }
    may_make(&**connection, schema, missing > 0).await.map_err(told)?;
    let place = format!("{}, schema {schema}", client.target());
    let there = tables.len().saturating_sub(missing);
    Ok(format!("PostgreSQL {server}, {place}: {there} tables are there, {missing} to be made"))
}

async fn server(client: &impl GenericClient) -> Result<String, pg::Error> {
    let row = client.query_typed_one("SHOW server_version", &[]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(|error| pg::Error::query("asking for the server's version", &error))
}

/// Fails when something is missing that this user may not make.
async fn may_make(
    client: &impl GenericClient,
    schema: &Ident,
    tables_are_missing: bool,
) -> Result<(), pg::Error> {
    let asked = "SELECT CASE WHEN n.oid IS NULL \
                 THEN has_database_privilege(current_database(), 'CREATE') \
                 ELSE has_schema_privilege(n.oid, 'USAGE') \
                 AND (NOT $2 OR has_schema_privilege(n.oid, 'CREATE')) END \
                 FROM (SELECT $1::text AS name) w LEFT JOIN pg_namespace n ON n.nspname = w.name";
    let doing = format!("checking the privileges on schema {schema}");
    let row = client
        .query_typed_one(asked, &[(&schema.name(), Type::TEXT), (&tables_are_missing, Type::BOOL)])
        .await;
    let may: bool = row
        .and_then(|row| row.try_get(0))
        .map_err(|error| pg::Error::query(doing.clone(), &error))?;
    if may {
        return Ok(());
    }
    Err(pg::Error::Query {
        doing,
        failure: Failure::Permission,
        code: None,
        reason: "the user may not use it or create in it".to_owned(),
    })
}
