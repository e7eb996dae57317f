//! Stores batches: each stream's rows by the version rule, in a transaction of its own.

mod attempt;
mod change;
mod find;
mod insert;
mod split;
mod writer;

pub(crate) use attempt::{Outcome, Session, attempt};
pub(crate) use split::split;
pub(crate) use writer::Writer;
