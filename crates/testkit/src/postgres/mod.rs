//! Scratch PostgreSQL clusters: made in about a second, gone with the process that made them.

mod bouncer;
mod cluster;
mod server;

pub use bouncer::Bouncer;
pub use cluster::{Cluster, Database};
