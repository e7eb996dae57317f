//! What a resource's stream is called.

/// Names that the rule would not give, kept because the tables of other tools have them.
const ALIASES: [(&str, &str); 4] = [
    ("entitlements.active_entitlement", "active_entitlements"),
    ("entitlements.feature", "features"),
    ("item", "checkout_session_line_items"),
    ("radar.early_fraud_warning", "early_fraud_warnings"),
];

/// The stream of a resource: lower case, dots as underscores, with an `s` at the end.
pub(crate) fn stream_name(resource: &str) -> String {
    if let Some((_, alias)) = ALIASES.iter().find(|(aliased, _)| *aliased == resource) {
        return (*alias).to_owned();
    }
    let mut name = resource.to_ascii_lowercase().replace('.', "_");
    if !name.ends_with('s') {
        name.push('s');
    }
    name
}

/// The stream of a list that several parents have: `quote` and `/v1/quotes/{quote}/line_items` give
/// `quote_line_items`.
pub(crate) fn under_parent(object: &str, path: &str) -> String {
    let list = path.rsplit('/').next().unwrap_or(path);
    format!("{}_{list}", object.replace('.', "_"))
}

/// The last part of a name with dots: `session` of `checkout.session`.
pub(crate) fn last_segment(object: &str) -> &str {
    object.rsplit('.').next().unwrap_or(object)
}

/// Whether a path is called what the stream is called: `/v1/balance_transactions` and
/// `balance_transactions`.
pub(crate) fn spells(path: &str, stream: &str) -> bool {
    let after_version = path.trim_start_matches('/').split_once('/').map(|(_, rest)| rest);
    after_version.is_some_and(|rest| rest.replace('/', "_") == stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_in_the_plural() {
        assert_eq!(stream_name("customer"), "customers");
        assert_eq!(stream_name("checkout.session"), "checkout_sessions");
        assert_eq!(stream_name("v2.core.account"), "v2_core_accounts");
        assert_eq!(stream_name("capability"), "capabilitys");
        assert_eq!(stream_name("radar.early_fraud_warning"), "early_fraud_warnings");
    }

    #[test]
    fn a_list_of_several_parents_is_named_after_each() {
        let path = "/v1/checkout/sessions/{session}/line_items";
        assert_eq!(under_parent("checkout.session", path), "checkout_session_line_items");
        assert_eq!((last_segment("checkout.session"), last_segment("quote")), ("session", "quote"));
    }

    #[test]
    fn a_path_of_the_same_words_spells_the_stream() {
        assert!(spells("/v1/financial_connections/accounts", "financial_connections_accounts"));
        assert!(!spells("/v1/linked_accounts", "financial_connections_accounts"));
        assert!(!spells("/v1/balance/history", "balance_transactions"));
    }
}
