//! Signed webhooks at a steady pace, whether or not they are answered in time.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::hmac;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use tokio_postgres::{Client, Statement};

/// Longer than a listener lets anybody wait before it puts a webhook off.
const PATIENCE: Duration = Duration::from_secs(30);
/// Every so many, the row is looked for as soon as the webhook was answered.
const LOOKED_FOR: u64 = 20;

/// So many webhooks at such a rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// A second.
    pub(super) rate: u32,
    /// Altogether.
    pub(super) count: u64,
}

/// What became of one.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// The id of the customer that it tells of.
    pub(super) customer: String,
    /// The status of the answer; 0 if there was none.
    pub(super) status: u16,
    /// From the first byte of the request to the last of the answer.
    pub(super) took: Duration,
    /// Whether the row was there when the answer was, where that was looked for.
    pub(super) was_there: Option<bool>,
}

/// Who sends, and looks after them.
pub(super) struct Sender {
    shared: Arc<Shared>,
    /// Stripe's time when `begun` was.
    stripe: i64,
    begun: Instant,
    customer: Value,
    next: u64,
}

struct Shared {
    address: SocketAddr,
    key: hmac::Key,
    /// Connections that are open and not in use.
    idle: Mutex<Vec<TcpStream>>,
    copy: Client,
    look: Statement,
}

impl Sender {
    /// Sends to `address` what is signed with `secret`: new customers like this one. Stripe's time
    /// is `now`; the rows are looked for in `copy`.
    pub(super) async fn new(
        (address, secret): (SocketAddr, &str),
        (customer, now): (Value, i64),
        copy: Client,
    ) -> Result<Self, String> {
        let look = "SELECT FROM stripe.customers WHERE id = $1";
        let look = copy.prepare(look).await.map_err(|error| format!("looking: {error}"))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let shared = Arc::new(Shared { address, key, idle: Mutex::default(), copy, look });
        Ok(Self { shared, stripe: now, begun: Instant::now(), customer, next: 0 })
    }

    /// The rows that are there of those that were sent.
    pub(super) async fn rows(&self) -> Result<Vec<String>, String> {
        let all = "SELECT id FROM stripe.customers WHERE id LIKE 'cus_live%'";
        let rows = self.shared.copy.query(all, &[]).await;
        let rows = rows.map_err(|error| format!("reading the copy: {error}"))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Sends at this pace and waits for the last answer.
    pub(super) async fn send(&mut self, pace: Pace) -> Vec<Sent> {
        let (begun, mut all, mut sending) =
            (tokio::time::Instant::now(), Vec::new(), JoinSet::new());
        for number in 0..pace.count {
            let due = Duration::from_secs(number) / pace.rate;
            sleep_until(begun + due).await;
            let (customer, body) = self.event();
            let request = self.request(&body);
            let shared = Arc::clone(&self.shared);
            let looks = number.is_multiple_of(LOOKED_FOR);
            sending.spawn(async move { shared.send(customer, request, looks).await });
            while let Some(sent) = sending.try_join_next() {
                all.extend(sent);
            }
        }
        while let Some(sent) = sending.join_next().await {
            all.extend(sent);
        }
        all
    }

    fn now(&self) -> i64 {
        self.stripe.saturating_add_unsigned(self.begun.elapsed().as_secs())
    }

    fn event(&mut self) -> (String, String) {
        let (id, now) = (format!("cus_live{:08}", self.next), self.now());
        if let Some(customer) = self.customer.as_object_mut() {
            customer.insert("id".to_owned(), json!(id));
            customer.insert("created".to_owned(), json!(now));
        }
        let event = json!({
            "id": format!("evt_live{:08}", self.next), "object": "event",
            "api_version": "2026-01-28.clover", "created": now, "livemode": false,
            "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
            "type": "customer.created", "data": {"object": self.customer},
        });
        self.next = self.next.saturating_add(1);
        (id, format!("{event:#}"))
    }

    fn request(&self, body: &str) -> Vec<u8> {
        let (time, length) = (self.now(), body.len());
        let tag = hmac::sign(&self.shared.key, format!("{time}.{body}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let head = format!(
            "POST /webhook HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Stripe-Signature: t={time},v1={hex}\r\nContent-Length: {length}\r\n\r\n",
            self.shared.address
        );
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

impl Shared {
    async fn send(&self, customer: String, request: Vec<u8>, looks: bool) -> Sent {
        let begun = Instant::now();
        let status = timeout(PATIENCE, self.post(&request)).await;
        let took = begun.elapsed();
        let status = status.ok().and_then(Result::ok).unwrap_or_default();
        let was_there = if looks && status == 200 {
            let found = self.copy.query_opt(&self.look, &[&customer]).await;
            Some(found.is_ok_and(|row| row.is_some()))
        } else {
            None
        };
        Sent { customer, status, took, was_there }
    }

    async fn post(&self, request: &[u8]) -> io::Result<u16> {
        let idle = self.idle().pop();
        // One that was not used for long may have been closed.
        if let Some(stream) = idle
            && let Ok(status) = self.exchange(stream, request).await
        {
            return Ok(status);
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        self.exchange(stream, request).await
    }

    async fn exchange(&self, mut stream: TcpStream, request: &[u8]) -> io::Result<u16> {
        stream.write_all(request).await?;
        let mut answer = Vec::with_capacity(256);
        loop {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(status) = status(&answer) {
                self.idle().push(stream);
                return Ok(status);
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The status of an answer that has come as a whole.
fn status(answer: &[u8]) -> Option<u16> {
    let (head, body) = std::str::from_utf8(answer).ok()?.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (body.len() >= length).then(|| head.split(' ').nth(1)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_it_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nkept\n";
        assert_eq!(status(whole), Some(200));
        for cut in 0..whole.len() {
            assert_eq!(status(&whole[..cut]), None);
        }
    }
}
