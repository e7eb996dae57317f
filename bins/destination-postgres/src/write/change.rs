//! Changes rows that are there and locked.

use std::borrow::Cow;

use connector::version::{Action, Stored, row_hash};
use deadpool_postgres::Transaction;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pg::{Error, Failure};
use tokio_postgres::types::Type;

use super::{
    chunk::chunks,
    find::key_columns,
    grave::remove,
    insert::document,
    send::{Ready, numbers, texts},
    split::{Item, Part},
};

/// What has to be done to the rows of one round, by kind.
#[derive(Debug, Default)]
pub(super) struct Changes<'b> {
    replace: Vec<Change<'b>>,
    restamp: Vec<Change<'b>>,
    mark: Vec<Change<'b>>,
    remove: Vec<Change<'b>>,
}

/// What one key comes to.
#[derive(Debug)]
pub(super) struct Change<'b> {
    pub(super) item: Item<'b>,
    /// The row afterwards.
    pub(super) row: Stored,
    /// The new document, where it changes.
    pub(super) document: Option<Cow<'b, str>>,
}

impl<'b> Change<'b> {
    /// `None` when everything stays.
    pub(super) fn of(part: &Part<'_>, item: Item<'b>, action: &Action) -> Option<Self> {
        match *action {
            Action::Keep => None,
            Action::Restamp(row) | Action::Mark(row) => Some(Self { item, row, document: None }),
            Action::Write { index, marked, row } => {
                Some(Self { item, row, document: Some(document(part, item, index, marked)) })
            }
        }
    }
}

impl<'b> Changes<'b> {
    pub(super) fn add(&mut self, part: &Part<'_>, item: Item<'b>, action: &Action) {
        let Some(change) = Change::of(part, item, action) else { return };
        let kind = match action {
            _ if part.writer.removes && change.row.deleted => &mut self.remove,
            Action::Write { .. } => &mut self.replace,
            Action::Mark(_) => &mut self.mark,
            Action::Restamp(_) | Action::Keep => &mut self.restamp,
        };
        kind.push(change);
    }

    pub(super) async fn apply(
        &self,
        transaction: &Transaction<'_>,
        part: &Part<'_>,
    ) -> Result<(), Error> {
        let statements = &part.writer.statements;
        apply(transaction, part, &statements.replace, &self.replace).await?;
        apply(transaction, part, &statements.restamp, &self.restamp).await?;
        apply(transaction, part, &statements.mark, &self.mark).await?;
        remove(transaction, part, &self.remove).await
    }
}

async fn apply(
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    text: &str,
    changes: &[Change<'_>],
) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    let statement = Ready::make(transaction, part, text).await.map_err(failed)?;
    let (chunks, at_once) = chunks(changes);
    let sent = chunks.into_iter().map(|changes| send(transaction, &statement, changes));
    let changed: Vec<u64> =
        stream::iter(sent).buffered(at_once).try_collect().await.map_err(failed)?;
    let changed = changed.into_iter().sum();
    all_changed(part, changed, changes.len())
}

/// Fails unless every locked row was changed.
pub(super) fn all_changed(part: &Part<'_>, changed: u64, wanted: usize) -> Result<(), Error> {
    if usize::try_from(changed).is_ok_and(|changed| changed == wanted) {
        return Ok(());
    }
    // The rows are locked: only a trigger or a rule of somebody else can have stepped in.
    Err(Error::Query {
        doing: format!("writing to table {}", part.writer.table.name),
        failure: Failure::Internal,
        code: None,
        reason: format!("{changed} of {wanted} locked rows were changed"),
    })
}

async fn send(
    transaction: &Transaction<'_>,
    statement: &Ready<'_>,
    changes: &[Change<'_>],
) -> Result<u64, tokio_postgres::Error> {
    let items: Vec<Item<'_>> = changes.iter().map(|change| change.item).collect();
    let keys = key_columns(&items);
    let documents: Vec<&str> =
        changes.iter().filter_map(|change| change.document.as_deref()).collect();
    let stamps: Vec<i64> = changes.iter().map(|change| change.row.stamp).collect();
    let hashes: Vec<i64> = changes.iter().map(|change| row_hash(&change.row)).collect();
    let mut all = texts(&keys);
    if !documents.is_empty() {
        all.push((&documents, Type::TEXT_ARRAY));
    }
    all.extend([numbers(&stamps), numbers(&hashes)]);
    statement.execute(transaction, &all).await
}
