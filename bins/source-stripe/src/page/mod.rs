//! A list's answer, turned into record lines in one walk over its bytes.

mod children;
mod list;
mod nested;
mod parents;
mod text;

pub(crate) use children::{ChildFrame, with_prune};
pub(crate) use list::{Frame, Offspring, Page, Stamp, Way};
pub(crate) use nested::{CutList, Elements, Filling, RawList, cut_lists, fill};
pub(crate) use parents::{Parent, ParentsList};
pub(crate) use text::Malformed;
