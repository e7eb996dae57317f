//! Events that others bring while a read goes on: by webhook, on stdin, through a socket.
//!
//! Whatever brings an event checks that it is genuine and puts a [`Delivery`] into one bounded
//! channel; the read loop takes it out, turns it into records, and says what became of it.

mod body;
mod delivery;
mod door;
mod listener;
mod signature;

pub(crate) use delivery::{Deliveries, Delivery, Outcome, Via, channel};
