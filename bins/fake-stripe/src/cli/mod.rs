//! What the program is told when it starts.

mod arguments;
mod play;
mod values;

pub(crate) use arguments::Arguments;
pub(crate) use values::{ArgumentError, Rate};
