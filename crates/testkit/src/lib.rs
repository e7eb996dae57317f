//! Test support: scratch PostgreSQL servers, a local Google Sheets, programs on disk, NDJSON lines.
//!
//! Only ever a dev-dependency. Whatever cannot be had (a server, a program) fails the test with
//! what to do about it; nothing is skipped, nothing listens on a fixed port, and
//! nothing takes time that has passed for something that has happened.

mod failure;
mod process;

pub mod canonical;
pub mod corpus;
pub mod family;
pub mod lines;
pub mod postgres;
pub mod program;
pub mod programs;
pub mod sheets;
pub mod stripe;
pub mod wait;
