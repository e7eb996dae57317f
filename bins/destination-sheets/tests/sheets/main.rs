//! The real program against a local Google Sheets.
#![cfg(test)]

mod copy;

mod access;
mod letters;
mod limits;
mod people;
mod quota;
mod setup;
mod torture;
mod write;
