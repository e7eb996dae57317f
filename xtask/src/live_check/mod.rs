//! `cargo xtask live-check`: what we assume of Stripe, tried against Stripe itself. Only reads.

mod answers;
mod change;
mod finding;
mod lists;
mod objects;
mod probes;
mod run;
mod stripe;

pub(crate) use run::{Options, run};
