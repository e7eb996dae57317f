//! A local Stripe for demos, tests and benchmarks: an account that is made up from a seed,
//! behind the HTTP interface of Stripe's list and retrieve operations. What it assumes of the
//! real Stripe stands in `docs/stripe-assumptions.md`.

mod cli;
mod server;

mod app;
mod route;

mod auth;
mod faults;
mod limits;
mod stats;

mod account;
mod change;
mod clock;
mod control;
mod list;
mod objects;
mod oracle;
mod params;
mod permissions;
mod read;
mod stripecli;
mod tenant;
mod v2;
mod webhooks;

mod answer;
mod deliver;
mod mix;
mod render;

pub use server::run;

#[cfg(test)]
mod app_tests;
#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod children_tests;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod trouble_tests;
