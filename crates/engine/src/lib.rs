//! The host's side: two connectors as child processes, one piped into the other.
//!
//! ```text
//! source stdout ──▶ pump (gate) ──▶ destination stdin
//!                                   destination stdout ──▶ reduce ──▶ desk: store, then client
//! ```
//!
//! Pure: [`catalog`], [`config`], [`gate`], [`reduce`], [`progress`], [`outcome`], [`pipeline`],
//! [`runlog`], [`tally`].
//! They decide; `child`, `pump`, `leg`, `run` and [`store`] do. Read `run` first, then `prepare` and
//! what stands in `leg`.
//! Nothing here prints, reads the environment or looks at a clock: see [`Host`].

mod arrange;
mod ask;
mod client;
mod job;
mod keeper;
mod limits;
mod run;
mod stop;

mod call;
mod control;
mod desk;
mod failure;
mod halves;
mod heard;
mod leg;
mod nearest;
mod places;
mod prepare;
mod project;
mod pump;
mod ready;
mod schema;
mod sent;

pub mod catalog;
pub mod child;
pub mod config;
pub mod gate;
pub mod outcome;
pub mod pipeline;
pub mod progress;
pub mod reduce;
pub mod resolve;
pub mod runlog;
pub mod store;
pub mod tally;

pub use arrange::{setup, teardown};
pub use ask::{Beginning, Foreseen, Outlook, check, dead_letters, discover, foresee};
pub use call::Connector;
pub use client::{Client, Opening, Shown};
pub use failure::{Failure, Side};
pub use halves::{read, write};
pub use job::{FullRefresh, Given, Host, Job, Opened, PlacesOfKey, StreamDefaults};
pub use keeper::Keeper;
pub use limits::Limits;
pub use run::sync;
pub use stop::{Stop, StopCause, StopReceiver, StopSender, channel};
