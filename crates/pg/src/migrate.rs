//! Forward-only migrations, each applied once and recorded with its checksum.

use std::collections::BTreeMap;

use tokio_postgres::{
    Transaction,
    types::{ToSql, Type},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, Ident};

/// One step of a schema's history; once released it never changes.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its place in the order, from 1.
    pub number: i32,
    /// What it does, for people.
    pub name: &'static str,
    /// Statements; every `{{schema}}` becomes the quoted schema name.
    pub sql: &'static str,
}

/// Applies what is missing, in one transaction, and returns the numbers applied.
///
/// Makes the schema if it is missing. Concurrent callers wait for one another. A second call
/// changes nothing. An applied migration whose text changed, or one that this program does not
/// know, is an error: the tables belong to another version.
pub async fn migrate(
    client: &mut tokio_postgres::Client,
    schema: &Ident,
    migrations: &[Migration],
) -> Result<Vec<i32>, Error> {
    let failed = |source: tokio_postgres::Error| {
        Error::query(format!("migrating schema `{}`", schema.name()), &source)
    };
    let transaction = client.transaction().await.map_err(failed)?;
    lock_migrations(&transaction, schema).await.map_err(failed)?;
    prepare(&transaction, schema).await.map_err(failed)?;
    let applied = recorded(&transaction, schema).await.map_err(failed)?;
    let missing = plan(schema, migrations, &applied)?;
    for migration in &missing {
        apply(&transaction, schema, migration).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(missing.iter().map(|migration| migration.number).collect())
}

/// A key for `pg_advisory_xact_lock` made of a purpose and a name.
pub fn advisory_key(purpose: &str, name: &str) -> i64 {
    let text = format!("sync-engine\0{purpose}\0{name}");
    i64::from_ne_bytes(xxh3_64(text.as_bytes()).to_ne_bytes())
}

/// Waits until nobody else migrates the schema, and keeps others from it until the transaction ends.
pub async fn lock_migrations(
    transaction: &Transaction<'_>,
    schema: &Ident,
) -> Result<(), tokio_postgres::Error> {
    let key = advisory_key("migrate", schema.name());
    let asked = "SELECT pg_advisory_xact_lock($1)";
    transaction.query_typed(asked, &[(&key, Type::INT8)]).await.map(drop)
}

/// Asks first: `IF NOT EXISTS` would need the privilege to create even when nothing is missing.
async fn prepare(
    transaction: &Transaction<'_>,
    schema: &Ident,
) -> Result<(), tokio_postgres::Error> {
    let asked = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), \
                 EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = $2)";
    let name = schema.name();
    let names: [(&(dyn ToSql + Sync), Type); 2] = [(&name, Type::TEXT), (&MIGRATIONS, Type::TEXT)];
    let row = transaction.query_typed_one(asked, &names).await?;
    if !row.try_get::<_, bool>(0)? {
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
    }
    if !row.try_get::<_, bool>(1)? {
        let table = format!(
            "CREATE TABLE {schema}.{MIGRATIONS} (number integer PRIMARY KEY, name text NOT NULL, \
             checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        );
        transaction.batch_execute(&table).await?;
    }
    Ok(())
}

/// The table that records what was applied.
pub const MIGRATIONS: &str = "_sync_migrations";

async fn recorded(
    transaction: &Transaction<'_>,
    schema: &Ident,
) -> Result<BTreeMap<i32, String>, tokio_postgres::Error> {
    let asked = format!("SELECT number, checksum FROM {schema}.{MIGRATIONS}");
    let rows = transaction.query_typed(&asked, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn apply(
    transaction: &Transaction<'_>,
    schema: &Ident,
    migration: &Migration,
) -> Result<(), tokio_postgres::Error> {
    transaction.batch_execute(&migration.sql.replace("{{schema}}", &schema.to_string())).await?;
    let record =
        format!("INSERT INTO {schema}.{MIGRATIONS} (number, name, checksum) VALUES ($1, $2, $3)");
    let checksum = checksum(migration);
    let values: [(&(dyn ToSql + Sync), Type); 3] =
        [(&migration.number, Type::INT4), (&migration.name, Type::TEXT), (&checksum, Type::TEXT)];
    transaction.execute_typed(&record, &values).await.map(drop)
}

fn checksum(migration: &Migration) -> String {
    format!("{:016x}", xxh3_64(migration.sql.as_bytes()))
}

/// Decides what is missing, in order; pure.
fn plan<'m>(
    schema: &Ident,
    known: &'m [Migration],
    applied: &BTreeMap<i32, String>,
) -> Result<Vec<&'m Migration>, Error> {
    let refused =
        |reason: String| Err(Error::Migration { schema: schema.name().to_owned(), reason });
    let mut missing = Vec::new();
    for migration in known {
        match applied.get(&migration.number) {
            None => missing.push(migration),
            Some(recorded) if *recorded == checksum(migration) => {}
            Some(_) => {
                return refused(format!(
                    "migration {} `{}` was changed after it had been applied; use the version \
                     of the program that applied it",
                    migration.number, migration.name
                ));
            }
        }
    }
    if let Some(number) = applied.keys().find(|number| known.iter().all(|m| m.number != **number)) {
        return refused(format!(
            "migration {number} was applied by a newer version of the program; use that version"
        ));
    }
    missing.sort_by_key(|migration| migration.number);
    Ok(missing)
}
