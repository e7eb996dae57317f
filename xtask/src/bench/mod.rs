//! `cargo xtask bench`: cases with their comparison, measured in turns.

mod account;
mod bare;
mod cases;
mod data;
mod drain;
mod following;
mod live;
mod load;
mod load_report;
mod measure;
mod options;
mod parity;
mod pipe;
mod report;
mod server;
mod start;
mod stripe;
mod sync;
mod tree;
mod webhooks;

pub(crate) use bare::load as bare_load;
pub(crate) use cases::Case;
pub(crate) use drain::bare as bare_drain;
use options::{Options, folder, release};
