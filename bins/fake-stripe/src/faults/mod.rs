//! What goes wrong: answers that fail, are spoilt or come badly, on order or by chance.

mod chance;
mod kind;
mod order;
mod plan;
mod rule;

pub(crate) use chance::{Chance, Share};
pub(crate) use kind::{Kind, Trouble, Victim};
pub(crate) use order::FaultRule;
pub(crate) use plan::Faults;
pub(crate) use rule::TroubleRule;
