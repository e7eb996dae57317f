//! The loop of a read: pages of lists, polls of events and events that are brought, as they come.

mod confirm;
mod gap;
mod live;
mod poll;
mod run;

pub(crate) use run::{Ahead, Reading};
