//! The real program, over a real socket.

#![cfg(test)]

mod fake;
mod socket;
mod webhooks;

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use fake::{Fake, until};

#[test]
fn a_client_pages_through_a_list() {
    let fake = Fake::start(&["--objects", "customers=25"]);
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let (head, page) = fake.get(&format!("/v1/customers?limit=10{cursor}"), "");
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let data = page["data"].as_array().expect("data");
        seen += data.len();
        if page["has_more"] == false {
            break;
        }
        let last = data.last().and_then(|object| object["id"].as_str()).expect("an id");
        cursor = format!("&starting_after={last}");
    }
    assert_eq!(seen, 25);
    let (_, unknown) = fake.get("/v1/customers/cus_x", "");
    assert_eq!(unknown["error"]["code"], "resource_missing");
    let (_, stats) = fake.get("/__stats", "");
    assert_eq!(stats["requests"], 4);
    assert_eq!(stats["by_path"]["/v1/customers/{id}"], 1);
    assert_eq!(stats["by_status"]["404"], 1);
    assert_eq!(stats["by_path"]["/v1/customers"], 3);
    assert_eq!(stats["in_flight_peak"], 1);
}

#[test]
fn an_answer_has_date_and_version() {
    let fake = Fake::start(&["--objects", "customers=1"]);
    let (head, _) = fake.get("/v1/account", "Stripe-Version: 2024-06-20\r\n");
    for header in ["date: ", "request-id: req_", "stripe-version: 2024-06-20", "content-length: "] {
        assert!(head.contains(header), "{header} in {head}");
    }
}

#[test]
fn latency_is_waited_for() {
    let fake = Fake::start(&["--objects", "customers=1", "--latency-ms", "150"]);
    let started = Instant::now();
    fake.get("/v1/customers", "");
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[test]
fn both_signals_end_it_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let fake = Fake::start(&["--objects", "customers=1"]);
        fake.signal(signal);
        assert_eq!(fake.wait().code(), Some(0));
    }
}

#[test]
fn it_ends_with_its_stdin_if_told_so() {
    let mut fake = Fake::start(&["--objects", "customers=1", "--until-stdin-closes"]);
    fake.get("/v1/account", "");
    drop(fake.child.stdin.take());
    assert_eq!(fake.wait().code(), Some(0));
}

#[test]
fn arguments_that_cannot_be_played_are_a_usage_error() {
    #[expect(clippy::disallowed_methods, reason = "the test runs the program itself")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-stripe"));
    let output = command.args(["--objects", "custmers=1"]).output().expect("run");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("no stream `custmers`"), "{said}");
}

#[test]
fn a_body_breaks_off_before_its_length_or_its_last_chunk() {
    let rules =
        ["--fault", "path=/v1/customers,kind=short", "--fault", "path=/v1/charges,kind=reset"];
    let fake = Fake::start(&[&["--objects", "customers=5,charges=5"], &rules[..]].concat());
    let (head, body) = fake.raw("GET /v1/customers", "", "");
    let length = head.split_once("content-length: ").expect("a length").1;
    let length: usize = length.lines().next().and_then(|n| n.parse().ok()).expect("a number");
    assert_eq!(body.len(), length / 2);
    let (head, body) = fake.raw("GET /v1/charges", "", "");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert!(!body.is_empty() && !body.ends_with(b"0\r\n\r\n"));
    assert_eq!(fake.get("/v1/charges", "").1["data"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_slow_body_drips_and_comes_whole() {
    let rule = "path=/v1/customers,kind=slow,seconds=1";
    let fake = Fake::start(&["--objects", "customers=5", "--fault", rule]);
    let started = Instant::now();
    let (_, page) = fake.get("/v1/customers", "");
    assert!(started.elapsed() >= Duration::from_millis(900));
    assert_eq!(page["data"].as_array().map(Vec::len), Some(5));
}

#[test]
fn the_date_is_the_clocks() {
    let fake = Fake::start(&["--objects", "customers=1", "--clock", "1800000000"]);
    let (head, _) = fake.get("/v1/customers", "");
    assert!(head.contains("date: fri, 15 jan 2027 08:00:00 gmt"), "{head}");
    assert_eq!(fake.post("/__clock", &json!({"advance": 3_600}))["now"], 1_800_003_600);
    let (head, _) = fake.get("/v1/customers", "");
    assert!(head.contains("date: fri, 15 jan 2027 09:00:00 gmt"), "{head}");
}

#[test]
fn an_answer_is_compressed_for_those_who_take_it() {
    let fake = Fake::start(&["--objects", "customers=50", "--gzip"]);
    let takes = "Accept-Encoding: gzip\r\n";
    let (head, compressed) = fake.raw("GET /v1/customers?limit=50", takes, "");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&compressed[..]).read_to_string(&mut text).expect("gzip");
    let (_, page) = fake.get("/v1/customers?limit=50", "");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), page);
}

#[test]
fn things_change_by_themselves_if_told_so() {
    let fake = Fake::start(&["--objects", "customers=20,events=0", "--mutate", "500"]);
    let events = || fake.get("/__oracle", "").1["events"].as_u64().expect("a count");
    until("things change", 20, || events() >= 20);
    let told =
        fake.post("/__mutate", &json!({"changes": [{"stream": "customers", "do": "create"}]}));
    let id = told["changes"][0]["id"].as_str().expect("an id").to_owned();
    let (head, _) = fake.get(&format!("/v1/customers/{id}"), "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

/// An OpenAPI file of one resource, `tree`.
fn orchard() -> Value {
    let tree = json!({
        "type": "object",
        "required": ["created", "id", "object"],
        "properties": {
            "created": {"type": "integer", "format": "unix-time"},
            "id": {"type": "string"},
            "object": {"type": "string", "enum": ["tree"]},
        },
        "x-resourceId": "tree",
    });
    let list = json!({"type": "object", "properties": {
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/tree"}},
        "has_more": {"type": "boolean"},
        "object": {"type": "string", "enum": ["list"]},
    }});
    let limit = json!({"name": "limit", "in": "query", "schema": {"type": "integer"}});
    let answers = json!({"200": {"content": {"application/json": {"schema": list}}}});
    json!({
        "openapi": "3.0.0",
        "info": {"version": "2031-01-01.test"},
        "paths": {"/v1/trees": {"get": {"parameters": [limit], "responses": answers}}},
        "components": {"schemas": {"tree": tree}},
    })
}

#[test]
fn another_version_is_played_from_its_openapi_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("openapi.json.gz");
    let file = std::fs::File::create(&path).expect("a file");
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(orchard().to_string().as_bytes()).expect("write");
    gzip.finish().expect("finish");
    let path = path.to_str().expect("text");
    let fake = Fake::start(&["--openapi", path, "--objects", "trees=12"]);
    let (head, page) = fake.get("/v1/trees?limit=12", "");
    assert!(head.contains("stripe-version: 2031-01-01.test"), "{head}");
    assert_eq!(page["data"].as_array().map(Vec::len), Some(12));
    assert_eq!(page["data"][0]["object"], "tree");
    let (_, unknown) = fake.get("/v1/customers", "");
    assert_eq!(unknown["error"]["type"], "invalid_request_error");
}
