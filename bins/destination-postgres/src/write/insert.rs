//! Inserts keys that have no row, and says which those were.

use std::borrow::Cow;

use connector::{marked_document, version::row_hash};
use deadpool_postgres::Transaction;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pg::Error;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{
    change::Change,
    chunk::chunks,
    find::array,
    send::{Ready, numbers},
    split::{Item, Part},
};

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
    let (chunks, at_once) = chunks(changes);
    let sent = chunks.into_iter().map(|changes| send(transaction, &statement, changes));
    stream::iter(sent).buffered(at_once).try_concat().await.map_err(failed)
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
    let mut inserted = vec![false; changes.len()];
    for row in statement.query(transaction, &all).await? {
        let count: i64 = row.try_get(0)?;
        if usize::try_from(count).is_ok_and(|count| count == changes.len()) {
            inserted.fill(true);
        } else {
            mark(changes, &row, &mut inserted)?;
        }
    }
    Ok(inserted)
}

/// Marks the rows whose keys were returned, in arrays behind their count.
fn mark(
    changes: &[Change<'_>],
    row: &Row,
    inserted: &mut [bool],
) -> Result<(), tokio_postgres::Error> {
    let width = changes.first().map_or(0, |change| change.item.key.len());
    let columns: Vec<Vec<&str>> =
        (0..width).map(|column| array(row, column + 1)).collect::<Result<_, _>>()?;
    for number in 0..columns.first().map_or(0, Vec::len) {
        let key = || columns.iter().filter_map(|column| column.get(number).copied());
        let found = changes
            .binary_search_by(|change| change.item.key.iter().map(String::as_str).cmp(key()));
        if let Some(slot) = found.ok().and_then(|place| inserted.get_mut(place)) {
            *slot = true;
        }
    }
    Ok(())
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
