//! What stands where in a tab, and which requests change it. Pure.

mod a1;
mod cell;
mod changes;
mod header;
pub(crate) mod letter;
mod prune;
mod tab;

pub(crate) use a1::{column_range, header_range, tail_range};
pub(crate) use cell::ValueMode;
pub(crate) use changes::{Changes, bodies};
pub(crate) use header::{columns, missing};
pub(crate) use prune::{Facts, asked_fields, prune_cells};
pub(crate) use tab::{KeyCells, Model, Reading, is_as_thought, key_cells};

#[cfg(test)]
mod tests;
