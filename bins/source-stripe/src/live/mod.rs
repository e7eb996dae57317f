//! Events that others bring while a read goes on: by webhook, on stdin, through a socket.
//!
//! Whatever brings an event checks that it is genuine and puts a [`Delivery`] into one bounded
//! channel; the read loop takes it out, turns it into records, and says what became of it.

mod body;
mod counts;
mod delivery;
mod door;
mod endpoint;
mod frame;
mod listener;
mod open;
mod settings;
mod signature;
mod socket;
mod stdin;
mod stripe_time;

pub(crate) use delivery::{Delivery, Outcome, Via};
pub(crate) use endpoint::Desk;
pub(crate) use open::Live;
pub(crate) use settings::{EventInput, LiveSettings, WebhookSecrets};
#[cfg(any(test, fuzzing))]
pub(crate) use signature::verify;
