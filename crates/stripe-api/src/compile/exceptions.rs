//! What the OpenAPI file does not say, or says wrongly. Each table is short and says why an
//! entry is there; whatever a rule can find does not belong here.

/// Retired operations. Files of older versions list them without marking them.
const RETIRED: [&str; 7] = [
    "/v1/bitcoin/receivers",
    "/v1/bitcoin/transactions",
    "/v1/customers/{customer}/bank_accounts",
    "/v1/customers/{customer}/cards",
    "/v1/exchange_rates",
    "/v1/issuer_fraud_records",
    "/v1/recipients",
];

/// Lists of things that do not exist yet: what an invoice or a credit note would hold.
const PREVIEWS: [&str; 2] = ["/v1/credit_notes/preview/lines", "/v1/invoices/upcoming/lines"];

/// Parameters that the file calls optional and Stripe answers 400 without.
const REQUIRED_UNSAID: [(&str, &str); 1] = [("billing.credit_balance_transaction", "customer")];

/// Event types whose name leads to one resource and whose object is another, or none of ours.
const MISLEADING_EVENTS: [(&str, &str); 3] = [
    // A refund of an application fee, which is a resource of its own.
    ("application_fee.refund.updated", "fee_refund"),
    // A notice about an alert; the alert itself is not in it.
    ("billing.alert.triggered", "billing.alert_triggered"),
    // A summary of what a customer has; the objects stand in it.
    ("entitlements.active_entitlement_summary.updated", "entitlements.active_entitlement"),
];

/// Resources with events that do not tell everything, so that only listing again does.
const PARTIAL_EVENTS: [&str; 9] = [
    // Told when it changes, not when it is connected, and not when it is removed.
    "account",
    // Told when it changes, not when it is asked for.
    "capability",
    // Told in a summary of the customer that may show only the first ones.
    "entitlements.active_entitlement",
    // Told when it is edited; a new one is told by the fee that it belongs to.
    "fee_refund",
    // Told when it is paid: neither open nor canceled ones.
    "invoice_payment",
    // Told when it is made or deleted, not when it is edited.
    "invoiceitem",
    // Told at steps of its review, not when it is made.
    "issuing.personalization_design",
    // Told when its data moves on, not when it appears.
    "reporting.report_type",
    // Told about its actions, not about itself.
    "terminal.reader",
];

/// Resources that are written once; those under a parent, with the parent. (Balance transactions are
/// not: they become available.)
const IMMUTABLE: [&str; 3] = ["credit_note_line_item", "event", "forwarding.request"];

/// Links that Stripe signs anew for each answer.
const VOLATILE: [(&str, &[&str]); 4] = [
    ("charge", &["receipt_url"]),
    ("credit_note", &["pdf"]),
    ("identity.verification_session", &["url"]),
    ("invoice", &["hosted_invoice_url", "invoice_pdf"]),
];

/// Lists under a parent whose objects stand whole in a list inside the parent: path, the parent's
/// stream, the parent's property, the child's property that names the parent. Others are either
/// shown only when they are expanded or have a plain list too.
const CHILDREN: [(&str, &str, &str, &str); 2] = [
    ("/v1/invoices/{invoice}/lines", "invoices", "lines", "invoice"),
    ("/v1/subscription_items", "subscriptions", "items", "subscription"),
];

/// Where a list's objects stand too: the parent's stream, its property, and the child's key.
pub(crate) fn child_of(path: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let found = CHILDREN.iter().find(|(child, ..)| *child == path);
    found.map(|(_, parent, list, key)| (*parent, *list, *key))
}

/// Second addresses of lists under a parent.
const OTHER_ADDRESSES: [&str; 1] = ["/v1/accounts/{account}/people"];

/// Resources with a plain list that does not have the objects that parents have: tax ids that
/// nobody is named for are the account's own, and payment methods were long given by customer only.
const LISTED_APART: [&str; 2] = ["payment_method", "tax_id"];

/// Resources whose ids name what they are, and so repeat under every parent.
const REPEATING_IDS: [&str; 1] = ["capability"];

/// Where an object names its parent by another name than the parent's own.
const PARENT_PROPERTIES: [(&str, &str); 1] = [("fee_refund", "fee")];

/// Where a parent shows the beginning of a list under another name than the path's end.
const SHOWN_AS: [(&str, &str); 1] = [("/v1/radar/value_list_items", "list_items")];

/// Lists that are empty where the parent says so: the path of the list, the parent's property, and
/// its value as JSON.
const NONE_IF: [(&str, &str, &str); 5] = [
    // Stripe collects what it has to know of them; a platform may not list their persons.
    ("/v1/accounts/{account}/persons", "controller.requirement_collection", "\"stripe\""),
    // Such a session takes a payment method for later and sells nothing.
    ("/v1/checkout/sessions/{session}/line_items", "mode", "\"setup\""),
    // Transactions come with their first refresh.
    ("/v1/financial_connections/transactions", "transaction_refresh", "null"),
    // Lines are a part of the details.
    ("/v1/payment_intents/{intent}/amount_details_line_items", "amount_details", "null"),
    // Nobody has tried.
    ("/v1/setup_attempts", "latest_attempt", "null"),
];

pub(crate) fn is_other_address(path: &str) -> bool {
    OTHER_ADDRESSES.contains(&path)
}

pub(crate) fn is_listed_apart(resource: &str) -> bool {
    LISTED_APART.contains(&resource)
}

pub(crate) fn has_repeating_ids(resource: &str) -> bool {
    REPEATING_IDS.contains(&resource)
}

pub(crate) fn parent_property(resource: &str) -> Option<&'static str> {
    PARENT_PROPERTIES.iter().find(|(child, _)| *child == resource).map(|(_, name)| *name)
}

pub(crate) fn shown_as(path: &str) -> Option<&'static str> {
    SHOWN_AS.iter().find(|(list, _)| *list == path).map(|(_, name)| *name)
}

/// Which property of a parent says with which value that a list is empty.
pub(crate) fn none_if(path: &str) -> Option<(&'static str, &'static str)> {
    NONE_IF.iter().find(|(list, ..)| *list == path).map(|(_, field, says)| (*field, *says))
}

pub(crate) fn is_retired(path: &str) -> bool {
    RETIRED.contains(&path)
}

pub(crate) fn is_preview(path: &str) -> bool {
    PREVIEWS.contains(&path)
}

pub(crate) fn is_required_unsaid(resource: &str, parameter: &str) -> bool {
    REQUIRED_UNSAID.contains(&(resource, parameter))
}

/// The resource that an event carries, where its name misleads.
pub(crate) fn event_resource(event_type: &str) -> Option<&'static str> {
    let found = MISLEADING_EVENTS.iter().find(|(misleading, _)| *misleading == event_type);
    found.map(|(_, resource)| *resource)
}

pub(crate) fn has_partial_events(resource: &str) -> bool {
    PARTIAL_EVENTS.contains(&resource)
}

pub(crate) fn is_immutable(resource: &str) -> bool {
    IMMUTABLE.contains(&resource)
}

pub(crate) fn volatile(resource: &str) -> &'static [&'static str] {
    let found = VOLATILE.iter().find(|(changing, _)| *changing == resource);
    found.map_or(&[], |(_, fields)| fields)
}
