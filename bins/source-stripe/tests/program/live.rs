//! Events that others bring: by webhook while it follows, and on stdin.

use ring::hmac;
use serde_json::{Value, json};
use testkit::program::{Running, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fake::Fake;
use crate::run::{catalog, config, copied, read, texts};

const SECRET: &str = "whsec_0123456789";
const STREAMS: [&str; 2] = ["customers", "products"];

/// A source that follows and listens, read up to the end of its lists; and where it listens.
async fn follow(fake: &Fake, more: Value) -> (Running, String) {
    follow_streams(fake, &STREAMS, more).await
}

async fn follow_streams(fake: &Fake, streams: &[&str], more: Value) -> (Running, String) {
    let mut settings = json!({"webhook_port": 0, "webhook_secret": SECRET, "poll_events": false});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let config = config(&fake.url, settings);
    let mut running = read(&config, &catalog(streams), None).arg("--follow").start();
    let mut address = None;
    let mut left = streams.len();
    while left > 0 {
        let message = running.message(|_| true).await;
        let text = message["log"]["message"].as_str().unwrap_or_default();
        if let Some(found) = text.strip_prefix("listening for webhooks: POST http://") {
            address = Some(found.trim_end_matches("/webhook").to_owned());
        }
        if message["source_state"]["state_type"] == "global" {
            running.send(&format!("{message}\n")).await;
        }
        left -= usize::from(message["stream_status"]["status"] == "complete");
    }
    (running, address.expect("it says where it listens, before it reads"))
}

/// The newest event, as Stripe sends it, after a change by hand.
async fn change(fake: &Fake, change: Value) -> String {
    fake.mutate(&json!({"changes": [change]})).await;
    let page: Value = serde_json::from_str(&fake.get("/v1/events?limit=1").await).unwrap();
    format!("{:#}", page["data"][0])
}

fn signature(secret: &str, time: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={hex}")
}

fn created(event: &str) -> i64 {
    serde_json::from_str::<Value>(event).unwrap()["created"].as_i64().unwrap()
}

/// Posts an event without waiting for the answer.
async fn post(address: &str, signature: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nStripe-Signature: {signature}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn status(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn is_global(message: &Value) -> bool {
    message["source_state"]["state_type"] == "global"
}

#[tokio::test]
async fn a_webhook_is_answered_when_its_state_came_back_and_not_before() {
    let fake = Fake::start("customers=3,products=2,events=0", &[]).await;
    let (mut running, address) = follow(&fake, json!({})).await;
    let event = change(&fake, json!({"stream": "customers", "do": "create"})).await;
    let made: Value = serde_json::from_str(&event).unwrap();
    let posted = post(&address, &signature(SECRET, created(&event), &event), &event).await;
    let record = running.message(|message| message["type"] == "record").await;
    assert_eq!(record["record"]["data"]["id"], made["data"]["object"]["id"]);
    assert_eq!(record["_origin"], "event");
    let state = running.message(is_global).await;
    let mut nothing = [0; 1];
    let early = posted.try_read(&mut nothing);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "not before");
    running.send(&format!("{state}\n")).await;
    assert_eq!(status(posted).await, "200");
    // Its stdin is still open: that holds up nothing.
    running.signal(Signal::TERM);
    let finished = running.finish().await.expect_code(0);
    let told = texts(&finished, "log", "message");
    assert!(
        told.iter().any(|text| text.starts_with("events that were brought: 1 kept")),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_is_not_stripes_changes_nothing_and_other_streams_are_no_fault() {
    let fake = Fake::start("customers=3,products=2,charges=2,events=0", &[]).await;
    let (mut running, address) = follow(&fake, json!({})).await;
    let event = change(&fake, json!({"stream": "customers", "do": "create"})).await;
    let at = created(&event);
    for (what, signature) in [
        ("forged", signature("whsec_other", at, &event)),
        ("replayed", signature(SECRET, at - 400, &event)),
        ("early", signature(SECRET, at + 400, &event)),
        ("another body", signature(SECRET, at, "{}")),
        ("unsigned", String::new()),
    ] {
        assert_eq!(status(post(&address, &signature, &event).await).await, "400", "{what}");
    }
    for nothing in ["{}", r#"{"id":"evt_1","type":"customer.created"}"#] {
        let posted = post(&address, &signature(SECRET, at, nothing), nothing).await;
        assert_eq!(status(posted).await, "400", "no event");
    }
    let other = change(&fake, json!({"stream": "charges", "do": "create"})).await;
    let posted = post(&address, &signature(SECRET, created(&other), &other), &other).await;
    assert_eq!(status(posted).await, "200", "of a stream that is not read");
    running.signal(Signal::TERM);
    let rest = running.line().await.unwrap_or_default();
    assert!(!rest.contains("\"type\":\"record\""), "{rest}");
    let finished = running.finish().await.expect_code(0);
    let told = texts(&finished, "log", "message");
    let counted =
        "events that were brought: 0 kept, 1 of streams that are not read, 7 refused, 0 put off";
    assert!(told.iter().any(|text| text == counted), "{told:?}");
}

/// Brings a change by a webhook that is signed when it is made, and lets it be confirmed.
async fn bring(fake: &Fake, running: &mut Running, address: &str) -> String {
    let event = change(fake, json!({"stream": "customers", "do": "create"})).await;
    let posted = post(address, &signature(SECRET, created(&event), &event), &event).await;
    let record = tokio::select! {
        record = running.message(|message| message["type"] == "record") => record,
        () = async { drop(posted.readable().await) } => {
            panic!("it is answered before it is taken: {}", status(posted).await)
        }
    };
    assert_eq!(record["record"]["stream"], "customers");
    let state = running.message(is_global).await;
    running.send(&format!("{state}\n")).await;
    status(posted).await
}

#[tokio::test]
async fn a_clock_that_stood_while_the_machine_slept_is_set_before_anything_is_refused() {
    let fake = Fake::start("customers=3,products=2,events=0", &[]).await;
    let (mut running, address) = follow(&fake, json!({})).await;
    let asked = fake.requests("/v1/account").await;
    // Nothing was asked meanwhile: as far as the source knows, no time has passed.
    fake.advance(3_600).await;
    assert_eq!(bring(&fake, &mut running, &address).await, "200");
    assert_eq!(bring(&fake, &mut running, &address).await, "200");
    assert_eq!(fake.requests("/v1/account").await, asked + 1, "Stripe is asked once");
    running.signal(Signal::TERM);
    running.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_late_webhook_brings_its_object_as_it_is_and_not_as_it_was() {
    let fake = Fake::start("customers=3,products=2,events=0", &[]).await;
    let (mut running, address) = follow(&fake, json!({})).await;
    let id = fake.oracle("customers").await.into_keys().next().unwrap();
    let named = |name: &str| {
        change(
            &fake,
            json!({"stream": "customers", "do": "update", "id": id, "set": {"name": name}}),
        )
    };
    let late = named("one").await;
    fake.advance(5).await;
    let now = created(&named("two").await) + 120;
    fake.advance(120).await;
    let posted = post(&address, &signature(SECRET, now, &late), &late).await;
    let record = running.message(|message| message["type"] == "record").await;
    assert_eq!(
        (&record["_origin"], &record["record"]["data"]["name"]),
        (&json!("fetch"), &json!("two"))
    );
    assert!(record["record"]["data"]["_updated_at"].as_i64() > Some(created(&late)));
    let state = running.message(is_global).await;
    running.send(&format!("{state}\n")).await;
    assert_eq!(status(posted).await, "200");
    running.signal(Signal::TERM);
    running.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_list_of_which_no_event_tells_is_read_again_while_it_follows() {
    let fake = Fake::start("customers=3,apple_pay_domains=2,shipping_rates=2,events=0", &[]).await;
    let streams = ["customers", "apple_pay_domains", "shipping_rates"];
    let (mut running, address) = follow_streams(&fake, &streams, json!({})).await;
    let created = json!([
        {"stream": "apple_pay_domains", "do": "create"}, {"stream": "shipping_rates", "do": "create"}
    ]);
    fake.advance(3_600).await;
    fake.mutate(&json!({ "changes": created })).await;
    assert_eq!(bring(&fake, &mut running, &address).await, "200");
    let before = fake.requests("/v1/apple_pay/domains").await;
    assert_eq!(before, 1, "not before its time");
    // A day after it was read, as soon as that is known.
    fake.advance(86_400).await;
    assert_eq!(bring(&fake, &mut running, &address).await, "200");
    let (mut came, mut left) = (Vec::new(), 2);
    while left > 0 {
        let message = running.message(|_| true).await;
        assert_ne!(message["type"], "stream_status", "after its end: {message}");
        if message["type"] == "record" {
            assert_eq!(message["_origin"], "list");
            came.push(message["record"]["stream"].as_str().unwrap().to_owned());
        }
        let data = &message["source_state"]["data"];
        left -= usize::from(data["remaining"] == json!([]));
    }
    came.sort_unstable();
    // What is new where the list can be asked for a time, all of it where it cannot.
    assert_eq!(came, [vec!["apple_pay_domains"; 3], vec!["shipping_rates"]].concat());
    running.signal(Signal::TERM);
    running.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_listener_without_a_secret_or_a_free_port_is_one_clear_error() {
    let fake = Fake::start("customers=1,events=0", &[]).await;
    let without = config(&fake.url, json!({"webhook_port": 0}));
    let failed = read(&without, &catalog(&STREAMS), None).arg("--follow").run("").await;
    let failed = failed.expect_code(2);
    assert!(failed.stderr.contains("`webhook_secret` is missing"), "{}", failed.stderr);
    let taken = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let taken_port = json!({"webhook_port": port, "webhook_secret": SECRET});
    let failed = read(&config(&fake.url, taken_port), &catalog(&STREAMS), None).arg("--follow");
    let failed = failed.run("").await.expect_code(2);
    let expected = format!("listening for webhooks on `127.0.0.1:{port}`: ");
    assert!(failed.stderr.contains(&expected), "{}", failed.stderr);
}

#[tokio::test]
async fn events_on_stdin_become_records_without_a_list_or_a_poll() {
    let fake = Fake::start("customers=3,products=2,events=0", &[]).await;
    let made = change(&fake, json!({"stream": "customers", "do": "create"})).await;
    let passed = change(&fake, json!({"stream": "products", "do": "create"})).await;
    let one_line = |event: &str| serde_json::from_str::<Value>(event).unwrap().to_string();
    // Hours may lie between: whoever passes it on may have kept it.
    let signature = signature(SECRET, 1_000_000_000, &passed);
    let lines = [
        one_line(&made),
        json!({"type": "source_input", "source_input": {"body": passed, "signature": signature}})
            .to_string(),
        json!({"body": passed, "headers": {"Stripe-Signature": "t=1,v1=00"}}).to_string(),
    ];
    let config = config(&fake.url, json!({"input": "stdin", "webhook_secret": SECRET}));
    let lists = async || {
        let lists = ["/v1/customers", "/v1/products", "/v1/events"];
        let mut asked = 0;
        for path in lists {
            asked += fake.requests(path).await;
        }
        asked
    };
    let before = lists().await;
    let reading = read(&config, &catalog(&STREAMS), None);
    let finished = reading.run(format!("{}\n", lines.join("\n"))).await.expect_code(0);
    assert_eq!(lists().await, before, "nothing is asked for");
    let copy = copied(&finished);
    assert_eq!((copy.records["customers"].len(), copy.records["products"].len()), (1, 1));
    let told = texts(&finished, "log", "message");
    assert!(
        told.iter().any(|text| text.starts_with("line 3 on stdin was refused: no `v1`")),
        "{told:?}"
    );
}

/// Changes the last line of an invoice that has more of them than it shows; gives the event.
async fn change_hidden_line(fake: &Fake) -> Value {
    let lines = |invoice: &Value| invoice["lines"]["data"].as_array().unwrap().len();
    let invoices = fake.oracle("invoices").await.into_values();
    let mut invoices = invoices.map(|text| serde_json::from_str::<Value>(&text).unwrap());
    let mut invoice = invoices.find(|invoice| lines(invoice) > 10).unwrap();
    invoice["lines"]["data"].as_array_mut().unwrap().last_mut().unwrap()["description"] =
        json!("changed");
    let set = json!({"lines": invoice["lines"]});
    let update = json!({"stream": "invoices", "do": "update", "id": invoice["id"], "set": set});
    serde_json::from_str(&change(fake, update).await).unwrap()
}

/// The records of invoices that an event on stdin comes to.
async fn told_by(fake: &Fake, event: &Value, more: Value) -> Vec<Value> {
    let mut settings = json!({"input": "stdin"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reading = read(&config(&fake.url, settings), &catalog(&["invoices"]), None);
    let finished = reading.run(format!("{event}\n")).await.expect_code(0);
    finished.of_type("record").into_iter().map(|message| message["record"].clone()).collect()
}

#[tokio::test]
async fn an_object_is_read_again_once_the_lists_in_it_show_what_its_event_tells() {
    let fake = Fake::start("invoices=60,events=0", &["--list-lag", "9"]).await;
    let event = change_hidden_line(&fake).await;
    fake.advance(8).await;
    let records = told_by(&fake, &event, json!({})).await;
    let last = |record: &Value| {
        let lines = record["data"]["lines"]["data"].as_array().unwrap();
        lines.last().unwrap()["description"] == "changed"
    };
    assert_eq!(records.iter().map(last).collect::<Vec<_>>(), [false, true]);
    for record in &records {
        assert_eq!(record["data"]["_updated_at"], event["created"]);
    }
    assert_eq!(told_by(&fake, &event, json!({})).await.len(), 1, "it is old enough by now");
}

#[tokio::test]
async fn an_object_that_is_asked_for_is_no_newer_than_the_lists_in_it() {
    let fake = Fake::start("invoices=60,events=0", &[]).await;
    let hidden = change_hidden_line(&fake).await;
    let shown = change(&fake, json!({"stream": "invoices", "do": "create"})).await;
    let shown = serde_json::from_str::<Value>(&shown).unwrap();
    fake.advance(100).await;
    for (event, seconds) in [(hidden, 11), (shown, 1)] {
        let records = told_by(&fake, &event, json!({"revalidate_objects": ["invoices"]})).await;
        let [record] = records.as_slice() else { panic!("{records:?}") };
        let emitted = record["emitted_at"].as_str().unwrap();
        let emitted = emitted.parse::<protocol::Timestamp>().unwrap().seconds_floor();
        assert_eq!(record["data"]["_updated_at"], emitted - seconds);
    }
}

#[tokio::test]
async fn a_line_that_is_no_event_ends_the_read_after_what_came_before() {
    let fake = Fake::start("customers=3,events=0", &[]).await;
    let event = change(&fake, json!({"stream": "customers", "do": "create"})).await;
    let event = serde_json::from_str::<Value>(&event).unwrap();
    let config = config(&fake.url, json!({"input": "stdin"}));
    let reading = read(&config, &catalog(&["customers"]), None);
    let finished = reading.run(format!("{event}\nnonsense\n")).await.expect_code(1);
    assert_eq!(copied(&finished).records["customers"].len(), 1);
    assert!(
        finished.stderr.contains("reading stdin: line 2 is no JSON object: `nonsense`"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn an_event_comes_through_the_websocket_and_is_answered_once_it_is_confirmed() {
    let fake = Fake::start("customers=3,events=0", &[]).await;
    let settings = json!({"websocket": true, "poll_events": false});
    let config = config(&fake.url, settings);
    let mut running = read(&config, &catalog(&["customers"]), None).arg("--follow").start();
    running.message(|message| message["stream_status"]["status"] == "complete").await;
    let counted = async |name: &str| -> Value {
        let counts: Value = serde_json::from_str(&fake.get("/__webhooks").await).unwrap();
        counts[name].clone()
    };
    while counted("connections_of_sockets").await != 1 {}
    change(&fake, json!({"stream": "customers", "do": "create"})).await;
    running.message(|message| message["type"] == "record").await;
    let state = running.message(is_global).await;
    assert_eq!(counted("acknowledged_by_socket").await, 0, "not before");
    running.send(&format!("{state}\n")).await;
    while counted("acknowledged_by_socket").await != 1 {}
    running.signal(Signal::TERM);
    let finished = running.finish().await.expect_code(0);
    let told = texts(&finished, "log", "message");
    assert!(
        told.iter().any(|text| text.starts_with("events through the WebSocket: 1 kept")),
        "{told:?}"
    );
}
