#![cfg(test)]
//! The engine with connectors that are three-line shell scripts, most of them ill-behaved.

mod acks;
mod beats;
mod ends;
mod failing_stream;
mod follow;
mod house;
mod leases;
mod pg_store;
mod runs;
mod stops;
mod whole;
