//! The real program against a real server.
#![cfg(test)]

mod copy;

mod failures;
mod places;
mod setup;
mod teardown;
mod versions;
mod write;
