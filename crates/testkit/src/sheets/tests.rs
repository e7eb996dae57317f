use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

use super::a1::parse;
use super::api::{Asked, Books, Refusal, answer};
use super::book::Book;
use super::token;
use super::traffic::{Effect, Kind, Quota, Request};

fn books() -> Books {
    let mut book = Book { title: "t".to_owned(), ..Book::default() };
    book.add_tab("it's", 10, 4);
    Books::from([("id".to_owned(), book)])
}

fn ask(books: &mut Books, method: &str, path: &str, body: Value) -> Result<Value, Refusal> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = query.split('&').filter_map(|part| part.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let (method, path) = (method.to_owned(), format!("/v4/spreadsheets/id{path}"));
    answer(books, &Asked { method, path, query, body, effect: Effect::Nothing })
}

fn put(books: &mut Books, option: &str, range: &str, values: Value) -> Result<Value, Refusal> {
    let data = json!([{"range": range, "values": values}]);
    let body = json!({"valueInputOption": option, "data": data});
    ask(books, "POST", "/values:batchUpdate", body)
}

fn get(books: &mut Books, range: &str) -> Value {
    let path = format!("/values:batchGet?valueRenderOption=UNFORMATTED_VALUE&ranges={range}");
    ask(books, "GET", &path, Value::Null).unwrap()["valueRanges"][0]["values"].clone()
}

#[test]
fn ranges_may_be_open_and_names_quoted() {
    let area = parse("'it''s'!B2:C").unwrap();
    assert_eq!((area.title.as_str(), area.first_row, area.end_row), ("it's", 1, None));
    assert_eq!((area.first_column, area.end_column), (1, Some(3)));
    let area = parse("a!1:1").unwrap();
    assert_eq!((area.first_row, area.end_row, area.end_column), (0, Some(1), None));
    assert!(parse("'open!A1").is_none() && parse("a!?").is_none());
}

#[test]
fn answers_leave_out_empty_ends() {
    let mut books = books();
    put(&mut books, "RAW", "'it''s'!A1:C3", json!([["a", "", ""], [], ["", "b", ""]])).unwrap();
    assert_eq!(get(&mut books, "'it''s'"), json!([["a"], [], ["", "b"]]));
    assert_eq!(get(&mut books, "'it''s'!C1:D"), Value::Null);
}

#[test]
fn raw_is_kept_and_what_is_typed_is_read() {
    let mut books = books();
    let values = json!([["=1+1", "007", "true", 1.5]]);
    put(&mut books, "RAW", "'it''s'!A1", values.clone()).unwrap();
    assert_eq!(get(&mut books, "'it''s'"), values);
    put(&mut books, "USER_ENTERED", "'it''s'!A1", values).unwrap();
    assert_eq!(get(&mut books, "'it''s'"), json!([["#EVALUATED", 7.0, true, 1.5]]));
}

#[test]
fn null_leaves_a_cell_and_an_empty_text_clears_it() {
    let mut books = books();
    put(&mut books, "RAW", "'it''s'!A1", json!([["a", "b", "c"]])).unwrap();
    put(&mut books, "RAW", "'it''s'!A1", json!([[null, "", "x"]])).unwrap();
    assert_eq!(get(&mut books, "'it''s'"), json!([["a", "", "x"]]));
}

#[test]
fn writes_beyond_the_grid_are_refused_until_rows_are_added() {
    let mut books = books();
    let refused = put(&mut books, "RAW", "'it''s'!A10:A11", json!([["a"], ["b"]])).unwrap_err();
    assert!(refused.message.contains("exceeds grid limits. Max rows: 10"), "{}", refused.message);
    let one = json!({"sheetId": 1, "dimension": "ROWS", "length": 1});
    let grow = json!({"requests": [{"appendDimension": one}]});
    ask(&mut books, "POST", ":batchUpdate", grow).unwrap();
    put(&mut books, "RAW", "'it''s'!A10:A11", json!([["a"], ["b"]])).unwrap();
    assert_eq!(get(&mut books, "'it''s'!A10:A"), json!([["a"], ["b"]]));
}

