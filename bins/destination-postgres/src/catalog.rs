//! What the server's own catalog says about our schema and tables.

use std::collections::{BTreeMap, BTreeSet};

use pg::{Error, Ident};
use tokio_postgres::{
    GenericClient, Row,
    types::{ToSql, Type},
};

use crate::schema::{Existing, ExistingColumn, Table};

/// One row for each of the wanted names that something in the schema has.
const EXISTING: &str = "
SELECT c.relname::text,
       obj_description(c.oid, 'pg_class'),
       ARRAY(SELECT fact FROM pg_attribute a
             CROSS JOIN unnest(ARRAY[a.attname::text, format_type(a.atttypid, a.atttypmod),
                                     (a.attgenerated <> '')::text])
                        WITH ORDINALITY AS f(fact, place)
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY a.attnum, f.place),
       ARRAY(SELECT a.attname::text
             FROM pg_index i
             CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place),
       (SELECT pg_get_constraintdef(r.oid) FROM pg_constraint r
        WHERE r.conrelid = c.oid AND r.contype = 'c' AND r.conname = w.rule)
FROM unnest($2::text[], $3::text[]) AS w(name, rule)
JOIN pg_namespace n ON n.nspname = $1
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name";

/// What is there under the names of these tables, by name.
pub(crate) async fn existing(
    client: &impl GenericClient,
    schema: &Ident,
    tables: &[&Table],
) -> Result<BTreeMap<String, Existing>, Error> {
    let rule =
        |table: &Table| table.check.as_ref().map_or("", |check| check.name.name()).to_owned();
    let names: Vec<(String, String)> =
        tables.iter().map(|table| (table.name.object().name().to_owned(), rule(table))).collect();
    named(client, schema, &names).await
}

/// The same by names of tables and of their account checks.
pub(crate) async fn named(
    client: &impl GenericClient,
    schema: &Ident,
    names: &[(String, String)],
) -> Result<BTreeMap<String, Existing>, Error> {
    let (names, rules): (Vec<&str>, Vec<&str>) =
        names.iter().map(|(name, rule)| (name.as_str(), rule.as_str())).unzip();
    let schema_name = schema.name();
    let values: [(&(dyn ToSql + Sync), Type); 3] =
        [(&schema_name, Type::TEXT), (&names, Type::TEXT_ARRAY), (&rules, Type::TEXT_ARRAY)];
    let rows = client.query_typed(EXISTING, &values).await;
    let read = |row: &Row| Ok((row.try_get(0)?, one(row)?));
    let found = rows.and_then(|rows| rows.iter().map(read).collect());
    found.map_err(|error| Error::query(format!("reading the tables of schema {schema}"), &error))
}

fn one(row: &Row) -> Result<Existing, tokio_postgres::Error> {
    // Name, type, whether generated; then those of the next.
    let columns: Vec<String> = row.try_get(2)?;
    let column = |triple: &[String]| match triple {
        [name, data_type, generated] => {
            let is_generated = generated == "true";
            Some((name.clone(), ExistingColumn { data_type: data_type.clone(), is_generated }))
        }
        _ => None,
    };
    Ok(Existing {
        comment: row.try_get(1)?,
        columns: columns.chunks(3).filter_map(column).collect(),
        key: row.try_get(3)?,
        check: row.try_get(4)?,
    })
}

/// Which of the tables that are there have rows, or had some.
pub(crate) async fn filled(
    client: &impl GenericClient,
    schema: &Ident,
    existing: &BTreeMap<String, Existing>,
) -> Result<BTreeSet<String>, Error> {
    let asked = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = ANY ($2) AND c.relkind = 'r' \
                 AND pg_relation_size(c.oid) > 0";
    let (schema_name, names) = (schema.name(), existing.keys().collect::<Vec<_>>());
    let values: [(&(dyn ToSql + Sync), Type); 2] =
        [(&schema_name, Type::TEXT), (&names, Type::TEXT_ARRAY)];
    let rows = client.query_typed(asked, &values).await;
    rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect()).map_err(|error| {
        Error::query(format!("looking into the tables of schema {schema}"), &error)
    })
}

/// The schema's comment: `None` when there is no schema.
pub(crate) async fn schema_comment(
    client: &impl GenericClient,
    schema: &Ident,
) -> Result<Option<String>, Error> {
    let asked = "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace \
                 WHERE nspname = $1";
    let row = client.query_typed_opt(asked, &[(&schema.name(), Type::TEXT)]).await;
    row.and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map_err(|error| Error::query(format!("looking for schema {schema}"), &error))
}

/// Every table of the schema with its comment.
pub(crate) async fn comments(
    client: &impl GenericClient,
    schema: &Ident,
) -> Result<BTreeMap<String, Option<String>>, Error> {
    let asked = "SELECT c.relname::text, obj_description(c.oid, 'pg_class') FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')";
    let rows = client.query_typed(asked, &[(&schema.name(), Type::TEXT)]).await;
    rows.and_then(|rows| rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect())
        .map_err(|error| Error::query(format!("listing the tables of schema {schema}"), &error))
}
