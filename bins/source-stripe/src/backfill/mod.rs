//! Reading the history: which page next (pure), and the loop that fetches and emits.

mod again;
mod driver;
mod manner;
mod plan;
mod report;
mod retry;
mod schedule;
mod start;
mod stream;

#[cfg(test)]
mod simulation;

pub(crate) use driver::{Backfill, Fetched, Frames, open};
pub(crate) use manner::Manner;
pub(crate) use report::{complete, records, start as tell_start, state as tell_state};
pub(crate) use start::{Start, Wishes};
pub(crate) use stream::{Fate, Keyed, StreamPlan};
