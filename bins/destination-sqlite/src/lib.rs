//! Loads records into a SQLite file.
//!
//! A stream is a table with the whole object as text and its properties as virtual generated columns
//! ([`schema`]). Rows are written by the version rule of the `connector` crate, one transaction a
//! batch, on a thread of their own ([`mod@write`]). The harness owns the rest.

mod catalog;
mod check;
mod client;
mod config;
mod dead_letter;
mod destination;
mod failure;
mod meta;
mod readable;
mod schema;
mod setup;
mod sql;
mod teardown;
mod write;

pub use config::Config;
pub use destination::SqliteDestination;
