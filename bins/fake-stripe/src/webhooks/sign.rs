//! The `Stripe-Signature` header.

use ring::hmac;

/// The header for a body sent at `time`, in unix seconds: HMAC-SHA256 of time and body by the
/// endpoint's secret, in hexadecimal digits.
pub(crate) fn signature(secret: &str, time: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{time}.").as_bytes());
    context.update(body);
    let digits: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_time_and_body() {
        // echo -n '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let expected = "7656fc2882a7ca0a651666b36bf2f2f22ee204f54f608f227498a2419f2890b2";
        let made = signature("whsec_test", 1_492_774_577, br#"{"id":"evt_1"}"#);
        assert_eq!(made, format!("t=1492774577,v1={expected}"));
    }
}
