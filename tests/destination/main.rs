//! One set of behaviours that every destination has, shown by the real programs on real databases
//! and, where it can be, on a spreadsheet.
#![cfg(test)]

mod asked;
mod deletes;
mod history;
mod place;
mod prune;
mod refused;
mod streams;
mod versions;
