//! Looks up rows by key.

use connector::version::{Stored, content_of};
use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use pg::Error;
use tokio_postgres::Row;

use super::{
    insert::{CHUNK, place_of},
    send::{Ready, texts},
    split::{Item, Part},
};

/// What is stored for each item, in order; `text` is one of the stream's two lookups.
pub(super) async fn find(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    text: &str,
    items: &[Item<'_>],
) -> Result<Vec<Option<Stored>>, Error> {
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let statement = Ready::make(transaction, part, text).await.map_err(failed)?;
    let chunks = items.chunks(CHUNK).map(|items| ask(transaction, &statement, items));
    let found = try_join_all(chunks).await.map_err(failed)?;
    Ok(found.into_iter().flatten().collect())
}

async fn ask(
    transaction: &Transaction<'_>,
    statement: &Ready<'_>,
    items: &[Item<'_>],
) -> Result<Vec<Option<Stored>>, tokio_postgres::Error> {
    let columns = key_columns(items);
    let rows = statement.query(transaction, &texts(&columns)).await?;
    let mut found = vec![None; items.len()];
    for row in &rows {
        let place = place_of(items, row)?;
        if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
            *slot = Some(stored(row, columns.len())?);
        }
    }
    Ok(found)
}

/// The items' keys, column by column.
pub(super) fn key_columns<'b>(items: &[Item<'b>]) -> Vec<Vec<&'b str>> {
    let width = items.first().map_or(0, |item| item.key.len());
    let value = |item: &Item<'b>, column: usize| item.key.get(column).map_or("", String::as_str);
    (0..width).map(|column| items.iter().map(|item| value(item, column)).collect()).collect()
}

/// Stamp, hash and deleted mark, behind the key's columns.
pub(super) fn stored(row: &Row, width: usize) -> Result<Stored, tokio_postgres::Error> {
    let stamp = row.try_get(width)?;
    // A row without hash was written by somebody else: its content matches nothing.
    let hash: Option<i64> = row.try_get(width + 1)?;
    let deleted = row.try_get(width + 2)?;
    Ok(Stored { stamp, content: content_of(hash.unwrap_or_default(), stamp, deleted), deleted })
}
