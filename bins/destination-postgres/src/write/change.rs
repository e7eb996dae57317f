//! Changes rows that are there and locked.

use std::borrow::Cow;

use connector::version::{Action, Stored, row_hash};
use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use pg::{Error, Failure};
use tokio_postgres::Statement;

use super::{
    find::{key_columns, parameters},
    insert::{CHUNK, document},
    split::{Item, Part},
};

/// What has to be done to the rows of one round, by kind.
#[derive(Debug, Default)]
pub(super) struct Changes<'b> {
    replace: Vec<Change<'b>>,
    restamp: Vec<Change<'b>>,
    mark: Vec<Change<'b>>,
}

#[derive(Debug)]
struct Change<'b> {
    item: Item<'b>,
    row: Stored,
    /// The new document, where it changes.
    document: Option<Cow<'b, str>>,
}

impl<'b> Changes<'b> {
    pub(super) fn add(&mut self, part: &Part<'_>, item: Item<'b>, action: &Action) {
        match *action {
            Action::Keep => {}
            Action::Restamp(row) => self.restamp.push(Change { item, row, document: None }),
            Action::Mark(row) => self.mark.push(Change { item, row, document: None }),
            Action::Write { index, marked, row } => {
                let document = Some(document(part, item, index, marked));
                self.replace.push(Change { item, row, document });
            }
        }
    }

    pub(super) async fn apply(
        &self,
        transaction: &Transaction<'_>,
        part: &Part<'_>,
    ) -> Result<(), Error> {
        let statements = &part.writer.statements;
        apply(transaction, part, &statements.replace, &self.replace).await?;
        apply(transaction, part, &statements.restamp, &self.restamp).await?;
        apply(transaction, part, &statements.mark, &self.mark).await
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
    let statement = transaction.prepare_cached(text).await.map_err(failed)?;
    let chunks = changes.chunks(CHUNK).map(|changes| send(transaction, &statement, changes));
    let changed: u64 = try_join_all(chunks).await.map_err(failed)?.into_iter().sum();
    if usize::try_from(changed).is_ok_and(|changed| changed == changes.len()) {
        return Ok(());
    }
    // The rows are locked: only a trigger or a rule of somebody else can have stepped in.
    Err(Error::Query {
        doing: format!("writing to table {}", part.writer.table.name),
        failure: Failure::Internal,
        code: None,
        reason: format!("{changed} of {} locked rows were changed", changes.len()),
    })
}

async fn send(
    transaction: &Transaction<'_>,
    statement: &Statement,
    changes: &[Change<'_>],
) -> Result<u64, tokio_postgres::Error> {
    let items: Vec<Item<'_>> = changes.iter().map(|change| change.item).collect();
    let keys = key_columns(&items);
    let documents: Vec<&str> =
        changes.iter().filter_map(|change| change.document.as_deref()).collect();
    let stamps: Vec<i64> = changes.iter().map(|change| change.row.stamp).collect();
    let hashes: Vec<i64> = changes.iter().map(|change| row_hash(&change.row)).collect();
    let mut all = parameters(&keys);
    if !documents.is_empty() {
        all.push(&documents);
    }
    all.push(&stamps);
    all.push(&hashes);
    transaction.execute(statement, &all).await
}
