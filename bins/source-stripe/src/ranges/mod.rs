//! What of a stream is still to be read: ranges of time, each with the place where reading got to.
//!
//! Pure. A range says: everything created in `[gte, lt)` that was not emitted yet; with a cursor,
//! everything newer in the range than that object has been emitted. Stripe lists newest first.

mod bounds;
mod density;
mod range;
mod reconcile;
mod set;
mod state;

#[cfg(test)]
mod tests;

pub(crate) use bounds::Bounds;
pub(crate) use range::{Position, Window};
pub(crate) use set::{RangeId, RangeSet, Seen};
pub(crate) use state::{Span, StreamState, parse};
