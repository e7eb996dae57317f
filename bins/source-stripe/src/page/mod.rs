//! A list's answer, turned into record lines in one walk over its bytes.

mod children;
mod list;
mod nested;
mod text;

pub(crate) use children::ChildFrame;
pub(crate) use list::{Frame, Page, Stamp};
pub(crate) use nested::{CutList, Elements, Filling, cut_lists, fill};
pub(crate) use text::Malformed;
