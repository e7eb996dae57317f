//! Stores batches: each stream's rows by the version rule, in transactions of their own.

mod attempt;
mod change;
mod chunk;
mod find;
mod grave;
mod insert;
mod load;
mod look;
mod prune;
mod seconds;
mod send;
mod split;
mod writer;

pub(crate) use attempt::{Outcome, Session};
pub(crate) use load::load;
pub(crate) use look::look;
pub(crate) use writer::Writer;
