//! One HTTP client for Stripe: key, version, time-outs, budget, retries. It only reads, but for the webhook
//! endpoint that `setup` is asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use connector::{Emitter, Error, retry};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Method, Request, Uri, Version};
use protocol::{Level, Log, Timestamp};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use url::{Url, form_urlencoded};

use crate::body::{Bodies, Body, Unreceived};
pub(crate) use crate::call::{Call, Writing};
use crate::clock::{ServerClock, http_date};
use crate::config::Settings;
use crate::errors::{self, Failure, Verdict};
use crate::headers::{of_requests, read_answer, text, value};
use crate::limits::{Grant, Limits, Rank};
use crate::page::{Frame, Malformed, Page, Stamp};
use crate::room::Held;
use crate::transport::Transport;

/// Longest time until an answer is here as a whole.
const REQUEST: Duration = Duration::from_secs(60);
/// After this time a server may give up on an answer that nobody reads.
const PATIENCE: Duration = Duration::from_secs(10);
/// The header that names the version of an answer.
const STRIPE_VERSION: &str = "stripe-version";
/// Words about the rate limit that may wait to be told.
const NOTICES: usize = 16;

/// A whole answer with status 200.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The body.
    pub(crate) body: Vec<u8>,
    held: Held,
    /// When it was asked for, since our start.
    pub(crate) sent: Duration,
    /// Its `Date`.
    pub(crate) date: Option<Timestamp>,
    /// Its `Stripe-Version`, where the call named none.
    pub(crate) version: Option<String>,
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The page.
    pub(crate) page: Page,
    /// What its records are stamped with.
    pub(crate) stamp: Stamp,
    /// The room that it takes, to be held as long as it is there.
    pub(crate) held: Held,
}

/// Talks to Stripe.
#[derive(Debug)]
pub(crate) struct Client {
    transport: Transport,
    headers: HeaderMap,
    version: HeaderValue,
    base_url: String,
    limits: Mutex<Limits>,
    clock: Mutex<ServerClock>,
    /// Requests by path since they were last told.
    requests: Mutex<BTreeMap<String, u64>>,
    started: Instant,
    notices: mpsc::Sender<String>,
    in_flight: Semaphore,
    bodies: Bodies,
    may_leave_unread: AtomicBool,
}

impl Client {
    /// A client, and the words about the rate limit that are to be told.
    ///
    /// # Errors
    ///
    /// When the key cannot stand in a header, or TLS cannot be set up.
    pub(crate) fn open(settings: &Settings) -> Result<(Self, mpsc::Receiver<String>), Error> {
        install_tls();
        let (notices, told) = mpsc::channel(NOTICES);
        let client = Self {
            transport: Transport::open(&settings.base_url)?,
            headers: of_requests(settings)?,
            version: value("api_version", &settings.api_version)?,
            base_url: settings.base_url.clone(),
            limits: Mutex::new(Limits::new(settings.rates)),
            clock: Mutex::default(),
            requests: Mutex::default(),
            started: Instant::now(),
            notices,
            in_flight: Semaphore::new(settings.max_in_flight.min(Semaphore::MAX_PERMITS)),
            bodies: Bodies::default(),
            may_leave_unread: AtomicBool::new(false),
        };
        Ok((client, told))
    }

    /// Decides something under the budgets as they stand, and the time since our start.
    pub(crate) fn decide<T>(&self, with: impl FnOnce(&mut Limits, Duration) -> T) -> T {
        with(&mut lock(&self.limits), self.started.elapsed())
    }

