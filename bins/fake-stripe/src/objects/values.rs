//! What stands in a property, by its name. Texts are JSON as it is sent, without the quotes;
//! in braces stands what differs from object to object.

use super::ids::IdForm;
use super::template::{Hole, Template};

/// Texts by property name; the first of several alternatives is the usual one. Escapes and
/// letters beyond ASCII are there because real accounts have them.
const TEXTS: [(&str, &[&str]); 41] = [
    ("address_zip_check", &["pass"]),
    ("arn", &["{digits:23}"]),
    ("bank_name", &["STRIPE TEST BANK"]),
    ("brand", &["visa", "mastercard"]),
    ("calculated_statement_descriptor", &["EXAMPLE SHOP"]),
    ("city", &["San Francisco", "Zürich", "São Paulo"]),
    ("client_secret", &["{id}_secret_{letters:25}"]),
    ("code", &["{letters:8}"]),
    ("country", &["US", "CH", "BR"]),
    ("cvc_check", &["pass"]),
    (
        "description",
        &[
            "Order {digits:8}",
            "Bestellung {digits:6} – größere Menge ✓",
            "Plan \\\"Pro\\\" for {name}, 日本語 \\\\ {digits:4}\\n(second line)",
        ],
    ),
    ("domain_name", &["shop-{digits:6}.example.com"]),
    ("email", &["{email}"]),
    ("filename", &["report-{digits:6}.csv"]),
    ("fingerprint", &["{letters:16}"]),
    ("hosted_invoice_url", &["https://invoice.stripe.com/i/acct_1/test_{letters:92}?s=ap"]),
    ("invoice_pdf", &["https://pay.stripe.com/invoice/acct_1/test_{letters:92}/pdf?s=ap"]),
    ("invoice_prefix", &["{letters:8}"]),
    ("issuer", &["stripe test bank"]),
    ("last4", &["{digits:4}"]),
    ("line1", &["{digits:3} Market Street", "Bahnhofstrasse {digits:2}"]),
    ("line2", &["Suite {digits:2}", "3º andar"]),
    ("name", &["{name}"]),
    ("network", &["visa", "mastercard"]),
    ("network_transaction_id", &["{digits:15}"]),
    ("nickname", &["{name}’s plan"]),
    ("number", &["{letters:8}-{digits:4}"]),
    ("phone", &["+1415555{digits:4}"]),
    ("postal_code", &["941{digits:2}", "{digits:4}"]),
    ("product_description", &["T-shirt, \\u2764 size M"]),
    ("receipt_number", &["{digits:4}-{digits:4}"]),
    ("receipt_url", &["https://pay.stripe.com/receipts/payment/{letters:76}"]),
    ("request_id", &["req_{letters:14}"]),
    ("routing_number", &["110000000"]),
    ("seller_message", &["Payment complete."]),
    ("state", &["CA", "ZH", "SP"]),
    ("statement_descriptor", &["EXAMPLE SHOP"]),
    ("timezone", &["Etc/UTC"]),
    ("tracking_number", &["1Z{digits:16}"]),
    ("unit_label", &["seat"]),
    ("version", &["1.0.{digits:2}"]),
];

/// Texts by the end of the name, where the whole name is not listed.
const ENDINGS: [(&str, &str); 9] = [
    ("_decimal", "{amount}"),
    ("_email", "{email}"),
    ("_name", "{name}"),
    ("_number", "{digits:9}"),
    ("_phone", "+1415555{digits:4}"),
    ("_prefix", "EX"),
    ("_secret", "{letters:32}"),
    ("_url", "https://shop.example.com/{letters:20}"),
    ("url", "https://shop.example.com/{letters:20}"),
];

const UNKNOWN_TEXT: &str = "{letters:10}";

/// Whole numbers by name; what is not listed and is no amount is a small number.
const INTEGERS: [(&str, &str); 8] = [
    ("amount_refunded", "0"),
    ("amount_remaining", "0"),
    ("amount_shipping", "0"),
    ("exp_month", "12"),
    ("exp_year", "2031"),
    ("interval_count", "1"),
    ("balance", "0"),
    ("quantity", "1"),
];

