//! Batches into cells.

mod look;
mod read;
mod room;
mod writer;

pub(crate) use writer::Writer;
