//! Batches into cells.

mod look;
mod progress;
mod read;
mod room;
mod writer;

pub(crate) use writer::Writer;
