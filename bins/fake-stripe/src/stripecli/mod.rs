//! The session of the Stripe CLI: events through a WebSocket. Stripe does not document it.

mod session;
mod socket;

pub(crate) use session::{Sessions, opened};
pub(crate) use socket::converse;
