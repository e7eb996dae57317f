//! Child processes: the only place that starts any.

mod documents;
mod process;
mod step;
mod tail;

pub(crate) use documents::Document;
pub use process::{Child, ChildError, End, Launcher, Listener};
pub use step::{StepError, become_program};
