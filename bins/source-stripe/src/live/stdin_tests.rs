use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::live::signature::tests::header as signed;

const EVENT: &str = r#"{"id":"evt_1","object":"event","type":"customer.created","amount":1.10}"#;
const SECRET: &str = "whsec_test";

fn take(line: &str) -> Result<Said, NotTaken> {
    read(line.as_bytes(), &[Secret::new(SECRET.to_owned())])
}

fn event_of(line: &str) -> String {
    match take(line) {
        Ok(Said::Happened(event)) => String::from_utf8(event.to_vec()).unwrap(),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn an_event_comes_in_four_shapes_and_keeps_its_bytes() {
    let signature = signed(SECRET, 1, EVENT.as_bytes());
    assert_eq!(event_of(EVENT), EVENT);
    for passed in [
        json!({"body": EVENT, "signature": signature}),
        json!({"body": EVENT, "headers": {"Stripe-Signature": signature, "host": "x"}}),
        json!({"body": EVENT, "headers": {"stripe-signature": [signature]}}),
    ] {
        assert_eq!(event_of(&passed.to_string()), EVENT);
        let envelope = json!({"type": "source_input", "source_input": passed});
        assert_eq!(event_of(&envelope.to_string()), EVENT);
    }
    assert_eq!(event_of(&format!(r#"{{"type":"source_input","source_input":{EVENT}}}"#)), EVENT);
}

#[test]
fn what_is_passed_on_must_be_signed_well() {
    let forged = json!({"body": EVENT, "signature": signed("whsec_other", 1, EVENT.as_bytes())});
    for passed in [forged, json!({"body": EVENT}), json!({"body": EVENT, "headers": {"a": 1}})] {
        let refused = take(&passed.to_string());
        assert!(matches!(refused, Err(NotTaken::Refused(_))), "{refused:?}");
    }
}

#[test]
fn a_confirmed_state_of_the_whole_is_heard_and_one_of_a_stream_is_not() {
    let state = r#"{"type":"source_state","source_state":{"state_type":"global","data":{"n":1.0}},"_ts":"x"}"#;
    assert!(matches!(take(state), Ok(Said::Global(data)) if data.get() == r#"{"n":1.0}"#));
    let state = r#"{"type":"source_state","source_state":{"stream":"customers","data":{}}}"#;
    assert!(matches!(take(state), Ok(Said::Nothing)));
}

#[test]
fn what_is_no_json_object_is_told_apart() {
    for line in ["nonsense", "[]", "7", "{\"a\":", "{} {}"] {
        assert_eq!(take(line).unwrap_err(), NotTaken::NotJson, "{line}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&line, &[]));
    }

    #[test]
    fn any_body_that_is_signed_comes_out_as_it_went_in(body in "\\PC{0,200}") {
        let passed = json!({"body": body, "signature": signed(SECRET, 7, body.as_bytes())});
        prop_assert_eq!(event_of(&passed.to_string()), body);
    }
}

#[tokio::test]
async fn acknowledgements_are_heard_to_the_latest_and_all_else_is_passed_over() {
    let global = |number: u32| {
        format!(
            "{{\"type\":\"source_state\",\"source_state\":{{\"state_type\":\"global\",\"data\":{number}}}}}\n"
        )
    };
    let lines = format!("{}{EVENT}\nnonsense\n{}", global(1), global(2));
    let (confirmed, heard) = watch::channel(None);
    hear(Input::new(std::io::Cursor::new(lines.into_bytes())), confirmed).await;
    assert_eq!(heard.borrow().as_deref().map(RawValue::get), Some("2"));
}