    /// Stripe's time now, or a little less; `None` before the first answer.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        lock(&self.clock).at(self.started.elapsed())
    }

    /// Has Stripe tell its time: any answer does, whatever else it says.
    pub(crate) async fn ask_time(&self) {
        let call = Call::new("asking for Stripe's time", "/v1/account");
        if let Err(failure) = self.get(&call, |_reply| Ok(())).await {
            tracing::debug!(?failure, "asking for Stripe's time");
        }
    }

    /// Puts a word for people among the notices; one too many is left out.
    pub(crate) fn tell(&self, word: String) {
        if let Err(untold) = self.notices.try_send(word) {
            tracing::debug!("{untold}");
        }
    }

    /// The requests made since this was last asked, by path.
    fn take_requests(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *lock(&self.requests))
    }

    /// Tells how many requests were made since the last time.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn tell_requests(&self, out: &mut Emitter) -> Result<(), Error> {
        let requests = self.take_requests();
        if requests.is_empty() {
            return Ok(());
        }
        let count: u64 = requests.values().sum();
        let text = format!("{count} requests were made");
        out.tell(Log { requests, ..Log::new(Level::Debug, text) }).await
    }

    /// Whether answers may wait unread: each has a connection of its own (HTTP/1.1). One of many on
    /// the same connection (HTTP/2) would keep the others from arriving. Unknown before the first.
    pub(crate) fn may_leave_unread(&self) -> bool {
        self.may_leave_unread.load(Ordering::Relaxed)
    }

    /// Where the requests go.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Fetches one page of a list. Its token was taken before; retries take their own.
    ///
    /// # Errors
    ///
    /// What it came to, after retries.
    pub(crate) async fn page(&self, call: &Call, frame: &Frame) -> Result<Listed, Failure> {
        let read = |reply: &Reply| {
            let stamp = self.stamp(reply)?;
            Page::read(&reply.body, frame, stamp).map(|page| (page, stamp))
        };
        let ((page, stamp), held) = self.attempts(call, None, read).await?;
        Ok(Listed { page, stamp, held })
    }

    /// Makes a request, waiting for its token.
    ///
    /// # Errors
    ///
    /// What it came to, after retries.
    pub(crate) async fn get<T>(
        &self,
        call: &Call,
        read: impl Fn(&Reply) -> Result<T, Malformed>,
    ) -> Result<T, Failure> {
        self.wait_for_token(&call.endpoint, Rank::First).await?;
        Ok(self.attempts(call, None, read).await?.0)
    }

    /// The same for one of many requests that nobody waits for alone: others go first. Gives the room
    /// too that the answer takes beyond what was expected.
    ///
    /// # Errors
    ///
    /// What it came to, after retries.
    pub(crate) async fn get_in_turn<T>(
        &self,
        call: &Call,
        read: impl Fn(&Reply) -> Result<T, Malformed>,
    ) -> Result<(T, Held), Failure> {
        self.wait_for_token(&call.endpoint, Rank::Later).await?;
        self.attempts(call, None, read).await
    }

    /// Makes a request that changes something, waiting for its token.
    ///
    /// # Errors
    ///
    /// What it came to, after retries.
    pub(crate) async fn write<T>(
        &self,
        call: &Call,
        writing: &Writing,
        read: impl Fn(&Reply) -> Result<T, Malformed>,
    ) -> Result<T, Failure> {
        self.wait_for_token(&call.endpoint, Rank::First).await?;
        Ok(self.attempts(call, Some(writing), read).await?.0)
    }

    async fn attempts<T>(
        &self,
        call: &Call,
        writing: Option<&Writing>,
        read: impl Fn(&Reply) -> Result<T, Malformed>,
    ) -> Result<(T, Held), Failure> {
        let (mut failures, mut slowdowns) = (0_u32, 0_u32);
        loop {
            let attempt = self.attempt(call, writing).await;
            let reply = attempt.and_then(|reply| {
                let value = read(&reply);
                self.bodies.keep(reply.body);
                let value = value.map(|value| (value, reply.held));
                value.map_err(|why| Box::new(errors::no_answer(&call.question, why)))
            });
            let verdict = match reply {
                Ok(value) => return Ok(value),
                Err(verdict) => *verdict,
            };
            let (failure, asked, forgiven) = match verdict {
                Verdict::Final(failure) => return Err(failure),
                Verdict::Again { failure, asked, forgiven } => (failure, asked, forgiven),
            };
            let count = if forgiven { &mut slowdowns } else { &mut failures };
            *count = count.saturating_add(1);
            let count = if forgiven { slowdowns.min(retry::TRIES - 1) } else { failures };
            let Some(wait) = retry::wait(count, asked, retry::jitter()) else {
                return Err(failure);
            };
            tracing::debug!(path = call.path, ?wait, ?failure, "trying again");
            tokio::time::sleep(wait).await;
            self.wait_for_token(&call.endpoint, Rank::First).await?;
        }
    }

    async fn attempt(&self, call: &Call, writing: Option<&Writing>) -> Result<Reply, Box<Verdict>> {
        let request = self.request(call, writing)?;
        self.count(&call.endpoint);
        // It is never closed, so there always is one to wait for.
        let _permit = self.in_flight.acquire().await.ok();
        let sent = self.started.elapsed();
        let (head, Body { bytes: body, held }) = self.exchange(call, request).await?;
        let (status, headers) = (head.status.as_u16(), head.headers);
        let date = text(&headers, "date").and_then(http_date);
        if status == 200 {
            let version = text(&headers, STRIPE_VERSION).filter(|_| !call.is_versioned);
            let version = version.map(str::to_owned);
            return Ok(Reply { body, held, sent, date, version });
        }
        let verdict =
            errors::judge(&call.question, &read_answer(status, &headers, &body, self.now()));
        if let Verdict::Again { forgiven: true, .. } = verdict {
            self.slow_down(&call.endpoint, text(&headers, "stripe-rate-limited-reason"));
        }
        Err(Box::new(verdict))
    }

    /// Makes a request, and receives the answer.
    async fn exchange(
        &self,
        call: &Call,
        request: Request<Full<Bytes>>,
    ) -> Result<(Parts, Body), Box<Verdict>> {
        let late = |_: Elapsed| {
            let why = format!("no whole answer within {} s", REQUEST.as_secs());
            Box::new(errors::no_answer(&call.question, why))
        };
        let mut end = Instant::now() + REQUEST;
        let answer = timeout_at(end, self.transport.send(request)).await.map_err(late)?;
        let answer = answer.map_err(|error| self.lost(call, &error, error.is_connect()))?;
        let received = self.started.elapsed();
        if let Some(date) = text(answer.headers(), "date").and_then(http_date) {
            lock(&self.clock).observe(date, received);
        }
        let may_wait = answer.version() < Version::HTTP_2;
        self.may_leave_unread.store(may_wait, Ordering::Relaxed);
        let (head, body) = answer.into_parts();
        let is_good = head.status == 200;
        let expected = call.expected.filter(|_| is_good);
        let (mut held, mut unread) = (Held::default(), Duration::ZERO);
        if let Some(room) = call.room.filter(|_| is_good && may_wait) {
            let since = Instant::now();
            held = self.bodies.wait(&body, room, expected).await;
            unread = since.elapsed();
            // The limit is for Stripe, and this was us.
            end += unread;
        }
        let body = self.bodies.receive(&head.headers, body, expected, held);
        let body = timeout_at(end, body).await.map_err(late)?.map_err(|why| match why {
            Unreceived::Lost(error) => self.cut(call, &*error, unread),
            Unreceived::TooLarge => Box::new(Verdict::Final(Failure::TooLarge)),
        })?;
        Ok((head, body))
    }

    fn request(
        &self,
        call: &Call,
        writing: Option<&Writing>,
    ) -> Result<Request<Full<Bytes>>, Box<Verdict>> {
        let mut headers = self.headers.clone();
        if call.is_versioned {
            headers.insert(HeaderName::from_static(STRIPE_VERSION), self.version.clone());
        }
        let (method, body) = match writing {
            None => (Method::GET, Full::default()),
            Some(Writing::Delete) => (Method::DELETE, Full::default()),
            Some(Writing::Post { form, idempotency_key }) => {
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(CONTENT_TYPE, kind);
                let key = value("idempotency key", idempotency_key).map_err(refused)?;
                headers.insert(HeaderName::from_static("idempotency-key"), key);
                let form =
                    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
                (Method::POST, Full::from(form))
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(call)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn count(&self, endpoint: &str) {
        let mut requests = lock(&self.requests);
        if let Some(count) = requests.get_mut(endpoint) {
            *count = count.saturating_add(1);
        } else {
            requests.insert(endpoint.to_owned(), 1);
        }
    }

    fn uri(&self, call: &Call) -> Result<Uri, Box<Verdict>> {
        let url = format!("{}{}", self.base_url, call.path);
        let wrong = |why: &dyn std::fmt::Display| {
            refused(Error::config(format!("reading `base_url`: `{url}` is no URL: {why}")))
        };
        let parsed = if call.query.is_empty() {
            Url::parse(&url)
        } else {
            Url::parse_with_params(&url, &call.query)
        };
        let parsed = parsed.map_err(|error| wrong(&error))?;
        parsed.as_str().parse().map_err(|error: hyper::http::uri::InvalidUri| wrong(&error))
    }

    /// A request that got no whole answer.
    fn lost(
        &self,
        call: &Call,
        error: &(dyn std::error::Error + 'static),
        is_connect: bool,
    ) -> Box<Verdict> {
        let why = chain(error);
        Box::new(if is_connect {
            errors::not_reached(&call.question, &self.base_url, why)
        } else {
            errors::no_answer(&call.question, why)
        })
    }

    /// An answer that did not arrive whole, after it was left unread for so long.
    fn cut(
        &self,
        call: &Call,
        error: &(dyn std::error::Error + 'static),
        unread: Duration,
    ) -> Box<Verdict> {
        let mut verdict = self.lost(call, error, false);
        if let Verdict::Again { forgiven, .. } = &mut *verdict {
            *forgiven = unread >= PATIENCE;
        }
        verdict
    }

    fn slow_down(&self, path: &str, reason: Option<&str>) {
        let word = lock(&self.limits).slow_down(self.started.elapsed(), path, reason);
        if let Some(word) = word {
            self.tell(word);
        }
    }

    async fn wait_for_token(&self, path: &str, rank: Rank) -> Result<(), Failure> {
        loop {
            match self.decide(|limits, now| limits.take(now, path, rank)) {
                Grant::Go => return Ok(()),
                Grant::Wait(wait) => tokio::time::sleep(wait).await,
                Grant::Never => return Err(Failure::NoCallsLeft),
            }
        }
    }

    fn stamp(&self, reply: &Reply) -> Result<Stamp, Malformed> {
        let updated_at = lock(&self.clock).page_stamp(reply.sent, reply.date);
        match (updated_at, self.now()) {
            (Some(updated_at), Some(emitted_at)) => Ok(Stamp { updated_at, emitted_at }),
            _ => Err(Malformed::new("an answer without a `Date` header")),
        }
    }
}

/// One TLS stack for the process; a second call finds it there.
pub(crate) fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS provider was installed before");
        }
    });
}

fn refused(error: Error) -> Box<Verdict> {
    Box::new(Verdict::Final(Failure::Connection(error)))
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let causes: String = causes.map(|cause| format!(": {cause}")).collect();
    format!("{error}{causes}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
