//! One pair of processes, from their start to their end.

mod ending;
mod intake;
mod pair;
mod watch;

pub(crate) use ending::LegEnd;
pub(crate) use pair::Leg;
