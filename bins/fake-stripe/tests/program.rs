//! The real program, over a real socket.

#![cfg(test)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A running fake; killed when the test is done with it.
struct Fake {
    child: Child,
    address: String,
}

impl Fake {
    fn start(arguments: &[&str]) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the test runs the program itself")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-stripe"));
        command.args(["--port", "0"]).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("the line that says where it listens");
        let said: Value = serde_json::from_str(&line).expect("a line of JSON");
        let address = said["listening"].as_str().and_then(|url| url.strip_prefix("http://"));
        Self { address: address.expect("an address").to_owned(), child }
    }

    fn get(&self, target: &str, headers: &str) -> (String, Value) {
        let mut stream = TcpStream::connect(&self.address).expect("connect");
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer sk_test_1\r\n{headers}\r\n",
            self.address
        )
        .expect("ask");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_ascii_lowercase(), serde_json::from_str(body).expect("a body of JSON"))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("signal");
    }

    fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("its end")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().expect("kill");
            self.child.wait().expect("its end");
        }
    }
}

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
