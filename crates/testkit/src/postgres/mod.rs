//! Scratch PostgreSQL clusters: made in about a second, gone with the process that made them.

mod cluster;
mod server;

pub use cluster::{Cluster, Database};
