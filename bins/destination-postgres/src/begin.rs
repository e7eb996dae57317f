//! What there is before the first batch: how each stream is written, and which cannot be.

use std::collections::{BTreeMap, BTreeSet};

use connector::{Deletes, Error, Loaded, StreamPlan};
use futures_util::future::try_join;

use crate::{
    catalog,
    client::{Client, Patience, persist},
    failure::explain,
    meta,
    schema::{Existing, Table, plan},
    setup::refuse_mixing,
    survey::survey,
    tombstone,
    write::Writer,
};

/// A writer waits for another's row lock this long before it lets go of its own and tries again.
const PLAIN: &str = "SET LOCAL lock_timeout = '30s'";
/// lz4 saves the server a quarter of its CPU against its default, where it was built with it.
const WITH_LZ4: &str =
    "SET LOCAL lock_timeout = '30s'; SET LOCAL default_toast_compression = 'lz4'";

/// All that writing needs.
pub(crate) struct Begun {
    /// Statements that begin every transaction that writes.
    pub(crate) settings: &'static str,
    pub(crate) writers: BTreeMap<String, Writer>,
    pub(crate) unwritable: Loaded,
}

/// What the server says.
struct Seen {
    mixed: Option<String>,
    tables: Vec<(String, Result<Table, String>)>,
    existing: BTreeMap<String, Existing>,
    /// Names of tables that have rows.
    filled: BTreeSet<String>,
}

/// Looks at the server, changing nothing but tombstones that have expired.
pub(crate) async fn begin(client: &Client, plans: &[StreamPlan]) -> Result<Begun, Error> {
    let read = persist(Patience::Busy, async || look(client, plans).await);
    let (has_lz4, seen) = read.await.map_err(|error| explain(error, &client.write_remedy()))?;
    refuse_mixing(seen.mixed)?;
    let mut writers = BTreeMap::new();
    let mut unwritable = Loaded::default();
    for (plan, (stream, table)) in plans.iter().zip(seen.tables) {
        match writer(client, plan, table, &seen.existing) {
            Ok(writer) => {
                if seen.filled.contains(writer.table.name.object().name()) {
                    writer.look_first();
                }
                writers.insert(stream, writer);
            }
            Err(error) => drop(unwritable.streams.insert(stream, Err(error))),
        }
    }
    Ok(Begun { settings: if has_lz4 { WITH_LZ4 } else { PLAIN }, writers, unwritable })
}

fn writer(
    client: &Client,
    stream: &StreamPlan,
    table: Result<Table, String>,
    existing: &BTreeMap<String, Existing>,
) -> Result<Writer, Error> {
    let table = table.map_err(Error::config)?;
    let Some(found) = existing.get(table.name.object().name()) else {
        let missing = Error::config(format!("the table {} does not exist", table.name));
        return Err(missing.hint(client.write_remedy()));
    };
    plan(&table, Some(found), uuid::Uuid::nil()).map_err(Error::config)?;
    Writer::of(table, stream, found, client).map_err(Error::config)
}

async fn look(client: &Client, plans: &[StreamPlan]) -> Result<(bool, Seen), pg::Error> {
    client.find_out_naming().await?;
    // The server makes its list of settings, which is long, while it answers for the tables.
    try_join(has_lz4(client), tables(client, plans)).await
}

async fn tables(client: &Client, plans: &[StreamPlan]) -> Result<Seen, pg::Error> {
    let connection = client.get().await?;
    let schema = &client.schema;
    let seen = survey(&**connection, schema, plans, client.columns).await?;
    let filled = catalog::filled(&**connection, schema, &seen.existing).await?;
    let tables = seen.tables.iter().filter_map(|(_, table)| table.as_ref().ok());
    let mixed = meta::mixing(&**connection, schema, tables).await?;
    if client.deletes == Deletes::Hard {
        tombstone::expire(&**connection, schema).await?;
    }
    Ok(Seen { mixed, tables: seen.tables, existing: seen.existing, filled })
}

async fn has_lz4(client: &Client) -> Result<bool, pg::Error> {
    let connection = client.get().await?;
    let asked = "SELECT EXISTS (SELECT FROM pg_settings \
                 WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))";
    let row = connection.query_typed_one(asked, &[]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(|error| pg::Error::query("asking for the settings", &error))
}
