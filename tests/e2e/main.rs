//! The whole: fake Stripe, real programs, real databases. The oracle equals the tables.
#![cfg(test)]

mod bad_input;
mod change;
mod copy;
mod foreign;
mod kill;
mod leak;
mod limits;
mod live;
mod nasty;
mod sheets;
mod sync;
mod teardown;
mod under_parents;
mod upgrade;
