//! The real program against a real server.
#![cfg(test)]

mod copy;

mod deletes;
mod ended;
mod failures;
mod faults;
mod places;
mod pool;
mod prune;
mod refused;
mod setup;
mod takeover;
mod teardown;
mod versions;
mod write;
