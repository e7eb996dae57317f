//! The objects of the fake: made up from a seed, rendered once, kept in the order of lists; and
//! what becomes of them.

mod children;
mod compose;
mod element;
mod facts;
mod history;
mod ids;
mod presence;
mod store;
mod stream;
mod template;
mod times;
mod values;
mod world;

pub(crate) use children::ChildList;
pub(crate) use element::{SEPARATOR, cut, is_list, print, set, text_property};
pub(crate) use facts::Facts;
pub(crate) use history::Version;
pub(crate) use stream::{NOW, Stream, View};
pub(crate) use template::{letters, time_text};
pub(crate) use times::{Distribution, Span};
pub(crate) use values::choose;
pub(crate) use world::{Population, World};
