//! Asks Stripe, one request after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::finding::Finding;

/// Longest time until an answer is here.
const REQUEST: Duration = Duration::from_secs(60);

/// Where to ask, and as whom.
pub(super) struct Stripe {
    http: reqwest::Client,
    base_url: String,
    key: String,
    version: String,
}

/// A request that is not quite the usual one.
#[derive(Default)]
pub(super) struct Manner<'a> {
    /// Another key, or none at all.
    pub(super) authorization: Option<Authorization<'a>>,
    /// Whether to leave the version out.
    pub(super) is_unversioned: bool,
    /// A connected account.
    pub(super) account: Option<&'a str>,
}

/// Other ways to say who asks.
pub(super) enum Authorization<'a> {
    /// Not at all.
    Nobody,
    /// With this key as a bearer token.
    Bearer(&'a str),
    /// With the right key as the user of basic authentication.
    Basic,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) text: String,
    /// The body as JSON; null if it is none.
    pub(super) body: Value,
}

impl Stripe {
    pub(super) fn new(base_url: &str, key: &str, version: &str) -> Result<Self, String> {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            return Err("setting up TLS: another provider is there".to_owned());
        }
        let http = reqwest::Client::builder()
            .timeout(REQUEST)
            .build()
            .map_err(|error| format!("setting up HTTP: {error}"))?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { http, base_url, key: key.to_owned(), version: version.to_owned() })
    }

    /// A usual request.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Finding> {
        self.ask(path, query, Manner::default()).await
    }

    /// A list that is there; a refusal is no finding about what was to be tried.
    pub(super) async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Finding> {
        let answer = self.get(path, query).await?;
        if answer.status == 200 {
            return Ok(answer);
        }
        let (status, message) = (answer.status, answer.message());
        Err(Finding::NotTried(format!("GET {path}: {status}: {message}")))
    }

    pub(super) async fn ask(
        &self,
        path: &str,
        query: &[(&str, &str)],
        manner: Manner<'_>,
    ) -> Result<Answer, Finding> {
        let failed =
            |error: reqwest::Error| Finding::Failed(format!("GET {path}: {}", error.without_url()));
        let url = format!("{}{path}", self.base_url);
        let url = if query.is_empty() {
            url::Url::parse(&url)
        } else {
            url::Url::parse_with_params(&url, query)
        };
        let url = url.map_err(|error| Finding::Failed(format!("`{path}`: {error}")))?;
        let mut request = self.http.get(url);
        request = match manner.authorization {
            None => request.bearer_auth(&self.key),
            Some(Authorization::Nobody) => request,
            Some(Authorization::Bearer(key)) => request.bearer_auth(key),
            Some(Authorization::Basic) => request.basic_auth(&self.key, Some("")),
        };
        if !manner.is_unversioned {
            request = request.header("stripe-version", &self.version);
        }
        if let Some(account) = manner.account {
            request = request.header("stripe-account", account);
        }
        let answer = request.send().await.map_err(failed)?;
        let (status, headers) = (answer.status().as_u16(), texts(answer.headers()));
        let text = answer.text().await.map_err(failed)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, headers, text, body })
    }
}

fn texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().map(str::to_owned).ok();
    headers.iter().filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect()
}

impl Answer {
    /// The objects of a list.
    pub(super) fn data(&self) -> &[Value] {
        self.body.get("data").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn ids(&self) -> Vec<&str> {
        self.data().iter().map(|object| text(object, "id")).collect()
    }

    /// A text of the error: `code`, `param`, `message`.
    pub(super) fn error(&self, name: &str) -> &str {
        self.body.get("error").map_or("", |error| text(error, name))
    }

    pub(super) fn message(&self) -> String {
        match self.error("message") {
            "" => self.text.chars().take(100).collect(),
            message => message.to_owned(),
        }
    }

    /// Status and code, for words about a difference.
    pub(super) fn told(&self) -> String {
        format!("{} `{}` ({})", self.status, self.error("code"), self.message())
    }
}

/// A text property, or nothing.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number, or nothing.
pub(super) fn number(object: &Value, name: &str) -> Option<i64> {
    object.get(name).and_then(Value::as_i64)
}