const AMOUNTS: [&str; 5] = ["amount", "subtotal", "total", "unit_amount", "net"];

/// Numbers as Stripe writes them: digits that a binary number does not hold exactly.
const NUMBERS: [&str; 4] = ["19.0", "7.25", "0.1", "2.675"];

/// What owners put into `metadata`: nothing, little, and what breaks parsers.
const METADATA: [&[(&str, &str)]; 4] = [
    &[],
    &[("order_id", "{letters:8}-{digits:4}-{letters:12}"), ("cart", "{letters:8}")],
    &[("internal_user_id", "{digits:10}"), ("signup_source", "web")],
    &[
        ("größe", "„XL“ 漢字 🎉"),
        ("json", "{\\\"a\\\": [1, \\\"b\\\\\\\\c\\\"]}"),
        ("lines", "one\\ntwo\\tthree\\u00a0four"),
        ("empty", ""),
    ],
];

/// Whether we know what texts of that name look like.
pub(crate) fn is_known(name: &str) -> bool {
    TEXTS.iter().any(|(known, _)| *known == name)
        || ENDINGS.iter().any(|(ending, _)| name.ends_with(ending))
}

/// Writes a text for a property of that name, without quotes.
pub(crate) fn write_text(name: &str, random: u64, to: &mut Template) {
    let listed = TEXTS.iter().find(|(known, _)| *known == name);
    let by_ending = || ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
    let pattern = match listed {
        Some((_, alternatives)) => choose(alternatives, random),
        None => by_ending().map(|(_, pattern)| *pattern),
    };
    write_pattern(pattern.unwrap_or(UNKNOWN_TEXT), to);
}

/// Writes a whole number for a property of that name.
pub(crate) fn write_integer(name: &str, random: u64, to: &mut Template) {
    if let Some((_, fixed)) = INTEGERS.iter().find(|(known, _)| *known == name) {
        to.text(fixed);
    } else if AMOUNTS.iter().any(|amount| name.starts_with(amount)) {
        to.hole(Hole::Amount);
    } else {
        to.text(&(random % 30).to_string());
    }
}

/// A number that may have a fraction.
pub(crate) fn number(random: u64) -> &'static str {
    choose(&NUMBERS, random).unwrap_or("1.5")
}

/// The keys and texts of one object's `metadata`.
pub(crate) fn metadata(random: u64) -> &'static [(&'static str, &'static str)] {
    choose(&METADATA, random).unwrap_or_default()
}

/// One of several.
pub(crate) fn choose<T: Copy>(from: &[T], random: u64) -> Option<T> {
    let count = u64::try_from(from.len()).ok()?;
    let at = usize::try_from(random.checked_rem(count)?).ok()?;
    from.get(at).copied()
}

/// Writes a pattern: `{digits:4}` and its like are holes, all else is text.
pub(crate) fn write_pattern(pattern: &str, to: &mut Template) {
    let mut rest = pattern;
    while let Some((before, hole, after)) = next_hole(rest) {
        to.text(before);
        to.hole(hole);
        rest = after;
    }
    to.text(rest);
}

fn next_hole(pattern: &str) -> Option<(&str, Hole, &str)> {
    let (before, rest) = pattern.split_once('{')?;
    let (word, after) = rest.split_once('}')?;
    Some((before, hole(word)?, after))
}

fn hole(word: &str) -> Option<Hole> {
    let (kind, length) = word.split_once(':').unwrap_or((word, ""));
    let length = length.parse().ok();
    match kind {
        "amount" => Some(Hole::Amount),
        "digits" => Some(Hole::Digits(length?)),
        "email" => Some(Hole::Email),
        "id" => Some(Hole::OwnId),
        "letters" => Some(Hole::Letters(length?)),
        "name" => Some(Hole::Name),
        _ => None,
    }
}

/// The id form of a resource that has no stream here.
pub(crate) fn foreign(resource: &str, seed: u64) -> Hole {
    Hole::NewId(IdForm::of(resource, seed))
}
