//! The whole decision of what to ask for and when, against a Stripe that is computed, under a time
//! that is counted: no network, no clock.

mod account;
mod budget;
mod histories;
mod run;
