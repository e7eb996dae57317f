#![cfg(test)]
//! The real program with connectors that are shell scripts.

mod arrange;
mod ask;
mod commands;
mod desk;
mod follow;
mod settings;
mod state;
mod sync;
