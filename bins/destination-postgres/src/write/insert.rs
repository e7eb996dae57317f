//! Inserts keys that have no row, and says which those were.

use std::borrow::Cow;

use connector::{marked_document, version::row_hash};
use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use pg::Error;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{
    change::Change,
    send::{Ready, numbers},
    split::{Item, Part},
};

/// Rows of one statement: enough to be worth it, few enough to be pipelined.
pub(super) const CHUNK: usize = 250;

/// Tries to insert every row; for each, in order, whether there was none before.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    changes: &[Change<'_>],
) -> Result<Vec<bool>, Error> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let text = &part.writer.statements.insert;
    let statement = Ready::make(transaction, part, text).await.map_err(failed)?;
    let chunks = changes.chunks(CHUNK).map(|changes| send(transaction, &statement, changes));
    let inserted = try_join_all(chunks).await.map_err(failed)?;
    Ok(inserted.into_iter().flatten().collect())
}

async fn send(
    transaction: &Transaction<'_>,
    statement: &Ready<'_>,
    changes: &[Change<'_>],
) -> Result<Vec<bool>, tokio_postgres::Error> {
    let documents: Vec<&str> =
        changes.iter().map(|change| change.document.as_deref().unwrap_or_default()).collect();
    let stamps: Vec<i64> = changes.iter().map(|change| change.row.stamp).collect();
    let hashes: Vec<i64> = changes.iter().map(|change| row_hash(&change.row)).collect();
    let all =
        [(&documents as &(dyn ToSql + Sync), Type::TEXT_ARRAY), numbers(&stamps), numbers(&hashes)];
    let rows = statement.query(transaction, &all).await?;
    if rows.len() == changes.len() {
        return Ok(vec![true; changes.len()]);
    }
    let items: Vec<Item<'_>> = changes.iter().map(|change| change.item).collect();
    let mut inserted = vec![false; items.len()];
    for row in &rows {
        let place = place_of(&items, row)?;
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
