//! What a key may read, and what the account has not set up.

use std::collections::BTreeSet;

use crate::answer::ApiError;

/// Permissions that cover more than the resource they are named after: the object, and the
/// permission that covers it.
const COVERED: [(&str, &str); 12] = [
    ("account", "accounts_kyc_basic"),
    ("credit_note_line_item", "credit_note"),
    ("file_link", "file"),
    ("invoice_payment", "invoice"),
    ("invoiceitem", "invoice"),
    ("line_item", "invoice"),
    ("price", "plan"),
    ("refund", "charge"),
    ("subscription_item", "subscription"),
    ("subscription_schedule", "subscription"),
    ("transfer_reversal", "transfer"),
    ("webhook_endpoint", "webhook"),
];

/// The permission that a key needs to make, change or remove webhook endpoints.
pub(crate) const WEBHOOK_WRITE: &str = "rak_webhook_write";

/// The permission that a restricted key needs to read objects of that kind.
pub(crate) fn permission(object: &str) -> String {
    let covered = COVERED.iter().find(|(known, _)| *known == object);
    let name = covered.map_or(object, |(_, permission)| *permission);
    format!("rak_{}_read", name.replace('.', "_"))
}

/// Whether a set of stream names and permissions takes in a stream of such objects.
pub(crate) fn takes_in(restricted: &BTreeSet<String>, stream: &str, object: &str) -> bool {
    restricted.contains(stream) || restricted.contains(&permission(object))
}

/// The refusal of a key that may not read objects of that kind.
pub(crate) fn not_permitted(key: &str, account: &str, object: &str) -> ApiError {
    may_not(key, account, &permission(object))
}

/// The refusal of a key that lacks a permission.
pub(crate) fn may_not(key: &str, account: &str, permission: &str) -> ApiError {
    let message = format!(
        "The provided key '{key}' does not have the required permissions for this endpoint on account '{account}'. Having the '{permission}' permission would allow this request to continue."
    );
    ApiError::invalid(403, message).code("more_permissions_required")
}

/// The refusal of a request for an account that is not connected.
pub(crate) fn no_access(key: &str, account: &str) -> ApiError {
    let message = format!(
        "The provided key '{key}' does not have access to account '{account}' (or that account does not exist). Application access may have been revoked."
    );
    ApiError::invalid(403, message).code("account_invalid")
}

/// The refusal of an account that has not set up the product of a stream. The words differ from
/// product to product.
pub(crate) fn not_enabled(stream: &str, path: &str) -> ApiError {
    let product = stream.split('_').next().unwrap_or_default();
    let message = match product {
        "issuing" => "Your account is not set up to use Issuing. Please visit https://dashboard.stripe.com/issuing/overview to get started.".to_owned(),
        "identity" => "Your account is not set up to use Identity. Please have an account admin visit https://dashboard.stripe.com/identity/application to get started.".to_owned(),
        "treasury" => format!("Unrecognized request URL (GET: {path}). Have you onboarded to Treasury? See https://stripe.com/docs/treasury"),
        _ => "This API surface is not enabled on your account.".to_owned(),
    };
    ApiError::invalid(400, message)
}
