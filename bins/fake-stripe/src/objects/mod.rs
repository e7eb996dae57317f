//! The objects of the fake: made up from a seed, rendered once, kept in the order of lists.

mod compose;
mod ids;
mod presence;
mod store;
mod template;
mod times;
mod values;
mod world;

pub(crate) use template::letters;
pub(crate) use times::{Distribution, Span};
pub(crate) use world::{Population, Stream, World};
