//! What holds for any stored state and any header at all: plain functions that panic when it does
//! not, driven by changed seeds here and by the fuzzer of `fuzz/`.

use protocol::{Secret, TimeRange, Timestamp};
use serde_json::value::RawValue;

use crate::live::verify;
use crate::ranges::{Bounds, RangeSet, StreamState, parse};

/// Most ranges that are looked at one after the other.
const LOOKED_AT: usize = 64;

/// A stored state is read or refused. What is left of it can be asked for and split, is never
/// outside of what is asked, and is written and read the same.
pub fn stored_state(bytes: &[u8]) {
    let Ok(stored) = serde_json::from_slice::<&RawValue>(bytes) else { return };
    let Ok(state) = parse(stored) else { return };
    assert_eq!(reread(&state), state);
    let now = Timestamp::from_seconds(1_767_225_600);
    for gte in [None, Some(Timestamp::from_seconds(1_700_000_000))] {
        let bounds = Bounds::new(TimeRange { gte, lt: None }, now);
        let earliest = Timestamp::from_seconds(1_600_000_000);
        let mut set = RangeSet::new(Some(&state), bounds, earliest);
        for _ in 0..LOOKED_AT {
            let Some(id) = set.waiting() else { break };
            let parts = set.split(id, 3);
            assert!(parts >= 1 && set.work(id).is_finite(), "a range can be shared");
            assert!(set.ask(id).is_some(), "a range that waits can be asked for");
        }
        let left = set.state();
        assert_eq!(left.accounted_range, bounds.span);
        for range in &left.remaining {
            let is_inside = bounds.span.gte <= range.gte && range.lt <= bounds.span.lt;
            assert!(is_inside && range.gte < range.lt, "{range:?} is not in {:?}", bounds.span);
        }
        assert_eq!(reread(&left), left);
    }
}

/// No header signs a body without the secret. The header is the first line, the body the rest.
pub fn signature(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (header, body) = bytes.split_at_checked(at).unwrap_or((bytes, b""));
    let secrets = ["whsec_0123456789abcdef", ""].map(|text| Secret::new(text.to_owned()));
    let now = Timestamp::from_seconds(1_767_225_600);
    let header = String::from_utf8_lossy(header);
    assert!(verify(&header, body, &secrets, now).is_err(), "`{header}` is taken for Stripe's");
}

#[expect(clippy::expect_used, reason = "a law that does not hold ends the program")]
fn reread(state: &StreamState) -> StreamState {
    let text = serde_json::value::to_raw_value(state).expect("a state is written");
    parse(&text).expect("and read")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testkit::corpus;

    use super::*;

    #[test]
    fn every_law_holds_for_every_seed() {
        for seed in corpus::seeds("signature") {
            signature(&seed);
        }
        for seed in corpus::seeds("stored_state") {
            stored_state(&seed);
        }
    }

    proptest! {
        #[test]
        fn a_stored_state_of_any_shape_is_read_or_refused(bytes in corpus::changed("stored_state")) {
            stored_state(&bytes);
        }

        #[test]
        fn a_signature_of_any_shape_is_refused(bytes in corpus::changed("signature")) {
            signature(&bytes);
        }
    }
}
