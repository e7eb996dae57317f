//! A local Stripe to measure against; its own cost is not counted.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::release;
use crate::suite::command;

/// The key that it takes, as all of that form.
const KEY: &str = "sk_test_0123456789abcdefghijklmn";

/// A fake Stripe that runs until this is dropped.
pub(super) struct Stripe {
    child: Child,
    address: String,
}

impl Stripe {
    /// Starts one with objects as `customers=10,charges=20` and other flags.
    pub(super) fn start(objects: &str, flags: &[&str]) -> Result<Self, String> {
        let mut fake = command(release("fake-stripe"));
        fake.args(["--port", "0", "--until-stdin-closes", "--objects", objects]).args(flags);
        fake.stdin(Stdio::piped()).stdout(Stdio::piped());
        let told = |error: std::io::Error| format!("starting fake-stripe: {error}");
        let mut child = fake.spawn().map_err(told)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(told)?;
        }
        let said: Value = serde_json::from_str(&line)
            .map_err(|error| format!("starting fake-stripe: it said `{line}`: {error}"))?;
        let url = said.get("listening").and_then(Value::as_str).unwrap_or_default();
        Ok(Self { child, address: url.trim_start_matches("http://").to_owned() })
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// How many requests it has answered.
    pub(super) fn requests(&self) -> Result<u64, String> {
        let stats = self.get("/__stats")?;
        let count = stats.get("requests").and_then(Value::as_u64);
        count.ok_or_else(|| format!("fake-stripe tells no requests: {stats}"))
    }

    /// A source's configuration without limits of its own.
    pub(super) fn config(&self) -> Value {
        json!({
            "api_key": KEY, "api_version": "2026-01-28.clover",
            "base_url": format!("http://{}", self.address),
            "rate_limit": 1_000_000, "endpoint_rate_limit": 1_000_000,
        })
    }

    /// Its time, in unix seconds.
    pub(super) fn now(&self) -> Result<i64, String> {
        let told = self.body("POST", "/__clock", r#"{"advance":0}"#)?;
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        told.get("now")
            .and_then(Value::as_i64)
            .ok_or_else(|| "fake-stripe tells no time".to_owned())
    }

    /// An object of a stream, as a copy holds it.
    pub(super) fn object(&self, stream: &str) -> Result<Value, String> {
        let lines = self.body("GET", &format!("/__oracle/{stream}"), "")?;
        let first = lines.lines().next().unwrap_or_default();
        serde_json::from_str(first).map_err(|error| format!("reading one of `{stream}`: {error}"))
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let body = self.body("GET", path, "")?;
        serde_json::from_str(&body).map_err(|error| format!("reading `{path}`: {error}"))
    }

    fn body(&self, method: &str, path: &str, sent: &str) -> Result<String, String> {
        let told = |error: std::io::Error| format!("asking fake-stripe for `{path}`: {error}");
        let mut stream = TcpStream::connect(&self.address).map_err(told)?;
        let (host, length) = (&self.address, sent.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{sent}"
        );
        stream.write_all(request.as_bytes()).map_err(told)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(told)?;
        Ok(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
    }
}

impl Drop for Stripe {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself now; nobody is left to tell if it does not.
        drop(self.child.wait());
    }
}
