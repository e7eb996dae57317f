//! Webhooks of the real program, received over a real socket.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use ring::hmac;
use serde_json::{Value, json};

use crate::fake::{Fake, until};

impl Fake {
    fn set_up(&self, url: &str, headers: &str) -> Value {
        let url = url.replace(':', "%3A").replace('/', "%2F");
        let form = format!("url={url}&enabled_events[]=*&metadata[managed_by]=us");
        self.ask("POST /v1/webhook_endpoints", headers, &form)
    }

    fn mutate(&self, steps: u32) {
        self.ask("POST /__mutate", "", &json!({"steps": steps}).to_string());
    }

    fn wait_until_sent(&self) -> Value {
        let counts = || self.ask("GET /__webhooks", "", "");
        until("all is sent", 30, || counts()["waiting"] == 0);
        counts()
    }
}

/// A request as it came.
struct Received {
    head: String,
    body: Vec<u8>,
}

/// Listens on a free port, answers these statuses and then 200s, and passes on what comes.
fn listener(statuses: Vec<u16>) -> (String, Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let url = format!("http://{}/hook?a=1", listener.local_addr().expect("an address"));
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut statuses = statuses.into_iter();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let received = receive(&stream);
            let status = statuses.next().unwrap_or(200);
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .expect("answer");
            if sender.send(received).is_err() {
                break;
            }
        }
    });
    (url, receiver)
}

fn receive(stream: &TcpStream) -> Received {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        let line = line.to_ascii_lowercase();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    Received { head, body }
}

fn is_signed(received: &Received, secret: &str) -> bool {
    let line = received.head.lines().find_map(|line| line.strip_prefix("stripe-signature: "));
    let (time, digits) = line.expect("a signature").split_once(",v1=").expect("two parts");
    let time = time.strip_prefix("t=").expect("a time");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = [format!("{time}.").as_bytes(), &received.body].concat();
    let expected = hmac::sign(&key, &signed);
    expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>() == digits
}

fn ids(came: &[Received]) -> Vec<String> {
    let event = |received: &Received| -> Value {
        serde_json::from_slice(&received.body).expect("an event")
    };
    came.iter().map(|received| event(received)["id"].as_str().expect("an id").to_owned()).collect()
}

const CHANGING: [&str; 4] = ["--objects", "customers=10,events=0", "--mutate-streams", "customers"];

#[test]
fn every_event_comes_signed_and_again_until_it_is_accepted() {
    let fake = Fake::start(&CHANGING);
    fake.mutate(5);
    let before = fake.ask("GET /v1/events?limit=1", "", "")["data"][0]["id"].clone();
    let (url, received) = listener(vec![500, 404]);
    let endpoint = fake.set_up(&url, "");
    let secret = endpoint["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(endpoint["metadata"], json!({"managed_by": "us"}));
    let id = endpoint["id"].as_str().expect("an id");
    let shown = fake.ask(&format!("GET /v1/webhook_endpoints/{id}"), "", "");
    assert!(shown.get("secret").is_none(), "it is told once");
    fake.mutate(30);
    let counts = fake.wait_until_sent();
    assert_eq!(counts["failed"], 2);
    let came: Vec<Received> = received.try_iter().collect();
    assert!(came.iter().all(|received| is_signed(received, &secret)));
    assert!(came.iter().all(|received| received.head.starts_with("post /hook?a=1 ")));
    let came: BTreeSet<String> = ids(&came).into_iter().collect();
    let page = fake.ask("GET /v1/events?limit=100", "", "");
    let all = page["data"].as_array().expect("data").iter();
    let expected: BTreeSet<String> = all
        .take_while(|event| event["id"] != before)
        .map(|event| event["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(came, expected, "those from before the endpoint are not for it");
    assert_eq!(counts["delivered"], came.len());
}

#[test]
fn late_webhooks_come_out_of_order_when_the_clock_says_so() {
    let late = ["--webhook-late", "3600", "--webhook-twice", "0.3", "--clock", "1800000000"];
    let fake = Fake::start(&[&CHANGING[..], &late].concat());
    let (url, received) = listener(Vec::new());
    fake.set_up(&url, "");
    fake.mutate(60);
    let waiting = fake.ask("GET /__webhooks", "", "")["waiting"].as_u64().expect("a count");
    assert!(waiting > 30, "{waiting}");
    fake.ask("POST /__clock", "", r#"{"advance": 3600}"#);
    fake.wait_until_sent();
    let came = ids(&received.try_iter().collect::<Vec<_>>());
    let page = fake.ask("GET /v1/events?limit=100", "", "");
    let mut order: Vec<&str> =
        page["data"].as_array().expect("data").iter().filter_map(|e| e["id"].as_str()).collect();
    order.reverse();
    let places: Vec<usize> =
        came.iter().filter_map(|id| order.iter().position(|known| known == id)).collect();
    assert!(!places.is_sorted());
    assert!(places.len() > order.len(), "some come twice");
    assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), order.len(), "all come");
}

#[test]
fn an_endpoint_is_set_up_once_and_gets_nothing_when_disabled_or_gone() {
    let fake = Fake::start(&CHANGING);
    let (url, received) = listener(Vec::new());
    let key = "Idempotency-Key: one\r\n";
    let endpoint = fake.set_up(&url, key);
    assert_eq!(fake.set_up(&url, key), endpoint);
    let listed = fake.ask("GET /v1/webhook_endpoints", "", "");
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    let path = format!("/v1/webhook_endpoints/{}", endpoint["id"].as_str().expect("an id"));
    let disabled = fake.ask(&format!("POST {path}"), "", "disabled=true");
    assert_eq!(disabled["status"], "disabled");
    fake.mutate(5);
    assert_eq!(fake.wait_until_sent()["delivered"], 0);
    let enabled =
        fake.ask(&format!("POST {path}"), "", "disabled=false&enabled_events[]=customer.updated");
    assert_eq!(enabled["status"], "enabled");
    fake.mutate(20);
    fake.wait_until_sent();
    let came: Vec<Received> = received.try_iter().collect();
    assert!(!came.is_empty());
    let is_update = |received: &Received| {
        let event: Value = serde_json::from_slice(&received.body).expect("an event");
        event["type"] == "customer.updated"
    };
    assert!(came.iter().all(is_update));
    assert_eq!(fake.ask(&format!("DELETE {path}"), "", "")["deleted"], true);
    fake.mutate(5);
    fake.wait_until_sent();
    assert!(received.try_iter().next().is_none());
    assert_eq!(fake.ask(&format!("GET {path}"), "", "")["error"]["code"], "resource_missing");
    let refused = fake.ask("POST /v1/customers", "", "email=a");
    assert_eq!(refused["error"]["type"], "invalid_request_error");
}
