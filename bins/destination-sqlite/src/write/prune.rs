//! Marks or removes children that no longer exist.

use connector::version::{Stored, resolve};
use connector::{Key, Prune, StreamBatch};
use rusqlite::params;

use super::stream::{Prepared, stored};
use super::writer::Target;
use crate::sql::quoted;

/// Applies a stream's prunes, in their order.
pub(super) fn prune(
    table: &mut Prepared<'_>,
    target: &Target,
    batch: &StreamBatch,
) -> rusqlite::Result<()> {
    for prune in batch.prunes.all() {
        for (key, stored) in concerned(table, target, prune)? {
            let action = resolve(Some(stored), &[prune.version()]).action;
            table.apply(&key, &[], true, &action)?;
        }
    }
    Ok(())
}

/// The rows that a prune means. A column that it names is indexed when it is first needed: without,
/// each prune would read the whole table.
fn concerned(
    table: &Prepared<'_>,
    target: &Target,
    prune: &Prune,
) -> rusqlite::Result<Vec<(Key, Stored)>> {
    let asked = prune.condition.iter().find(|(field, _)| target.text_columns.contains(*field));
    let mut query = target.statements.all.clone();
    if let Some((field, _)) = asked {
        let (stream, column) = (&target.stream, quoted(field));
        let index = quoted(&format!("_sync_{stream}_{field}"));
        let make = format!("CREATE INDEX IF NOT EXISTS {index} ON {} ({column})", quoted(stream));
        table.connection.execute_batch(&make)?;
        query.push_str(&format!(" WHERE {column} = ?1"));
    }
    let width = target.key_width;
    let mut statement = table.connection.prepare_cached(&query)?;
    let mut rows = match asked {
        Some((_, value)) => statement.query(params![value])?,
        None => statement.query([])?,
    };
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let key: Key = (0..width).map(|column| row.get(column)).collect::<Result<_, _>>()?;
        let document = row.get_ref(width.saturating_add(2))?.as_str()?;
        if prune.concerns(key.first().map_or("", String::as_str), document) {
            found.push((key, stored(row, width, target.soft_delete_field.as_deref())?));
        }
    }
    Ok(found)
}
