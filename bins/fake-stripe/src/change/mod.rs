//! What happens in the account while it is read: objects are created, updated and deleted, and
//! each change that Stripe tells is an event.

mod apply;
mod diff;
mod edit;
mod event;
mod script;

pub(crate) use apply::{Changer, Deed, Done, merge};
pub(crate) use event::{EVENTS, KEPT_SECONDS, Origin};
pub(crate) use script::Script;
