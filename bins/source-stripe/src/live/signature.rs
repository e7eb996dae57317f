//! Whether a webhook is Stripe's: the `Stripe-Signature` header over the body as it came. Pure.
//!
//! The header is `t=<unix seconds>,v1=<hex>,…`: HMAC-SHA256 of `<t>.<body>` with the endpoint's
//! secret, one `v1` for each secret while a secret is being rolled
//! (<https://docs.stripe.com/webhooks/signature>).

use protocol::{Secret, Timestamp};
use ring::hmac;
use subtle::ConstantTimeEq as _;

/// The header that Stripe signs with.
pub(crate) const HEADER: &str = "stripe-signature";
/// How far the time of a signature may lie from Stripe's own, either way, in seconds.
const TOLERANCE: u64 = 300;

/// Why a body is not taken for Stripe's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSigned {
    /// The header is missing, or is none of Stripe's.
    #[error("the `Stripe-Signature` header is missing, or has no `t` or no `v1`")]
    Unreadable,
    /// No secret makes such a signature.
    #[error("no `v1` signature was made with a configured `webhook_secret` over this body")]
    Forged,
    /// It is genuine, and from another time.
    #[error("the signature is genuine and {0} seconds away from now; at most {TOLERANCE} pass")]
    OutOfTime(u64),
}

/// Checks a body against its header; `now` is Stripe's time.
///
/// # Errors
///
/// When it is not known to be Stripe's, or is from another time.
#[cfg(any(test, fuzzing))]
pub(crate) fn verify(
    header: &str,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), NotSigned> {
    in_time(signed_at(header, body, secrets)?, now)
}

/// Checks when something was signed, in unix seconds, against Stripe's time.
///
/// # Errors
///
/// When it is from another time.
pub(crate) fn in_time(signed: i64, now: Timestamp) -> Result<(), NotSigned> {
    let distance = now.seconds_floor().abs_diff(signed);
    if distance > TOLERANCE { Err(NotSigned::OutOfTime(distance)) } else { Ok(()) }
}

/// When a body was signed, in unix seconds, if the signature is Stripe's.
///
/// # Errors
///
/// When it is not known to be Stripe's.
pub(crate) fn signed_at(header: &str, body: &[u8], secrets: &[Secret]) -> Result<i64, NotSigned> {
    let (time, candidates) = read(header).ok_or(NotSigned::Unreadable)?;
    let is_genuine = secrets.iter().fold(false, |found, secret| {
        let expected = sign(secret, time, body);
        let matches =
            |candidate: &&&str| bool::from(candidate.as_bytes().ct_eq(expected.as_bytes()));
        // No short cut: how long it takes says nothing about which one matched.
        candidates.iter().filter(matches).count() > 0 || found
    });
    if !is_genuine {
        return Err(NotSigned::Forged);
    }
    time.parse().map_err(|_| NotSigned::Unreadable)
}

/// The time as it is written, and every `v1`. Two times in one header are no header.
fn read(header: &str) -> Option<(&str, Vec<&str>)> {
    let parts = header.split(',').filter_map(|part| part.split_once('='));
    let parts: Vec<(&str, &str)> = parts.map(|(name, value)| (name.trim(), value.trim())).collect();
    let of = |name: &str| -> Vec<&str> {
        parts.iter().filter(|(found, _)| *found == name).map(|(_, value)| *value).collect()
    };
    let candidates = of("v1");
    match of("t").as_slice() {
        [time] if !candidates.is_empty() => Some((time, candidates)),
        _ => None,
    }
}

fn sign(secret: &Secret, time: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(time.as_bytes());
    context.update(b".");
    context.update(body);
    context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "signature_tests.rs"]
pub(super) mod tests;
