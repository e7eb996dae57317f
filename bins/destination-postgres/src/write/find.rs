//! Looks up rows by key.

use connector::version::{Stored, content_of};
use futures_util::future::try_join_all;
use pg::Error;
use tokio_postgres::{Row, types::FromSql};

use super::{
    chunk,
    send::{Connected, Ready, texts},
    split::{Item, Part},
};

/// What is stored for each item, in order; `text` is one of the stream's two lookups.
pub(super) async fn find<C: Connected>(
    client: &C,
    part: &Part<'_>,
    text: &str,
    items: &[Item<'_>],
) -> Result<Vec<Option<Stored>>, Error> {
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let statement = Ready::make(client, part, text).await.map_err(failed)?;
    let chunks = items.chunks(chunk::ROWS).map(|items| ask(client, &statement, items));
    let found = try_join_all(chunks).await.map_err(failed)?;
    Ok(found.into_iter().flatten().collect())
}

async fn ask<C: Connected>(
    client: &C,
    statement: &Ready<'_>,
    items: &[Item<'_>],
) -> Result<Vec<Option<Stored>>, tokio_postgres::Error> {
    let columns = key_columns(items);
    let mut found = vec![None; items.len()];
    for row in statement.query(client, &texts(&columns)).await? {
        let numbers: Vec<i64> = array(&row, 0)?;
        let (stamps, hashes): (Vec<i64>, Vec<Option<i64>>) = (array(&row, 1)?, array(&row, 2)?);
        let deleted: Vec<bool> = array(&row, 3)?;
        let rows = stamps.into_iter().zip(hashes).zip(deleted);
        for (number, ((stamp, hash), deleted)) in numbers.into_iter().zip(rows) {
            if let Some(slot) = place(number).and_then(|place| found.get_mut(place)) {
                *slot = Some(stored(stamp, hash, deleted));
            }
        }
    }
    Ok(found)
}

/// The array in a column; none, when it is of nothing.
pub(super) fn array<'r, T: FromSql<'r>>(
    row: &'r Row,
    column: usize,
) -> Result<Vec<T>, tokio_postgres::Error> {
    row.try_get::<_, Option<Vec<T>>>(column).map(Option::unwrap_or_default)
}

/// Where the item of a number that counts from 1 stands.
pub(super) fn place(number: i64) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}

/// The items' keys, column by column.
pub(super) fn key_columns<'b>(items: &[Item<'b>]) -> Vec<Vec<&'b str>> {
    let width = items.first().map_or(0, |item| item.key.len());
    let value = |item: &Item<'b>, column: usize| item.key.get(column).map_or("", String::as_str);
    (0..width).map(|column| items.iter().map(|item| value(item, column)).collect()).collect()
}

/// What a row's stamp, hash and deleted mark say.
pub(super) fn stored(stamp: i64, hash: Option<i64>, deleted: bool) -> Stored {
    // A row without hash was written by somebody else: its content matches nothing.
    Stored { stamp, content: content_of(hash.unwrap_or_default(), stamp, deleted), deleted }
}
