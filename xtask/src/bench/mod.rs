//! `cargo xtask bench`: cases with their comparison, measured in turns.

mod bare;
mod data;
mod load;
mod measure;
mod server;

pub(crate) use bare::load as bare_load;
pub(crate) use load::{Options, run as load};
