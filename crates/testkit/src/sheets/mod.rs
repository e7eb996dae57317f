//! A local Google Sheets: spreadsheets in memory behind the API's paths, with its rules and faults.
//!
//! What it plays: ranges in A1 notation, open ones included; answers without empty cells at the end
//! of a row and empty rows at the end of a range; `RAW` beside `USER_ENTERED`, which reads numbers
//! and evaluates formulas; null, which leaves a cell; writes beyond the grid, which are refused;
//! structural requests that come whole or not at all; developer metadata that stays with a tab;
//! limits of cells, characters, tabs and columns; quota windows; tokens that are signed for and
//! expire. Tests edit spreadsheets as people do, between requests and in the middle of a run.

mod a1;
mod api;
mod book;
mod cell;
mod grid;
mod requests;
mod server;
mod token;
mod traffic;

pub use book::Book;
pub use server::FakeSheets;
pub use traffic::{Effect, Fault, Kind, Request};

#[cfg(test)]
mod tests;