#[test]
fn structural_requests_come_whole_or_not_at_all() {
    let mut books = books();
    let add = |title: &str| json!({"addSheet": {"properties": {"title": title}}});
    let requests = json!({"requests": [add("new"), add("IT'S")]});
    let refused = ask(&mut books, "POST", ":batchUpdate", requests).unwrap_err();
    assert!(refused.message.contains("requests[1].addSheet"), "{}", refused.message);
    assert_eq!(books["id"].titles(), ["it's"]);
}

#[test]
fn ten_million_cells_are_the_most() {
    let mut books = books();
    let grow = |length: u64| json!({"requests": [{"appendDimension": {"sheetId": 1, "dimension": "ROWS", "length": length}}]});
    ask(&mut books, "POST", ":batchUpdate", grow(2_499_990)).unwrap();
    let refused = ask(&mut books, "POST", ":batchUpdate", grow(1)).unwrap_err();
    assert!(refused.message.contains("10000000 cells"), "{}", refused.message);
}

#[test]
fn a_cell_holds_fifty_thousand_characters() {
    let mut books = books();
    let long = |count: usize| json!([["x".repeat(count)]]);
    put(&mut books, "RAW", "'it''s'!A1", long(50_000)).unwrap();
    assert_eq!(put(&mut books, "RAW", "'it''s'!A1", long(50_001)).unwrap_err().status, 400);
}

#[test]
fn a_quota_counts_each_kind_by_itself_and_forgets_after_its_window() {
    let quota = Quota { most: 2, window: Duration::from_secs(60), tells: true };
    let request = |seconds: u64, status: u16| Request {
        line: String::new(),
        kind: Kind::Read,
        at: Duration::from_secs(seconds),
        status,
        bytes: 0,
    };
    let log = [request(0, 200), request(1, 429), request(10, 200)];
    let at = |kind, seconds| quota.admits(kind, Duration::from_secs(seconds), &log);
    assert_eq!(at(Kind::Read, 20), Err(Duration::from_secs(40)));
    assert_eq!(at(Kind::Write, 20), Ok(()));
    assert_eq!(at(Kind::Read, 60), Ok(()));
}

fn form(assertion: &str) -> Vec<(String, String)> {
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    [("grant_type", grant), ("assertion", assertion)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// A grant for `audience` with these times, signed with the service account's key.
fn signed(audience: &str, issued: i64, expires: i64) -> String {
    let account = token::service_account();
    let claims = json!({
        "iss": account["client_email"], "aud": audience, "iat": issued, "exp": expires,
        "scope": "https://www.googleapis.com/auth/spreadsheets",
    });
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let text = format!("{}.{}", part(r#"{"alg":"RS256"}"#.to_owned()), part(claims.to_string()));
    let key = token::key_pair();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_grant_earns_a_token_while_it_is_signed_for_us_and_has_not_expired() {
    let check = |grant: &str, now| token::check(&form(grant), "us", now);
    assert!(check(&signed("us", 1000, 4600), 1000).is_ok());
    assert!(check(&signed("us", 1000, 4600), 4599).is_ok());
    let refused = |grant: &str, now| check(grant, now).unwrap_err().message;
    assert!(refused(&signed("us", 1000, 4600), 4600).contains("short-lived"));
    assert!(refused(&signed("us", 1000, 4601), 1000).contains("short-lived"));
    assert!(refused(&signed("us", 2000, 4600), 1000).contains("short-lived"));
    assert!(refused(&signed("others", 1000, 4600), 1000).contains("audience"));
    let changed = signed("us", 1000, 4600).replacen('e', "f", 1);
    assert_eq!(refused(&changed, 1000), "Invalid JWT Signature.");
}

#[test]
fn what_is_no_grant_earns_nothing_and_a_known_refresh_token_does() {
    let refused = token::check(&form("e30.e30.AAAA"), "here", 0).unwrap_err();
    assert_eq!(refused.message, "Invalid JWT Signature.");
    assert_eq!(refused.body()["error"], "invalid_grant");
    let known: Vec<(String, String)> = token::refresh()
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .chain([("grant_type".to_owned(), "refresh_token".to_owned())])
        .collect();
    assert!(token::check(&known, "here", 0).is_ok());
    assert!(token::check(&known[..2], "here", 0).is_err());
}
