//! Tables as the catalog wants them, as the server has them, and the DDL between the two. Pure.

mod column;
mod mark;
mod plan;
mod table;

pub(crate) use column::{Column, Columns};
pub(crate) use mark::{is_taken_over, place_of};
pub(crate) use plan::{Existing, ExistingColumn, plan};
pub(crate) use table::{Check, GATE, HASH, RAW, Table};
