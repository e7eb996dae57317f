//! Indexes for those who read: on times, on ids of other objects, and where the catalog asks for one.

use connector::StreamPlan;
use pg::{Error, Ident};
use serde_json::Value;
use tokio_postgres::types::Type;

use crate::{
    client::{Client, Patience, persist},
    schema::Table,
};

/// An index on one column.
#[derive(Debug, PartialEq, Eq)]
struct Index {
    name: Ident,
    column: Ident,
}

/// Makes the indexes that are missing, one after the other, and returns their names.
///
/// Writers go on meanwhile. One that was left unfinished is made anew.
pub(crate) async fn make_indexes(
    client: &Client,
    table: &Table,
    plan: &StreamPlan,
) -> Result<Vec<String>, Error> {
    let mut made = Vec::new();
    for index in indexes(table, plan)? {
        if persist(Patience::Busy, async || make(client, table, &index).await).await? {
            made.push(index.name.to_string());
        }
    }
    Ok(made)
}

fn indexes(table: &Table, plan: &StreamPlan) -> Result<Vec<Index>, Error> {
    let schema = plan.stream().json_schema.as_ref();
    let property = |name: &str| schema?.get("properties")?.get(name);
    let is_read_by = |name: &str| {
        let refers = property(name).and_then(|property| property.get("x-expandable-reference"))
            == Some(&Value::Bool(true));
        let system = plan.configured.system_columns.iter().find(|system| system.name == name);
        name == "created" || refers || system.is_some_and(|system| system.index)
    };
    let wanted = table.columns.iter().filter(|column| {
        let name = column.property.as_deref().unwrap_or_else(|| column.name.name());
        // A tree has no room for a long text, and no order for a document.
        is_read_by(name) && column.data_type != "jsonb"
    });
    wanted
        .map(|column| {
            let name = format!("idx_{}_{}", table.name.object().name(), column.name.name());
            Ok(Index { name: Ident::new(&name)?, column: column.name.clone() })
        })
        .collect()
}

/// Whether it had to be made.
async fn make(client: &Client, table: &Table, index: &Index) -> Result<bool, Error> {
    let doing = format!("making index {} on {}", index.name, table.name);
    let failed = |error: tokio_postgres::Error| Error::query(doing.clone(), &error);
    let connection = client.get().await?;
    let schema = table.name.schema();
    let asked = "SELECT i.indisvalid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 LEFT JOIN pg_index i ON i.indexrelid = c.oid \
                 WHERE n.nspname = $1 AND c.relname = $2";
    let found = connection
        .query_typed_opt(asked, &[(&schema.name(), Type::TEXT), (&index.name.name(), Type::TEXT)])
        .await;
    let is_valid: Option<Option<bool>> =
        found.and_then(|row| row.map(|row| row.try_get(0)).transpose()).map_err(failed)?;
    let name = schema.with(&index.name);
    match is_valid {
        Some(Some(true) | None) => return Ok(false),
        Some(Some(false)) => {
            let drop = format!("DROP INDEX CONCURRENTLY {name}");
            connection.batch_execute(&drop).await.map_err(failed)?;
        }
        None => {}
    }
    let (name, column) = (&index.name, &index.column);
    let make = format!("CREATE INDEX CONCURRENTLY {name} ON {} ({column})", table.name);
    connection.batch_execute(&make).await.map_err(failed)?;
    Ok(true)
}
