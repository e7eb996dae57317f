use protocol::Class;
use serde_json::json;

use super::*;

fn question() -> Question {
    Question {
        doing: "listing `charges` (GET /v1/charges)".to_owned(),
        stream: Some("charges".to_owned()),
        permission: None,
        parent: None,
        one_object: false,
    }
}

fn verdict(status: u16, error: &serde_json::Value) -> Verdict {
    let body = json!({ "error": error }).to_string();
    let answer =
        Answer { status, body: body.as_bytes(), request_id: Some("req_1"), ..Answer::default() };
    judge(&question(), &answer)
}

fn fate_of(status: u16, error: &serde_json::Value) -> Failure {
    match verdict(status, error) {
        Verdict::Final(failure) => failure,
        Verdict::Again { .. } => panic!("final"),
    }
}

#[test]
fn a_wrong_key_fails_the_connection() {
    let error = json!({"message": "Invalid API Key provided: sk_test_****1234", "type": "invalid_request_error"});
    let Failure::Connection(error) = fate_of(401, &error) else { panic!("connection") };
    assert_eq!(error.class(), Class::Credentials);
    assert_eq!(
        error.report(),
        "listing `charges` (GET /v1/charges): 401: Invalid API Key provided: sk_test_…****1234 [req_1]; \
         check `api_key` (STRIPE_API_KEY): it may be mistyped, rolled or expired"
    );
}

#[test]
fn a_missing_permission_is_named() {
    let error = json!({"code": "more_permissions_required_for_application", "message": "Having the 'rak_charge_read' permission would allow this request to continue."});
    let Failure::Denied(text) = fate_of(403, &error) else { panic!("denied") };
    assert!(text.contains("'rak_charge_read'"), "{text}");
    assert!(text.ends_with("give the key read permission for `charges`, or leave the stream out"));
}

#[test]
fn what_the_account_does_not_have_is_unavailable() {
    for (status, message) in [
        (400, "Your account is not set up to use Issuing. Please visit …"),
        (400, "Your account is not set up to use Identity."),
        (403, "Your account is not authorized to send Forwarding requests in livemode"),
        (400, "This endpoint is only available in testmode. Try using your test keys"),
        (400, "Have you onboarded to Treasury?"),
        (404, "Unrecognized request URL (GET: /v1/treasury/financial_accounts)."),
        (400, "Accounts v2 is not enabled for your account"),
        (400, "This isn't available in test mode"),
        (400, "API surface is not enabled"),
    ] {
        let failure = fate_of(status, &json!({ "message": message }));
        assert!(matches!(failure, Failure::Unavailable(_)), "{message}: {failure:?}");
    }
}

#[test]
fn a_deleted_cursor_is_told_from_other_missing_things() {
    let gone = json!({"code": "resource_missing", "param": "starting_after", "message": "No such charge: 'ch_1'"});
    assert!(matches!(fate_of(400, &gone), Failure::CursorGone));
    let other = json!({"code": "resource_missing", "param": "customer", "message": "No such customer: 'cus_1'"});
    assert!(matches!(fate_of(400, &other), Failure::Stream(_)));
}

#[test]
fn other_refusals_fail_the_stream_and_say_all() {
    let error = json!({"code": "parameter_unknown", "message": "Received unknown parameter: foo"});
    let Failure::Stream(error) = fate_of(400, &error) else { panic!("stream") };
    assert!(error.report().starts_with(
        "listing `charges` (GET /v1/charges): 400 `parameter_unknown`: Received unknown parameter: foo [req_1];"
    ));
}

#[test]
fn what_passes_is_tried_again() {
    for status in [409, 429, 500, 502, 503] {
        assert!(matches!(verdict(status, &json!({})), Verdict::Again { .. }), "{status}");
    }
}

#[test]
fn only_a_429_of_rate_is_the_rate_limit() {
    let limited = |code: &str| match verdict(429, &json!({ "code": code })) {
        Verdict::Again { forgiven, .. } => forgiven,
        Verdict::Final(_) => panic!("again"),
    };
    assert!(limited("rate_limit"));
    assert!(!limited("lock_timeout"));
}

#[test]
fn stripe_says_itself_whether_to_try_again() {
    let judged = |status, should_retry| {
        let answer = Answer { status, should_retry: Some(should_retry), ..Answer::default() };
        matches!(judge(&question(), &answer), Verdict::Again { .. })
    };
    assert!(judged(400, true));
    assert!(!judged(500, false));
}

#[test]
fn a_404_in_other_words_is_no_list_that_the_account_lacks() {
    let failure =
        fate_of(404, &json!({"code": "resource_missing", "message": "No such thing: 'x'"}));
    assert!(matches!(failure, Failure::Stream(_)), "{failure:?}");
}

#[test]
fn a_web_page_is_no_stripe() {
    let answer = Answer { status: 404, body: b"<html>\n  <body>nginx", ..Answer::default() };
    let Verdict::Final(Failure::Connection(error)) = judge(&question(), &answer) else {
        panic!("connection")
    };
    assert_eq!(error.class(), Class::Config);
    assert!(error.report().contains("404: a body that is not Stripe's: `<html> <body>nginx`"));
}

#[test]
fn a_refusal_that_was_cut_is_asked_for_again_and_refuses_nothing() {
    let whole = r#"{"error": {"code": "resource_missing", "message": "No such product: 'p'"}}"#;
    let question = Question { one_object: true, ..question() };
    let judged = |body: &str| {
        let answer = Answer { status: 404, body: body.as_bytes(), ..Answer::default() };
        judge(&question, &Answer { request_id: Some("req_1"), ..answer })
    };
    assert!(matches!(judged(whole), Verdict::Final(Failure::Gone)));
    for cut in ["", whole.split_once(':').unwrap().0] {
        assert!(matches!(judged(cut), Verdict::Again { forgiven: false, .. }), "{cut}");
    }
}
