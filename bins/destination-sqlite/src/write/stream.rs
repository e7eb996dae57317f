//! One stream's share of a batch, key by key.

use std::borrow::Cow;

use connector::version::{Action, Stored, Version, content_of, resolve, row_hash};
use connector::{Key, Refused, Row, StreamBatch, marked_document, scan};
use protocol::WrittenCounts;
use rusqlite::{CachedStatement, Connection, ToSql};

use super::grave;
use super::prune::prune;
use super::writer::Target;
use crate::failure::is_of_one_row;
use crate::readable::readable;

/// The field that marks a document where the catalog names none.
const DELETED: &str = "deleted";

/// What a stream's share came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) counts: WrittenCounts,
    /// Records that the table refuses; they are counted.
    pub(super) refused: Vec<Refused>,
}

/// Stores each key by the version rule over its versions and the row that is there.
pub(super) fn store(
    connection: &Connection,
    target: &Target,
    batch: &StreamBatch,
) -> rusqlite::Result<Done> {
    let mut table = Prepared::new(connection, target)?;
    let mut done = Done::default();
    for (key, rows) in &batch.keys {
        match table.one(key, rows) {
            Ok(counts) => done.counts.add(&counts),
            Err(error) if is_of_one_row(&error) => one_by_one(&mut table, batch, key, &mut done)?,
            Err(error) => return Err(error),
        }
    }
    prune(&mut table, target, batch)?;
    Ok(done)
}

/// A version of this key cannot be stored: the others are.
fn one_by_one(
    table: &mut Prepared<'_>,
    batch: &StreamBatch,
    key: &Key,
    done: &mut Done,
) -> rusqlite::Result<()> {
    for row in batch.keys.get(key).into_iter().flatten() {
        match table.one(key, std::slice::from_ref(row)) {
            Ok(counts) => done.counts.add(&counts),
            Err(error) if is_of_one_row(&error) => {
                done.counts.refused = done.counts.refused.saturating_add(1);
                let (error, record) = (error.to_string(), row.record(&batch.plan));
                done.refused.push(Refused { key: key.clone(), error, record });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A table's statements, prepared.
pub(super) struct Prepared<'c> {
    pub(super) connection: &'c Connection,
    remove: CachedStatement<'c>,
    /// The stream's name, where the rows of deleted objects are removed.
    removes_from: Option<&'c str>,
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
            connection,
            remove: connection.prepare_cached(&statements.remove)?,
            removes_from: target.removes_from.as_deref(),
            lookup: connection.prepare_cached(&statements.lookup)?,
            insert: connection.prepare_cached(&statements.insert)?,
            replace: connection.prepare_cached(&statements.replace)?,
            restamp: connection.prepare_cached(&statements.restamp)?,
            field: target.soft_delete_field.as_deref(),
        })
    }

    /// All versions of a key.
    fn one(&mut self, key: &Key, rows: &[Row]) -> rusqlite::Result<WrittenCounts> {
        let found = self.stored(key)?;
        let removed = match (found, self.removes_from) {
            (None, Some(stream)) => grave::find(self.connection, stream, key)?,
            (Some(_), _) | (None, None) => None,
        };
        let versions: Vec<Version> = rows.iter().map(|row| row.version).collect();
        let resolution = resolve(found.or(removed), &versions);
        self.apply(key, rows, found.is_some(), &resolution.action)?;
        Ok(resolution.counts)
    }

    fn stored(&mut self, key: &Key) -> rusqlite::Result<Option<Stored>> {
        let field = self.field;
        self.find(key, |row| stored(row, 0, field))
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

    pub(super) fn apply(
        &mut self,
        key: &Key,
        rows: &[Row],
        is_there: bool,
        action: &Action,
    ) -> rusqlite::Result<()> {
        if let (Some(stream), Some(row)) = (self.removes_from, row_after(action)) {
            if row.deleted {
                return self.remove(stream, key, is_there, row.stamp);
            }
            if !is_there {
                grave::exhume(self.connection, stream, key)?;
            }
        }
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

impl Prepared<'_> {
    fn remove(
        &mut self,
        stream: &str,
        key: &Key,
        is_there: bool,
        stamp: i64,
    ) -> rusqlite::Result<()> {
        if is_there {
            bind(&mut self.remove, key, &[])?;
            changed_one(self.remove.raw_execute()?)?;
        }
        grave::bury(self.connection, stream, key, stamp)
    }
}

/// The row that an action leaves, when it changes anything.
const fn row_after(action: &Action) -> Option<Stored> {
    match *action {
        Action::Keep => None,
        Action::Restamp(row) | Action::Mark(row) | Action::Write { row, .. } => Some(row),
    }
}

/// Stamp, hash and document, from a column on.
pub(super) fn stored(
    row: &rusqlite::Row<'_>,
    from: usize,
    field: Option<&str>,
) -> rusqlite::Result<Stored> {
    let stamp = row.get(from)?;
    // A row without hash was written by somebody else: its content matches nothing.
    let hash: Option<i64> = row.get(from.saturating_add(1))?;
    let document = row.get_ref(from.saturating_add(2))?;
    let deleted = match field {
        Some(field) => is_marked(document.as_str()?, field),
        None => false,
    };
    Ok(Stored { stamp, content: content_of(hash.unwrap_or_default(), stamp, deleted), deleted })
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
    changed_one(statement.raw_execute()?)
}

const fn changed_one(changed: usize) -> rusqlite::Result<()> {
    match changed {
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
