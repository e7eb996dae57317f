//! A look at what is there, where most rows are there; then one transaction: change what differs,
//! insert what is new.
//!
//! Rows that stay as they are are looked up but neither locked nor touched. Rows that change are
//! locked in the order of their keys and judged again, so that the counts are exact whoever else
//! writes. A row that vanishes in between is inserted in the next round.

use connector::{
    Sight,
    version::{Action, Resolution, Stored, resolve},
};
use deadpool_postgres::Transaction;
use futures_util::{TryFutureExt as _, future::try_join};
use pg::{Error, Failure, Pooled};
use protocol::WrittenCounts;
use tokio_postgres::types::{ToSql, Type};

use super::split::{Item, Part};
use super::{
    change::{Change, Changes},
    find::{find, lock},
    grave,
    insert::insert,
};
use crate::{client::Client, meta};

/// Rows come and go while we look only if somebody else writes the same keys all the time.
const ROUNDS: usize = 5;

/// What one part came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) counts: WrittenCounts,
    /// Keys in the part.
    pub(crate) keys: usize,
    /// Of them, those that had a row.
    pub(crate) found: usize,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.keys += other.keys;
        self.found += other.found;
    }
}

/// How a session writes; what it sets lasts until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session<'s> {
    pub(crate) client: &'s Client,
    /// Statements that set up a transaction.
    pub(crate) settings: &'static str,
    /// Name of the engine's run, when it gave one.
    pub(crate) run_id: Option<&'s str>,
}

/// Stores a part. Nothing of it is stored when this fails, and it may be repeated.
pub(super) async fn attempt(session: Session<'_>, part: &Part<'_>) -> Result<Outcome, Error> {
    let run_id = session.run_id.filter(|_| !part.writer.run_is_noted());
    let known = Known::ahead(part);
    if let Some(outcome) = known.settled().filter(|_| run_id.is_none()) {
        return Ok(outcome);
    }
    let mut connection = session.client.get().await?;
    let stored = store(&mut connection, session, (part, known), run_id).await;
    if let Err(error) = &stored {
        session.client.naming.learn(error);
        pg::discard(connection);
    }
    stored
}

async fn store<'b>(
    connection: &mut Pooled,
    session: Session<'_>,
    (part, mut known): (&Part<'b>, Known<'b>),
    run_id: Option<&str>,
) -> Result<Outcome, Error> {
    let failed = |error: tokio_postgres::Error| part.failed(&error);
    known.look(connection, part).await?;
    if let Some(outcome) = known.settled().filter(|_| run_id.is_none()) {
        return Ok(outcome);
    }
    let transaction = connection.transaction().await.map_err(failed)?;
    let Known { outcome, changing, missing: pending, .. } = known;
    let mut work = Work { transaction: &transaction, part, pending, outcome };
    // Sent first, and not waited for before the rows follow.
    let settings = transaction.batch_execute(session.settings).map_err(failed);
    try_join(settings, work.rounds(&changing)).await?;
    let outcome = work.outcome;
    note_run(&transaction, run_id, part).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(outcome)
}

/// What a look at the rows says before any is sent. What stays as it is needs no transaction.
struct Known<'b> {
    outcome: Outcome,
    /// Keys that are still to be looked at.
    unknown: Vec<Item<'b>>,
    /// Keys whose rows may change; they are judged again once they are locked.
    changing: Vec<Item<'b>>,
    /// Keys that have no row, or that nobody is going to look for.
    missing: Vec<Item<'b>>,
}

impl<'b> Known<'b> {
    /// What was seen while the part waited.
    fn ahead(part: &Part<'b>) -> Self {
        let outcome = Outcome { keys: part.items.len(), ..Outcome::default() };
        let (unknown, changing, missing) = <_>::default();
        let mut known = Self { outcome, unknown, changing, missing };
        for item in &part.items {
            if item.sight == Sight::Unknown && part.writer.looks_first() {
                known.unknown.push(*item);
            } else {
                known.take(*item, item.sight);
            }
        }
        known
    }

    async fn look(&mut self, connection: &Pooled, part: &Part<'_>) -> Result<(), Error> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        let unknown = std::mem::take(&mut self.unknown);
        let found = find(connection, part, &unknown).await?;
        for (item, stored) in unknown.into_iter().zip(found) {
            self.take(item, stored.map_or(Sight::Absent, Sight::Row));
        }
        // Writers that take rows in the order of their keys never deadlock.
        self.changing.sort_by_key(|item| item.key);
        self.missing.sort_by_key(|item| item.key);
        Ok(())
    }

    fn take(&mut self, item: Item<'b>, sight: Sight) {
        let Sight::Row(stored) = sight else {
            self.missing.push(item);
            return;
        };
        self.outcome.found += 1;
        let resolution = judge(Some(stored), item);
        if resolution.action == Action::Keep {
            self.outcome.counts.add(&resolution.counts);
        } else {
            self.changing.push(item);
        }
    }

