//! The local Stripe, started as a program, and what it says of itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::canonical::canonical;
use crate::failure::{fail, loud};
use crate::program::{Program, Running};

/// The key that every [`FakeStripe`] takes.
pub const API_KEY: &str = "sk_test_0123456789abcdefghijklmn";

/// A running `fake-stripe` on a free port; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeStripe {
    running: Running,
    address: String,
}

impl FakeStripe {
    /// Starts one with these flags, such as `--objects customers=300`, and waits until it listens.
    pub async fn start<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let program = Program::named("fake-stripe");
        let fixed = ["--port", "0", "--api-key", API_KEY, "--until-stdin-closes"];
        let mut running = program.args(fixed).args(arguments).start();
        let ready = running.message(|message| message.get("listening").is_some()).await;
        let url = ready.get("listening").and_then(Value::as_str).unwrap_or_default();
        let address = url.trim_start_matches("http://").to_owned();
        Self { running, address }
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Every object of a stream that a complete copy holds, by id, in canonical form.
    pub async fn oracle(&self, stream: &str) -> BTreeMap<String, Value> {
        let text = self.get(&format!("/__oracle/{stream}?lists=whole")).await;
        text.lines().filter(|line| !line.is_empty()).map(|line| by_id(parse(line))).collect()
    }

    /// What it was asked: requests by path, answers of 429, bytes.
    pub async fn stats(&self) -> Value {
        parse(&self.get("/__stats").await)
    }

    /// Takes this many steps of its seeded script of changes; what it did, as it tells it.
    pub async fn mutate(&self, steps: u32) -> Value {
        parse(&self.post("/__mutate", &json!({"steps": steps})).await)
    }

    /// Puts a text in the place of an object, whatever it is; no event tells.
    pub async fn replace(&self, stream: &str, id: &str, text: &str) {
        let change = json!({"stream": stream, "do": "update", "id": id, "raw": text});
        self.post("/__mutate", &json!({"changes": [change]})).await;
    }

    /// Makes these changes by hand, as `POST /__mutate` takes them, all at one moment.
    pub async fn change(&self, changes: &[Value]) -> Value {
        parse(&self.post("/__mutate", &json!({"changes": changes})).await)
    }

    /// Moves its clock on by so many seconds; the new time in unix seconds.
    pub async fn advance(&self, seconds: u32) -> i64 {
        let answer = parse(&self.post("/__clock", &json!({"advance": seconds})).await);
        let now = answer.get("now").and_then(Value::as_i64);
        now.unwrap_or_else(|| fail(&format!("fake-stripe tells no time: {answer}")))
    }

    /// The body of a path.
    pub async fn get(&self, path: &str) -> String {
        self.body("GET", path, "").await
    }

    async fn post(&self, path: &str, body: &Value) -> String {
        self.body("POST", path, &body.to_string()).await
    }

    async fn body(&self, method: &str, path: &str, sent: &str) -> String {
        let answer = loud("asking fake-stripe", self.ask(method, path, sent).await);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            fail(&format!("an answer without a body: {text}"));
        };
        if !head.starts_with("HTTP/1.1 200") {
            fail(&format!("asking fake-stripe for `{method} {path}`: {text}"));
        }
        body.to_owned()
    }

    async fn ask(&self, method: &str, path: &str, sent: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {API_KEY}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{sent}",
            self.address,
            sent.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// An object with its id, in canonical form.
pub fn by_id(object: Value) -> (String, Value) {
    let id = object.get("id").and_then(Value::as_str).map(str::to_owned);
    let Some(id) = id else { fail(&format!("an object without id: {object}")) };
    (id, canonical(object))
}

fn parse(text: &str) -> Value {
    loud(&format!("reading `{text}` as JSON"), serde_json::from_str(text))
}
