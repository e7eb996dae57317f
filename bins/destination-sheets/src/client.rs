//! One HTTP client for Google: token, quota, time-outs, retries.

use std::sync::Once;
use std::time::Duration;

use connector::{Error, retry};
use reqwest::Method;
use reqwest::redirect::Policy;
use serde_json::Value;

use crate::auth::Tokens;
use crate::config::Options;
use crate::failure::{Answer, Failure, waiting};
use crate::quota::Quota;
use crate::rest::Rest;

/// Longest time until a connection is made.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time until an answer is here as a whole: Google takes up to three minutes over a large one.
const REQUEST: Duration = Duration::from_secs(180);

/// A request to make.
#[derive(Debug)]
pub(crate) struct Call {
    /// What it is for, for a person.
    pub(crate) doing: String,
    method: Method,
    url: String,
    body: Option<Vec<u8>>,
    /// Whether doing it twice is doing it once.
    repeatable: bool,
}

/// Talks to Google.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    tokens: Tokens,
    quota: Quota,
    rest: Rest,
    sheets_url: String,
    drive_url: String,
    tries: u32,
    /// Requests made to the API, retries included.
    pub(crate) request_count: u64,
}

impl Client {
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        install_tls();
        let http = reqwest::Client::builder()
            .user_agent(concat!("sync-engine/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .redirect(Policy::none())
            .build()
            .map_err(|error| Error::internal("setting up HTTP").caused_by(error))?;
        Ok(Self {
            http,
            tokens: Tokens::new(options.credentials.clone(), options.token_url.clone()),
            quota: Quota::new(options.requests_per_minute),
            rest: Rest::default(),
            sheets_url: options.sheets_url.clone(),
            drive_url: options.drive_url.clone(),
            tries: retry::TRIES,
            request_count: 0,
        })
    }

    /// The same for somebody who waits for a yes or no: a second try, not six.
    pub(crate) fn impatient(options: &Options) -> Result<Self, Error> {
        Ok(Self { tries: 2, ..Self::open(options)? })
    }

    /// The same for a run, whose waits can be ended.
    pub(crate) fn resting(options: &Options, rest: Rest) -> Result<Self, Error> {
        Ok(Self { rest, ..Self::open(options)? })
    }

    /// Reads from a spreadsheet; `path` follows its id.
    pub(crate) async fn get(
        &mut self,
        doing: &str,
        spreadsheet: &str,
        path: &str,
    ) -> Result<Value, Failure> {
        let url = self.spreadsheet_url(spreadsheet, path);
        self.send(&Call::new(doing, Method::GET, url, None)).await
    }

    /// Writes to a spreadsheet; doing it twice must be doing it once.
    pub(crate) async fn post(
        &mut self,
        doing: &str,
        spreadsheet: &str,
        (path, body): (&str, Vec<u8>),
    ) -> Result<Value, Failure> {
        let url = self.spreadsheet_url(spreadsheet, path);
        self.send(&Call::new(doing, Method::POST, url, Some(body))).await
    }

    /// Makes a spreadsheet. Not tried again when it may have been made: nobody would find the first.
    pub(crate) async fn create(&mut self, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}/v4/spreadsheets?fields=spreadsheetId", self.sheets_url);
        let body = Some(body.to_string().into_bytes());
        let call = Call::new("making a spreadsheet", Method::POST, url, body);
        self.send(&Call { repeatable: false, ..call }).await
    }

    /// Deletes a spreadsheet for good.
    pub(crate) async fn delete(&mut self, spreadsheet: &str) -> Result<(), Failure> {
        let url = format!("{}/drive/v3/files/{}", self.drive_url, escaped(spreadsheet));
        let call = Call::new("deleting the spreadsheet", Method::DELETE, url, None);
        match self.send(&call).await {
            // Gone after a first try whose answer was lost.
            Ok(_) | Err(Failure { status: Some(404), .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn spreadsheet_url(&self, spreadsheet: &str, path: &str) -> String {
        format!("{}/v4/spreadsheets/{}{path}", self.sheets_url, escaped(spreadsheet))
    }

    async fn send(&mut self, call: &Call) -> Result<Value, Failure> {
        let mut failures = 0_u32;
        let mut is_new_token = false;
        loop {
            let answer = self.attempt(call).await?;
            if answer.status.is_some_and(|status| (200..300).contains(&status)) {
                return Ok(answer.body);
            }
            if answer.status == Some(401) && !is_new_token && self.tokens.forget() {
                is_new_token = true;
                continue;
            }
            failures = failures.saturating_add(1);
            let is_over_quota = answer.status == Some(429);
            let may_repeat = is_over_quota || call.repeatable && failures < self.tries;
            match waiting(answer.status, answer.asked, failures, retry::jitter()) {
                Some(wait) if may_repeat => {
                    let why = format!("{}: {}", call.doing, answer.said());
                    self.rest.wait_for(wait, &why).await?;
                }
                Some(_) | None => {
                    let who = self.tokens.credentials().who();
                    return Err(Failure::of(&call.doing, &who, &answer));
                }
            }
        }
    }

    async fn attempt(&mut self, call: &Call) -> Result<Answer, Failure> {
        let token = self.tokens.current(&self.http, self.tries, &self.rest).await?;
        let is_read = call.method == Method::GET;
        while let Err(wait) = self.quota.ask(is_read) {
            let why = self.quota.limit(is_read);
            self.rest.wait_for(wait, &why).await?;
        }
        self.request_count = self.request_count.saturating_add(1);
        let mut request =
            self.http.request(call.method.clone(), &call.url).bearer_auth(token.expose());
        if let Some(body) = &call.body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        Ok(Answer::of(request).await)
    }
}

impl Call {
    fn new(doing: &str, method: Method, url: String, body: Option<Vec<u8>>) -> Self {
        Self { doing: doing.to_owned(), method, url, body, repeatable: true }
    }
}

/// A text as one part of a path or query.
pub(crate) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// One TLS stack for the process; a second call finds it there.
fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS provider was installed before");
        }
    });
}
