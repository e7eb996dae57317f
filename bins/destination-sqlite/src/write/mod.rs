//! Stores batches: one transaction each, in it one savepoint for each stream, so that a stream that
//! fails takes nothing of the others with it.

mod grave;
mod prune;
mod stream;
mod writer;

pub(crate) use grave::TOMBSTONES;
pub(crate) use writer::Writer;

#[cfg(test)]
mod tests;
