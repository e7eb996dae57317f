//! Says whether the connection works and whether setup and write would be allowed.

use connector::{Deletes, Error, StreamPlan};
use pg::{Failure, Ident};
use tokio_postgres::{
    GenericClient,
    types::{ToSql, Type},
};

use crate::{
    catalog,
    client::Client,
    failure::explain,
    meta,
    schema::{Table, plan},
    setup::refuse_mixing,
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
    refuse_mixing(meta::mixing(&**connection, schema, &tables).await.map_err(told)?)?;
    let there = catalog::comments(&**connection, schema).await.map_err(told)?;
    let is_set_up = missing == 0 && there.contains_key(meta::META);
    may_make(&**connection, schema, !is_set_up).await.map_err(told)?;
    may_write(&**connection, client, &tables)
        .await
        .map_err(|error| explain(error, &client.write_remedy()))?;
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
    something_is_missing: bool,
) -> Result<(), pg::Error> {
    let asked = "SELECT CASE WHEN n.oid IS NULL \
                 THEN has_database_privilege(current_database(), 'CREATE') \
                 ELSE has_schema_privilege(n.oid, 'USAGE') \
                 AND (NOT $2 OR has_schema_privilege(n.oid, 'CREATE')) END \
                 FROM (SELECT $1::text AS name) w LEFT JOIN pg_namespace n ON n.nspname = w.name";
    let doing = format!("checking the privileges on schema {schema}");
    let row = client
        .query_typed_one(
            asked,
            &[(&schema.name(), Type::TEXT), (&something_is_missing, Type::BOOL)],
        )
        .await;
    let may: bool = row
        .and_then(|row| row.try_get(0))
        .map_err(|error| pg::Error::query(doing.clone(), &error))?;
    if may {
        return Ok(());
    }
    Err(refused(doing, "the user may not use it or create in it".to_owned()))
}

/// Fails when there is a table that this user may not write to.
async fn may_write(
    client: &impl GenericClient,
    Client { schema, deletes, .. }: &Client,
    tables: &[Table],
) -> Result<(), pg::Error> {
    let asked = "SELECT c.relname::text FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = ANY ($2) AND c.relkind IN ('r', 'p') \
                 AND NOT (has_table_privilege(c.oid, 'SELECT') \
                 AND has_table_privilege(c.oid, 'INSERT') \
                 AND has_table_privilege(c.oid, 'UPDATE') \
                 AND (NOT $3 OR has_table_privilege(c.oid, 'DELETE'))) ORDER BY 1 LIMIT 1";
    let doing = format!("checking the privileges on the tables of schema {schema}");
    let names: Vec<&str> = tables.iter().map(|table| table.name.object().name()).collect();
    let (schema, removes) = (schema.name(), *deletes == Deletes::Hard);
    let values: [(&(dyn ToSql + Sync), Type); 3] =
        [(&schema, Type::TEXT), (&names, Type::TEXT_ARRAY), (&removes, Type::BOOL)];
    let row = client.query_typed_opt(asked, &values).await;
    let table: Option<String> = row
        .and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map_err(|error| pg::Error::query(doing.clone(), &error))?;
    table.map_or(Ok(()), |table| {
        Err(refused(doing, format!("the user may not read and write table `{table}`")))
    })
}

fn refused(doing: String, reason: String) -> pg::Error {
    pg::Error::Query { doing, failure: Failure::Permission, code: None, reason }
}
