#![cfg(test)]
//! The real program with connectors that are shell scripts.

mod arrange;
mod commands;
mod desk;
mod settings;
mod state;
mod sync;