    /// What the part comes to, if nothing is left to be done.
    fn settled(&self) -> Option<Outcome> {
        let left = [&self.unknown, &self.changing, &self.missing];
        left.iter().all(|items| items.is_empty()).then_some(self.outcome)
    }
}

impl Part<'_> {
    pub(super) fn failed(&self, error: &tokio_postgres::Error) -> Error {
        Error::query(format!("writing to table {}", self.writer.table.name), error)
    }
}

/// A transaction in progress.
struct Work<'w> {
    transaction: &'w Transaction<'w>,
    part: &'w Part<'w>,
    /// Keys whose rows have not been dealt with, in order.
    pending: Vec<Item<'w>>,
    outcome: Outcome,
}

impl<'w> Work<'w> {
    async fn rounds(&mut self, changing: &[Item<'w>]) -> Result<(), Error> {
        self.change(changing).await?;
        for _ in 0..ROUNDS {
            if self.pending.is_empty() {
                return Ok(());
            }
            self.insert().await?;
            self.update().await?;
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        Err(Error::Query {
            doing: format!("writing to table {}", self.part.writer.table.name),
            failure: Failure::Later,
            code: None,
            reason: "rows kept vanishing while they were written".to_owned(),
        })
    }

    async fn insert(&mut self) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        let removed = if self.part.writer.removes {
            grave::find(self.transaction, self.part, &pending).await?
        } else {
            vec![None; pending.len()]
        };
        let (mut rows, mut resolutions, mut graves) = (Vec::new(), Vec::new(), Vec::new());
        for (item, removed) in pending.into_iter().zip(removed) {
            let resolution = judge(removed, item);
            match Change::of(self.part, item, &resolution.action) {
                None => self.count(&resolution),
                Some(change) if self.part.writer.removes && change.row.deleted => {
                    self.count(&resolution);
                    graves.push(change);
                }
                Some(change) => {
                    rows.push(change);
                    resolutions.push((resolution, removed.is_some()));
                }
            }
        }
        grave::bury(self.transaction, self.part, &graves).await?;
        let inserted = insert(self.transaction, self.part, &rows).await?;
        self.settle(&rows, resolutions.into_iter().zip(inserted)).await
    }

    /// Counts what was inserted; what has a row after all comes again.
    async fn settle(
        &mut self,
        rows: &[Change<'w>],
        outcomes: impl Iterator<Item = ((Resolution, bool), bool)>,
    ) -> Result<(), Error> {
        let mut risen = Vec::new();
        for (change, ((resolution, was_removed), is_new)) in rows.iter().zip(outcomes) {
            if !is_new {
                self.pending.push(change.item);
                continue;
            }
            self.count(&resolution);
            if was_removed {
                risen.push(change.item);
            }
        }
        grave::exhume(self.transaction, self.part, &risen).await
    }

    async fn update(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let found = find(self.transaction, self.part, &pending).await?;
        let mut changing = Vec::new();
        for (item, stored) in pending.into_iter().zip(found) {
            let Some(stored) = stored else {
                self.pending.push(item);
                continue;
            };
            self.outcome.found += 1;
            let resolution = judge(Some(stored), item);
            if resolution.action == Action::Keep {
                self.count(&resolution);
            } else {
                changing.push(item);
            }
        }
        self.change(&changing).await
    }

    async fn change(&mut self, changing: &[Item<'w>]) -> Result<(), Error> {
        if changing.is_empty() {
            return Ok(());
        }
        let locked = lock(self.transaction, self.part, changing).await?;
        let mut changes = Changes::default();
        for (item, stored) in changing.iter().zip(locked) {
            let Some(stored) = stored else {
                self.pending.push(*item);
                continue;
            };
            let resolution = judge(Some(stored), *item);
            changes.add(self.part, *item, &resolution.action);
            self.count(&resolution);
        }
        self.pending.sort_by_key(|item| item.key);
        changes.apply(self.transaction, self.part).await
    }

    fn count(&mut self, resolution: &Resolution) {
        self.outcome.counts.add(&resolution.counts);
    }
}

/// The version rule over all versions of a key.
pub(super) fn judge(stored: Option<Stored>, item: Item<'_>) -> Resolution {
    if let [only] = item.versions {
        return resolve(stored, std::slice::from_ref(&only.version));
    }
    let versions: Vec<_> = item.versions.iter().map(|row| row.version).collect();
    resolve(stored, &versions)
}

/// With the first rows of a run, in their transaction, its name is noted at the table's place.
async fn note_run(
    transaction: &Transaction<'_>,
    run_id: Option<&str>,
    part: &Part<'_>,
) -> Result<(), Error> {
    let Some(run_id) = run_id else { return Ok(()) };
    let meta = meta::table(part.writer.table.name.schema())?;
    let note = format!("UPDATE {meta} SET run = $1 WHERE stream = $2 AND run IS DISTINCT FROM $1");
    let values: [(&(dyn ToSql + Sync), Type); 2] =
        [(&run_id, Type::TEXT), (&part.stream, Type::TEXT)];
    transaction.execute_typed(&note, &values).await.map_err(|e| part.failed(&e))?;
    Ok(())
}
