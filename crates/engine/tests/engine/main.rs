#![cfg(test)]
//! The engine with connectors that are three-line shell scripts, most of them ill-behaved.

mod ends;
mod failing_stream;
mod house;
mod pg_store;
mod stops;
mod whole;
