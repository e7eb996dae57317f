//! Webhook endpoints: how they are set up, what is sent to them and when, signed as Stripe signs.

mod endpoint;
mod outbox;
mod queue;
mod sender;
mod sign;

pub(crate) use endpoint::{ENDPOINTS, Written};
pub(crate) use outbox::Outbox;
pub(crate) use queue::{Delivery, Manner};
pub(crate) use sender::{Message, send_all};
pub(crate) use sign::signature;
