//! The table `_sync_tombstone`: keys and stamps of rows that were removed, so that a version older
//! than the removal does not bring one back.

use pg::{Error, Ident, Qualified};
use tokio_postgres::{GenericClient, types::Type};

/// The table's name.
pub(crate) const TOMBSTONES: &str = "_sync_tombstone";

pub(crate) fn table(schema: &Ident) -> Result<Qualified, Error> {
    Ok(schema.with(&Ident::new(TOMBSTONES)?))
}

/// The statement that makes the table.
pub(crate) fn create(schema: &Ident) -> Result<String, Error> {
    let name = table(schema)?;
    Ok(format!(
        "CREATE TABLE {name} (stream text NOT NULL, key text[] NOT NULL, stamp bigint NOT NULL, \
         at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (stream, key)); \
         COMMENT ON TABLE {name} IS 'sync-engine; keys of removed rows, kept for 30 days'"
    ))
}

/// Forgets rows that were removed 30 days ago.
pub(crate) async fn expire(client: &impl GenericClient, schema: &Ident) -> Result<(), Error> {
    let name = table(schema)?;
    let statement = format!("DELETE FROM {name} WHERE at < now() - interval '30 days'");
    let gone = client.execute_typed(&statement, &[]).await;
    gone.map(drop).map_err(|error| Error::query(format!("clearing {name}"), &error))
}

/// Forgets what was removed from a stream's table, because the table is new or gone.
pub(crate) async fn clear(
    client: &impl GenericClient,
    schema: &Ident,
    streams: &[&str],
) -> Result<(), Error> {
    let name = table(schema)?;
    let statement = format!("DELETE FROM {name} WHERE stream = ANY ($1)");
    let gone = client.execute_typed(&statement, &[(&streams, Type::TEXT_ARRAY)]).await;
    gone.map(drop).map_err(|error| Error::query(format!("clearing {name}"), &error))
}
