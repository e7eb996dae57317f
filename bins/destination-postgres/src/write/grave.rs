//! Rows that are removed, and what is kept of them so that nothing older brings them back.

use connector::version::Stored;
use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use pg::Error;

use super::{
    change::{Change, all_changed},
    chunk,
    find::{key_columns, place},
    send::{Ready, numbers, texts},
    split::{Item, Part},
};

/// For each item, in order, what its tombstone says: a deleted row whose content matches nothing.
pub(super) async fn find(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    items: &[Item<'_>],
) -> Result<Vec<Option<Stored>>, Error> {
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let text = &part.writer.statements.graves.find;
    let statement = Ready::make(transaction, part, text).await.map_err(failed)?;
    let mut all = Vec::with_capacity(items.len());
    for items in items.chunks(chunk::ROWS) {
        let columns = key_columns(items);
        let rows = statement.query(transaction, &texts(&columns)).await.map_err(failed)?;
        let mut found = vec![None; items.len()];
        for row in &rows {
            let number = row.try_get(0).map_err(failed)?;
            let stamp = row.try_get(1).map_err(failed)?;
            if let Some(slot) = place(number).and_then(|place| found.get_mut(place)) {
                *slot = Some(Stored { stamp, content: 0, deleted: true });
            }
        }
        all.append(&mut found);
    }
    Ok(all)
}

/// Removes rows that are locked, and notes it.
pub(super) async fn remove(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    changes: &[Change<'_>],
) -> Result<(), Error> {
    let items: Vec<Item<'_>> = changes.iter().map(|change| change.item).collect();
    let removed = execute(transaction, part, &part.writer.statements.graves.remove, &items).await?;
    all_changed(part, removed, changes.len())?;
    bury(transaction, part, changes).await
}

/// Notes that keys were removed.
pub(super) async fn bury(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    changes: &[Change<'_>],
) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let text = &part.writer.statements.graves.bury;
    let statement = Ready::make(transaction, part, text).await.map_err(failed)?;
    for changes in changes.chunks(chunk::ROWS) {
        let items: Vec<Item<'_>> = changes.iter().map(|change| change.item).collect();
        let keys = key_columns(&items);
        let stamps: Vec<i64> = changes.iter().map(|change| change.row.stamp).collect();
        let mut all = texts(&keys);
        all.push(numbers(&stamps));
        statement.execute(transaction, &all).await.map_err(failed)?;
    }
    Ok(())
}

/// Forgets that keys were removed: they have rows again.
pub(super) async fn exhume(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    items: &[Item<'_>],
) -> Result<(), Error> {
    execute(transaction, part, &part.writer.statements.graves.exhume, items).await.map(drop)
}

async fn execute(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    text: &str,
    items: &[Item<'_>],
) -> Result<u64, Error> {
    if items.is_empty() {
        return Ok(0);
    }
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let statement = Ready::make(transaction, part, text).await.map_err(failed)?;
    let chunks = items.chunks(chunk::ROWS).map(async |items| {
        let keys = key_columns(items);
        statement.execute(transaction, &texts(&keys)).await
    });
    Ok(try_join_all(chunks).await.map_err(failed)?.into_iter().sum())
}
