//! One pair of processes, from their start to their end.

mod acks;
mod ending;
mod intake;
mod pair;
mod watch;

pub(crate) use ending::LegEnd;
pub(crate) use pair::Leg;
