//! Reading the history: which page next (pure), and the loop that fetches and emits.

mod driver;
mod plan;
mod report;
mod start;
mod stream;

pub(crate) use driver::{Backfill, open};
pub(crate) use start::{Start, Wishes};
