//! The real program against real files.
#![cfg(test)]

mod copy;

mod failures;
mod nasty;
mod setup;
mod teardown;
mod write;
