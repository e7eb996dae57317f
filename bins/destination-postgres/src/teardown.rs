//! Removes what setup made, and nothing else.

use std::collections::BTreeSet;

use pg::{Error, Ident, Pooled};
use protocol::ConfiguredCatalog;
use tokio_postgres::types::Type;

use crate::{
    catalog, dead_letter,
    meta::{self, META},
    schema::{is_taken_over, place_of},
    setup::{SCHEMA_COMMENT, lock},
    tombstone,
};

/// Drops the tables of these streams, or all that carry our mark, and returns their names; then
/// `_sync_meta` and the schema, if nothing else is left and setup had made it.
pub(crate) async fn teardown(
    client: &mut Pooled,
    schema: &Ident,
    streams: Option<&ConfiguredCatalog>,
) -> Result<Vec<String>, Error> {
    let doing = format!("removing our tables from schema {schema}");
    let failed = |error: tokio_postgres::Error| Error::query(doing.clone(), &error);
    let transaction = client.transaction().await.map_err(failed)?;
    lock(&*transaction, schema.name(), "").await.map_err(failed)?;
    let wanted = names(streams)?;
    let comments = catalog::comments(&*transaction, schema).await?;
    let is_ours = |comment: &Option<String>| {
        place_of(comment.as_deref()).is_some() && !is_taken_over(comment.as_deref())
    };
    let ours = comments.iter().filter(|(_, comment)| is_ours(comment));
    let ours: BTreeSet<&String> = ours.map(|(name, _)| name).collect();
    let (dropped, kept): (Vec<&String>, Vec<&String>) = ours
        .into_iter()
        .partition(|name| wanted.as_ref().is_none_or(|wanted| wanted.contains(*name)));
    for name in &dropped {
        let table = schema.with(&Ident::new(name)?);
        transaction.batch_execute(&format!("DROP TABLE {table}")).await.map_err(failed)?;
    }
    let mut gone: BTreeSet<String> = dropped.iter().map(|name| (*name).clone()).collect();
    if comments.contains_key(META) {
        gone.extend(streams_of(&*transaction, schema, &dropped).await?);
    }
    let gone: Vec<String> = gone.into_iter().collect();
    let own = [
        (META, meta::table(schema)?),
        (dead_letter::LETTERS, dead_letter::table(schema)?),
        (tombstone::TOMBSTONES, tombstone::table(schema)?),
    ];
    for (_, table) in own.iter().filter(|(name, _)| comments.contains_key(*name)) {
        let clean = format!("DELETE FROM {table} WHERE stream = ANY ($1)");
        transaction.execute_typed(&clean, &[(&gone, Type::TEXT_ARRAY)]).await.map_err(failed)?;
        if kept.is_empty() {
            transaction.batch_execute(&format!("DROP TABLE {table}")).await.map_err(failed)?;
        }
    }
    if kept.is_empty() {
        drop_schema(&*transaction, schema).await?;
    }
    let dropped = dropped.into_iter().cloned().collect();
    transaction.commit().await.map_err(failed)?;
    Ok(dropped)
}

/// The streams that these tables hold; of a long name, a table has only the beginning.
async fn streams_of(
    client: &impl tokio_postgres::GenericClient,
    schema: &Ident,
    tables: &[&String],
) -> Result<Vec<String>, Error> {
    let noted = meta::read(client, schema).await?;
    let is_one = |stream: &String| {
        Ident::new(stream).is_ok_and(|name| tables.iter().any(|table| *table == name.name()))
    };
    Ok(noted.into_keys().filter(is_one).collect())
}

fn names(streams: Option<&ConfiguredCatalog>) -> Result<Option<BTreeSet<String>>, Error> {
    let Some(catalog) = streams else { return Ok(None) };
    let name = |stream: &str| Ok(Ident::new(stream)?.name().to_owned());
    catalog
        .streams
        .iter()
        .map(|stream| name(&stream.stream.name))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// A schema that setup did not make, or that holds anything else, stays.
async fn drop_schema(
    client: &impl tokio_postgres::GenericClient,
    schema: &Ident,
) -> Result<(), Error> {
    let comment = catalog::schema_comment(client, schema).await?;
    if comment.as_deref() != Some(SCHEMA_COMMENT) || schema.name() == "public" {
        return Ok(());
    }
    let asked = "SELECT NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid) \
                 AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = n.oid) \
                 AND NOT EXISTS (SELECT FROM pg_type WHERE typnamespace = n.oid) \
                 FROM pg_namespace n WHERE nspname = $1";
    let failed =
        |error: tokio_postgres::Error| Error::query(format!("removing schema {schema}"), &error);
    let row =
        client.query_typed_one(asked, &[(&schema.name(), Type::TEXT)]).await.map_err(failed)?;
    if row.try_get(0).map_err(failed)? {
        client.batch_execute(&format!("DROP SCHEMA {schema}")).await.map_err(failed)?;
    }
    Ok(())
}
