//! One stream's share of a batch, key by key.

use std::borrow::Cow;

use connector::version::{Action, Stored, Version, content_of, resolve, row_hash};
use connector::{Key, Row, StreamBatch, marked_document, scan};
use protocol::WrittenCounts;
use rusqlite::{CachedStatement, Connection, ToSql};

use super::writer::Target;
use crate::readable::readable;

/// The field that marks a document where the catalog names none.
const DELETED: &str = "deleted";

/// Stores each key by the version rule over its versions and the row that is there.
pub(super) fn store(
    connection: &Connection,
    target: &Target,
    batch: &StreamBatch,
) -> rusqlite::Result<WrittenCounts> {
    let mut table = Prepared::new(connection, target)?;
    let mut counts = WrittenCounts::default();
    let mut versions: Vec<Version> = Vec::new();
    for (key, rows) in &batch.keys {
        versions.clear();
        versions.extend(rows.iter().map(|row| row.version));
        let stored = table.stored(key)?;
        let resolution = resolve(stored, &versions);
        table.apply(key, rows, stored.is_some(), &resolution.action)?;
        counts.add(&resolution.counts);
    }
    Ok(counts)
}

/// A table's statements, prepared.
struct Prepared<'c> {
    lookup: CachedStatement<'c>,
    insert: CachedStatement<'c>,
    replace: CachedStatement<'c>,
    restamp: CachedStatement<'c>,
    field: Option<&'c str>,
}

impl<'c> Prepared<'c> {
    fn new(connection: &'c Connection, target: &'c Target) -> rusqlite::Result<Self> {
        let statements = &target.statements;
        Ok(Self {
            lookup: connection.prepare_cached(&statements.lookup)?,
            insert: connection.prepare_cached(&statements.insert)?,
            replace: connection.prepare_cached(&statements.replace)?,
            restamp: connection.prepare_cached(&statements.restamp)?,
            field: target.soft_delete_field.as_deref(),
        })
    }

    fn stored(&mut self, key: &Key) -> rusqlite::Result<Option<Stored>> {
        let field = self.field;
        self.find(key, |row| {
            let stamp = row.get(0)?;
            // A row without hash was written by somebody else: its content matches nothing.
            let hash: Option<i64> = row.get(1)?;
            let deleted = match field {
                Some(field) => is_marked(row.get_ref(2)?.as_str()?, field),
                None => false,
            };
            let content = content_of(hash.unwrap_or_default(), stamp, deleted);
            Ok(Stored { stamp, content, deleted })
        })
    }

    fn document(&mut self, key: &Key) -> rusqlite::Result<Option<String>> {
        self.find(key, |row| row.get(2))
    }

    fn find<T>(
        &mut self,
        key: &Key,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        bind(&mut self.lookup, key, &[])?;
        let mut rows = self.lookup.raw_query();
        rows.next()?.map(read).transpose()
    }

    fn apply(
        &mut self,
        key: &Key,
        rows: &[Row],
        is_there: bool,
        action: &Action,
    ) -> rusqlite::Result<()> {
        match *action {
            Action::Keep => Ok(()),
            Action::Restamp(row) => execute(&mut self.restamp, key, &row, None),
            Action::Mark(row) => {
                let document = self.document(key)?.unwrap_or_default();
                let document = marked_document(&document, self.field.unwrap_or(DELETED));
                execute(&mut self.replace, key, &row, Some(&document))
            }
            Action::Write { index, marked, row } => {
                let document = rows.get(index).map(|row| row.document.as_str()).unwrap_or_default();
                let document = if marked {
                    Cow::Owned(marked_document(document, self.field.unwrap_or(DELETED)))
                } else {
                    Cow::Borrowed(document)
                };
                let statement = if is_there { &mut self.replace } else { &mut self.insert };
                execute(statement, key, &row, Some(&document))
            }
        }
    }
}

/// Whether a stored document says that its object was deleted, by the rule that records are read
/// by. The document is what counts: a mark that somebody else made is seen.
fn is_marked(document: &str, field: &str) -> bool {
    let last = scan::members(document).filter(|member| member.is(field)).last();
    last.is_some_and(|member| member.value == "true")
}

fn execute(
    statement: &mut CachedStatement<'_>,
    key: &Key,
    row: &Stored,
    document: Option<&str>,
) -> rusqlite::Result<()> {
    let hash = row_hash(row);
    let mut values: Vec<&dyn ToSql> = vec![&row.stamp, &hash];
    let documents = document.map(|document| (document, readable(document)));
    if let Some((document, readable)) = &documents {
        values.extend([document as &dyn ToSql, readable]);
    }
    bind(statement, key, &values)?;
    match statement.raw_execute()? {
        1 => Ok(()),
        changed => Err(rusqlite::Error::StatementChangedRows(changed)),
    }
}

/// Binds the key's values and what follows them.
fn bind(
    statement: &mut CachedStatement<'_>,
    key: &Key,
    values: &[&dyn ToSql],
) -> rusqlite::Result<()> {
    let mut at = 0_usize;
    for value in key {
        at = at.saturating_add(1);
        statement.raw_bind_parameter(at, value)?;
    }
    for value in values {
        at = at.saturating_add(1);
        statement.raw_bind_parameter(at, value)?;
    }
    Ok(())
}
