//! Tables as the catalog wants them, as the file has them, and the DDL between the two. Pure.

mod column;
mod plan;
mod table;

pub(crate) use column::Column;
pub(crate) use plan::{Existing, plan};
pub(crate) use table::{GATE, HASH, OWN, RAW, READABLE, Table};

#[cfg(test)]
mod tests;
