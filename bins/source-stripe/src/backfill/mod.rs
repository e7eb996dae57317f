//! Reading the history: which page next (pure), and the loop that fetches and emits.

mod driver;
mod manner;
mod plan;
mod report;
mod schedule;
mod start;
mod stream;

#[cfg(test)]
mod simulation;

pub(crate) use driver::{Backfill, open};
pub(crate) use start::{Start, Wishes};
pub(crate) use stream::Keyed;
