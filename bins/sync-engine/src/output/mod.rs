//! What a run shows: lines for people on stderr, messages for programs on stdout.

mod eta;
mod fresh;
mod live;
mod ndjson;
mod picture;
mod plain;
mod summary;
mod watcher;

pub(crate) use fresh::ago;
pub(crate) use live::Live;
pub(crate) use plain::{Plain, Volume, opening_line};
pub(crate) use summary::summary;
pub(crate) use watcher::Watcher;
