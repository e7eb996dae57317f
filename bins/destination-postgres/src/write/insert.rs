//! Inserts keys that have no row, and says which those were.

use std::borrow::Cow;

use connector::{
    marked_document,
    version::{Action, row_hash},
};
use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use pg::Error;
use tokio_postgres::{Row, Statement};

use super::{
    attempt::judge,
    split::{Item, Part},
};

/// Rows of one statement: enough to be worth it, few enough to be pipelined.
pub(super) const CHUNK: usize = 250;

/// Tries to insert every item; for each, in order, whether it had no row before.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    items: &[Item<'_>],
) -> Result<Vec<bool>, Error> {
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let text = &part.writer.statements.insert;
    let statement = transaction.prepare_cached(text).await.map_err(failed)?;
    let chunks = items.chunks(CHUNK).map(|items| send(transaction, &statement, part, items));
    let inserted = try_join_all(chunks).await.map_err(failed)?;
    Ok(inserted.into_iter().flatten().collect())
}

async fn send(
    transaction: &Transaction<'_>,
    statement: &Statement,
    part: &Part<'_>,
    items: &[Item<'_>],
) -> Result<Vec<bool>, tokio_postgres::Error> {
    let mut documents = Vec::with_capacity(items.len());
    let mut stamps = Vec::with_capacity(items.len());
    let mut hashes = Vec::with_capacity(items.len());
    for item in items {
        if let Action::Write { index, marked, row } = judge(None, *item).action {
            documents.push(document(part, *item, index, marked));
            stamps.push(row.stamp);
            hashes.push(row_hash(&row));
        }
    }
    let rows = transaction.query(statement, &[&documents, &stamps, &hashes]).await?;
    if rows.len() == items.len() {
        return Ok(vec![true; items.len()]);
    }
    let mut inserted = vec![false; items.len()];
    for row in &rows {
        let place = place_of(items, row)?;
        if let Some(slot) = place.and_then(|place| inserted.get_mut(place)) {
            *slot = true;
        }
    }
    Ok(inserted)
}

/// The document to store: the version's own, with the deleted mark if a stub came after it.
pub(super) fn document<'b>(
    part: &Part<'_>,
    item: Item<'b>,
    index: usize,
    marked: bool,
) -> Cow<'b, str> {
    let text = item.versions.get(index).map_or("", |row| row.document.as_str());
    match part.writer.soft_delete_field.as_deref().filter(|_| marked) {
        Some(field) => Cow::Owned(marked_document(text, field)),
        None => Cow::Borrowed(text),
    }
}

/// Where the row's key, its first columns, stands among the items, which are in order.
pub(super) fn place_of(
    items: &[Item<'_>],
    row: &Row,
) -> Result<Option<usize>, tokio_postgres::Error> {
    let width = items.first().map_or(0, |item| item.key.len());
    let key: Vec<&str> = (0..width).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
    let found =
        items.binary_search_by(|item| item.key.iter().map(String::as_str).cmp(key.iter().copied()));
    Ok(found.ok())
}
