//! The version rule: which of two versions of a record stays. One function, the same everywhere.

use protocol::{Origin, WrittenCounts};

/// What is known of the row that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The row's stamp, unix seconds.
    pub stamp: i64,
    /// Hash of its document, volatile fields aside; see [`content_of`].
    pub content: u64,
    /// Whether it is marked deleted.
    pub deleted: bool,
}

/// One version of a record on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Value of the stream's `newer_than_field`, unix seconds.
    pub stamp: i64,
    /// Hash of the document, volatile fields aside.
    pub content: u64,
    /// Whether it says that the object was deleted.
    pub deleted: bool,
    /// Whether it says nothing else: a stub keeps the stored document.
    pub stub: bool,
    /// Where it came from.
    pub origin: Option<Origin>,
}

impl Version {
    /// Whether it is known to be of its stamp: a page of a list may lag behind it.
    #[must_use]
    pub const fn is_certain(&self) -> bool {
        matches!(self.origin, Some(Origin::Event | Origin::Fetch))
    }
}

/// What becomes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is no row: it becomes one.
    Insert,
    /// It replaces the row.
    Replace,
    /// The document stays, its newer stamp is kept.
    Restamp,
    /// The row is the same already.
    Unchanged,
    /// The row is newer.
    Stale,
}

/// Decides between the row that is there and one version.
///
/// A version replaces the row when its stamp is greater; or equal and it is a delete of a row alive,
/// or neither is a delete and the documents differ (the later arrival wins). A row that would not
/// change is not rewritten; an event or a fetched object moves its stamp all the same, so that an
/// older version cannot win later, while a page of a list, which may lag, does not.
#[must_use]
pub fn judge(stored: Option<&Stored>, version: &Version) -> Verdict {
    let Some(stored) = stored else { return Verdict::Insert };
    let newer = version.stamp > stored.stamp;
    if is_same(stored, version) {
        return if newer && version.is_certain() { Verdict::Restamp } else { Verdict::Unchanged };
    }
    let wins_tie = version.stamp == stored.stamp && !stored.deleted;
    if newer || wins_tie { Verdict::Replace } else { Verdict::Stale }
}

fn is_same(stored: &Stored, version: &Version) -> bool {
    if version.stub {
        return stored.deleted;
    }
    stored.content == version.content && stored.deleted == version.deleted
}

/// What to do with a row after all versions of its key were judged, in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Keep,
    /// Set the stamp, and the hash that goes with it.
    Restamp(Stored),
    /// Keep the stored document, mark it deleted, set stamp and hash.
    Mark(Stored),
    /// Store the document of version number `index`; when `marked`, with the deleted mark added,
    /// because a stub came after it.
    Write {
        /// Which of the versions.
        index: usize,
        /// Whether a later stub marks it.
        marked: bool,
        /// The row afterwards.
        row: Stored,
    },
}

/// What becomes of a row, and what to say about each version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// What to do.
    pub action: Action,
    /// Counts of all versions given.
    pub counts: WrittenCounts,
}

/// Judges all versions of one key one by one, in order of arrival, and sums up what remains to do.
#[must_use]
pub fn resolve(stored: Option<Stored>, versions: &[Version]) -> Resolution {
    let mut fold =
        Fold { row: stored, action: Action::Keep, writes: 0, counts: WrittenCounts::default() };
    for (index, version) in versions.iter().enumerate() {
        fold.take(index, version);
    }
    fold.finish(stored)
}

struct Fold {
    row: Option<Stored>,
    action: Action,
    writes: u64,
    counts: WrittenCounts,
}

impl Fold {
    fn take(&mut self, index: usize, version: &Version) {
        match (judge(self.row.as_ref(), version), self.row) {
            (Verdict::Stale, _) => self.counts.stale = self.counts.stale.saturating_add(1),
            (Verdict::Unchanged, _) => self.unchanged(),
            (Verdict::Restamp, row) => {
                self.unchanged();
                self.row = row.map(|row| Stored { stamp: version.stamp, ..row });
                self.action = match (self.action, self.row) {
                    (Action::Keep | Action::Restamp(_), Some(row)) => Action::Restamp(row),
                    (Action::Mark(_), Some(row)) => Action::Mark(row),
                    (Action::Write { index, marked, .. }, Some(row)) => {
                        Action::Write { index, marked, row }
                    }
                    (action, None) => action,
                };
            }
            (Verdict::Replace, Some(row)) if version.stub => self.mark(row, version),
            (Verdict::Insert | Verdict::Replace, _) => self.write(index, version),
        }
    }

    const fn unchanged(&mut self) {
        self.counts.unchanged = self.counts.unchanged.saturating_add(1);
    }

    fn mark(&mut self, row: Stored, version: &Version) {
        let row = Stored { stamp: version.stamp, deleted: true, ..row };
        self.action = match self.action {
            Action::Write { index, .. } => Action::Write { index, marked: true, row },
            Action::Keep | Action::Restamp(_) | Action::Mark(_) => Action::Mark(row),
        };
        self.wrote(row);
    }

    fn write(&mut self, index: usize, version: &Version) {
        let row =
            Stored { stamp: version.stamp, content: version.content, deleted: version.deleted };
        self.action = Action::Write { index, marked: false, row };
        self.wrote(row);
    }

    const fn wrote(&mut self, row: Stored) {
        self.row = Some(row);
        self.writes = self.writes.saturating_add(1);
    }

    fn finish(mut self, stored: Option<Stored>) -> Resolution {
        if self.writes > 0 {
            self.counts.superseded = self.writes.saturating_sub(1);
            let is_deleted = self.row.is_some_and(|row| row.deleted);
            let was_deleted = stored.is_some_and(|row| row.deleted);
            match stored {
                _ if is_deleted && !was_deleted => self.counts.deleted = 1,
                None => self.counts.created = 1,
                Some(_) => self.counts.updated = 1,
            }
        }
        Resolution { action: self.action, counts: self.counts }
    }
}

/// The value of a row's `_hash`: its content combined with its stamp and deleted mark.
///
/// A row whose stamp or mark somebody else has changed no longer matches its `_hash`, and so is
/// never taken for unchanged.
#[must_use]
pub const fn row_hash(row: &Stored) -> i64 {
    (row.content ^ salt(row.stamp, row.deleted)).cast_signed()
}

/// The content that a row's `_hash` speaks of, given the stamp and mark that the row has now.
#[must_use]
pub const fn content_of(hash: i64, stamp: i64, deleted: bool) -> u64 {
    hash.cast_unsigned() ^ salt(stamp, deleted)
}

const fn salt(stamp: i64, deleted: bool) -> u64 {
    let mark = if deleted { 0x9E37_79B9_7F4A_7C15 } else { 0 };
    stamp.cast_unsigned().wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ mark
}

#[cfg(test)]
#[path = "version_tests.rs"]
mod tests;
