//! The account itself.

use serde_json::{Value, json};

/// The id of the fake's own account: what is made up decides its objects, not who owns them.
pub(crate) const ACCOUNT_ID: &str = "acct_1LocalStripe0001";

/// The account as `GET /v1/account` answers it, created at this unix second.
pub(crate) fn account(created: i64) -> Value {
    json!({
        "id": ACCOUNT_ID,
        "object": "account",
        "business_profile": {
            "mcc": "5734",
            "name": "Example Shop",
            "support_email": "help@example.com",
            "url": "https://shop.example.com"
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": true,
        "country": "US",
        "created": created,
        "default_currency": "usd",
        "details_submitted": true,
        "email": "owner@example.com",
        "metadata": {},
        "payouts_enabled": true,
        "settings": {
            "dashboard": {"display_name": "Example Shop", "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": "EXAMPLE SHOP"}
        },
        "type": "standard"
    })
}
