//! What changed since the history was read: events, and the objects to which they lead.
//!
//! What decides is pure: which part of the events is read next ([`agenda`], [`slices`]), from which
//! moment on ([`places`]), to which object an event leads ([`event`], [`summary`], [`feed`]), and what several of
//! one object come to ([`collapse`], [`memory`]). [`gather`] and [`make`] ask Stripe; [`changes`]
//! holds all of it together.

mod agenda;
mod changes;
mod collapse;
mod event;
mod feed;
mod gather;
mod jobs;
mod make;
mod memory;
mod places;
mod polled;
mod slices;
mod summary;
mod tally;

pub(crate) use changes::{Changes, News, Taken};
pub(crate) use event::Event;
pub(crate) use gather::Told;
pub(crate) use places::{GlobalState, untold};
pub(crate) use polled::{hold, members};
