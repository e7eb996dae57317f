//! Facts of another version of Stripe's API: compiled from its OpenAPI file when the program runs,
//! and kept in the user's cache.

mod cache;
mod fetch;
mod load;
mod place;

pub(crate) use load::load;
