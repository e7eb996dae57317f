//! The real program against `fake-stripe`, and against a server that answers by script.
#![cfg(test)]

mod change;
mod check;
mod children;
mod easily_missed;
mod entitlements;
mod fake;
mod faults;
mod hang;
mod large;
mod live;
mod nested;
mod openapi;
mod order;
mod read;
mod run;
mod scripted;
mod setup;
mod stop;
mod table;
mod transport;
mod trouble;
mod under_parents;
mod unread;
mod v2;
