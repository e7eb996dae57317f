//! Loads records into a Google spreadsheet: one tab a stream, one row an object.
//!
//! What a tab looks like and which cells change is computed in memory ([`layout`], pure) from what
//! stands there; then few large requests write it ([`mod@write`]). [`client`] talks, within the quota
//! that Google gives. The harness owns the rest.

mod auth;
mod book;
mod check;
mod client;
mod clock;
mod config;
mod destination;
mod failure;
mod grant;
mod layout;
mod letters;
mod overview;
mod quota;
mod rest;
mod schema;
mod setup;
mod teardown;
mod values;
mod write;

pub use config::Config;
pub use destination::SheetsDestination;
