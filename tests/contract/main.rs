//! Every program against the protocol: one list, and each connector on it is asked the same.
#![cfg(test)]

mod command_line;
mod connector;
mod destinations;
mod documents;
mod sources;
