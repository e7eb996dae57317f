//! All probes by name. `docs/stripe-assumptions.md` says which fact each of them tries.

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::finding::Outcome;
use super::stripe::Stripe;
use super::{answers, change, lists, objects};

/// Tries one assumption, or several that show in the same answers.
type Probe = fn(&Stripe) -> LocalBoxFuture<'_, Outcome>;

/// In the order of the document.
pub(super) const PROBES: &[(&str, Probe)] = &[
    ("list-shape", |stripe| lists::shape(stripe).boxed_local()),
    ("newest-first", |stripe| lists::newest_first(stripe).boxed_local()),
    ("every-list-in-order", |stripe| lists::every_list_in_order(stripe).boxed_local()),
    ("created-filter", |stripe| lists::created_filter(stripe).boxed_local()),
    ("invoiceitem-date", |stripe| lists::invoiceitem_date(stripe).boxed_local()),
    ("limit-bounds", |stripe| lists::limit_bounds(stripe).boxed_local()),
    ("cursor-position", |stripe| lists::cursor_position(stripe).boxed_local()),
    ("both-cursors", |stripe| lists::both_cursors(stripe).boxed_local()),
    ("unknown-cursor", |stripe| lists::unknown_cursor(stripe).boxed_local()),
    ("whole-list", |stripe| lists::whole_list(stripe).boxed_local()),
    ("unknown-parameter", |stripe| lists::unknown_parameter(stripe).boxed_local()),
    ("missing-parent", |stripe| lists::missing_parent(stripe).boxed_local()),
    ("v2-list", |stripe| lists::v2_list(stripe).boxed_local()),
    ("v2-token", |stripe| lists::v2_token(stripe).boxed_local()),
    ("status-all", |stripe| lists::status_all(stripe).boxed_local()),
    ("open-reviews", |stripe| lists::open_reviews(stripe).boxed_local()),
    ("inactive-prices", |stripe| lists::inactive_prices(stripe).boxed_local()),
    ("credit-balance", |stripe| lists::credit_balance(stripe).boxed_local()),
    ("unknown-path", |stripe| objects::unknown_path(stripe).boxed_local()),
    ("unknown-id", |stripe| objects::unknown_id(stripe).boxed_local()),
    ("nested-lists", |stripe| objects::nested_lists(stripe).boxed_local()),
    ("children-shown", |stripe| objects::children_shown(stripe).boxed_local()),
    ("references", |stripe| objects::references(stripe).boxed_local()),
    ("ids", |stripe| objects::ids(stripe).boxed_local()),
    ("volatile", |stripe| objects::volatile(stripe).boxed_local()),
    ("stub", |stripe| objects::stub(stripe).boxed_local()),
    ("account", |stripe| objects::account(stripe).boxed_local()),
    ("mode", |stripe| objects::mode(stripe).boxed_local()),
    ("endpoint-secret", |stripe| objects::endpoint_secret(stripe).boxed_local()),
    ("event-list", |stripe| change::event_list(stripe).boxed_local()),
    ("event-shape", |stripe| change::event_shape(stripe).boxed_local()),
    ("event-types", |stripe| change::event_types(stripe).boxed_local()),
    ("keys", |stripe| answers::keys(stripe).boxed_local()),
    ("account-invalid", |stripe| answers::account_invalid(stripe).boxed_local()),
    ("headers", |stripe| answers::headers(stripe).boxed_local()),
    ("default-version", |stripe| answers::default_version(stripe).boxed_local()),
    ("date", |stripe| answers::date(stripe).boxed_local()),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/stripe-assumptions.md");

    /// What the document says after "Tried by".
    fn named() -> BTreeSet<&'static str> {
        let rest = DOCUMENT.split("Tried by `").skip(1);
        rest.filter_map(|rest| rest.split('`').next()).collect()
    }

    #[test]
    fn document_and_probes_name_each_other() {
        let known: BTreeSet<&str> = PROBES.iter().map(|(name, _)| *name).collect();
        assert_eq!(known.len(), PROBES.len(), "a name stands for two probes");
        assert_eq!(named(), known);
    }
}
