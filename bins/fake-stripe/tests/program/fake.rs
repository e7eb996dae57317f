//! The program, started for a test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Looks until something holds that the fake brings about by itself; not without a pause, since
/// every question takes a connection.
#[expect(clippy::disallowed_methods, reason = "there is no runtime here")]
pub(crate) fn until(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < deadline, "waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running fake; killed when the test is done with it.
pub(crate) struct Fake {
    pub(crate) child: Child,
    address: String,
}

impl Fake {
    pub(crate) fn start(arguments: &[&str]) -> Self {
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

    pub(crate) fn get(&self, target: &str, headers: &str) -> (String, Value) {
        let (head, body) = self.raw(&format!("GET {target}"), headers, "");
        (head, serde_json::from_slice(&body).expect("a body of JSON"))
    }

    pub(crate) fn post(&self, target: &str, body: &Value) -> Value {
        self.ask(&format!("POST {target}"), "", &body.to_string())
    }

    /// The body of an answer to a request that carries a form or JSON.
    pub(crate) fn ask(&self, asked: &str, headers: &str, body: &str) -> Value {
        let headers = format!("Content-Length: {}\r\n{headers}", body.len());
        let (_, answer) = self.raw(asked, &headers, body);
        serde_json::from_slice(&answer).expect("a body of JSON")
    }

    /// Head and body of an answer, as far as they came.
    pub(crate) fn raw(&self, asked: &str, headers: &str, body: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("connect");
        write!(
            stream,
            "{asked} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer sk_test_1\r\n{headers}\r\n{body}",
            self.address
        )
        .expect("ask");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let body = answer.split_off(end + 4);
        (String::from_utf8(answer).expect("text").to_ascii_lowercase(), body)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("signal");
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
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
