//! Loads records into PostgreSQL 13 and newer.
//!
//! A stream is a table with the whole object as jsonb and its properties as generated columns
//! ([`schema`]). Rows are written by the version rule of the `connector` crate, in transactions that
//! touch no row that stays the same ([`mod@write`]). The harness owns the rest.

mod begin;
mod catalog;
mod check;
mod client;
mod config;
mod dead_letter;
mod destination;
mod failure;
mod index;
mod meta;
mod schema;
mod seat;
mod setup;
mod sql;
mod survey;
mod teardown;
mod tombstone;
mod write;

pub use config::Config;
pub use destination::Postgres;
