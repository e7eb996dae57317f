//! What Stripe's answers mean for a call: whether to try again, who has to act, what to tell.
//!
//! Pure. Status, code and type decide first; the text of a message is looked at last.

use std::time::Duration;

use connector::Error;
use serde::Deserialize;

/// What was asked, for people: `listing `charges` (GET /v1/charges)`.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// What was being done.
    pub(crate) doing: String,
    /// The stream it was done for, if it was one.
    pub(crate) stream: Option<String>,
    /// What to do when it is forbidden, where that is more than reading.
    pub(crate) permission: Option<String>,
    /// The parameter that names the parent whose list it is, if it has one.
    pub(crate) parent: Option<String>,
    /// Whether it was about one object, which may be gone.
    pub(crate) one_object: bool,
}

impl Question {
    /// What is asked for a stream, to be read.
    pub(crate) fn of_stream(doing: String, stream: &str) -> Self {
        Self {
            doing,
            stream: Some(stream.to_owned()),
            permission: None,
            parent: None,
            one_object: false,
        }
    }
}

/// What came back, as far as it decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
    /// `Request-Id`.
    pub(crate) request_id: Option<&'a str>,
    /// `Retry-After`, as a time to wait.
    pub(crate) retry_after: Option<Duration>,
    /// `Stripe-Should-Retry`.
    pub(crate) should_retry: Option<bool>,
}

/// What a call came to when it did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing can be read: the connection has failed.
    Connection(Error),
    /// The key may not read this; the text says what is missing.
    Denied(String),
    /// The account does not have this; the text says what.
    Unavailable(String),
    /// The object that the page was to follow is gone, or the parent whose list it is.
    CursorGone,
    /// The object that was asked for is gone.
    Gone,
    /// The answer is larger than there is room for: fewer objects are to be asked for at once.
    TooLarge,
    /// This stream failed.
    Stream(Error),
    /// No more requests are allowed.
    NoCallsLeft,
}

/// What to do about a failure.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is final.
    Final(Failure),
    /// Try again; if that is over, it came to `failure`.
    Again {
        /// What it came to so far.
        failure: Failure,
        /// How long Stripe asked to wait.
        asked: Option<Duration>,
        /// Whether it never is the end, only slower progress: the rate limit, or an answer that was
        /// left unread for long.
        forgiven: bool,
    },
}

/// Stripe's error body (<https://docs.stripe.com/api/errors>).
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: StripeError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StripeError {
    code: Option<String>,
    message: Option<String>,
    param: Option<String>,
}

/// Messages with which Stripe says that a product is not there for this account; lower case.
/// Only looked for where status and code say nothing.
const NOT_ENABLED: [&str; 9] = [
    "is not authorized to send forwarding requests",
    "only available in testmode",
    "available in test mode",
    "have you onboarded",
    "is not enabled",
    "account is not set up to use",
    "not available for your account",
    "only stripe connect platforms",
    "signed up for connect",
];

/// With what Stripe answers 404 for a list that this account does not have; lower case.
const NO_SUCH_LIST: &str = "unrecognized request url";

/// Decides what an answer with a status other than 200 means.
pub(crate) fn judge(question: &Question, answer: &Answer<'_>) -> Verdict {
    let parsed = serde_json::from_slice::<Body>(answer.body).ok();
    // Stripe gives every answer an id and says in words what it refuses.
    let is_cut = parsed.is_none() && answer.request_id.is_some() && answer.status >= 400;
    let said = parsed.unwrap_or_default().error;
    let what = describe(question, answer, &said);
    let transient = matches!(answer.status, 409 | 429 | 500..) || is_cut;
    if answer.should_retry.unwrap_or(transient) {
        let forgiven = answer.status == 429 && said.code.as_deref() != Some("lock_timeout");
        let hint = "it was tried several times; try again later";
        let failure = Failure::Stream(Error::unreachable(what).hint(hint));
        return Verdict::Again { failure, asked: answer.retry_after, forgiven };
    }
    Verdict::Final(fate(question, answer.status, &said, what))
}

/// A call that got no whole answer.
pub(crate) fn no_answer(question: &Question, why: impl std::fmt::Display) -> Verdict {
    let error = Error::unreachable(format!("{}: {why}", question.doing))
        .hint("it was tried several times; check the network and `base_url`");
    Verdict::Again { failure: Failure::Stream(error), asked: None, forgiven: false }
}

/// A call that reached nobody.
pub(crate) fn not_reached(
    question: &Question,
    base_url: &str,
    why: impl std::fmt::Display,
) -> Verdict {
    let error =
        Error::unreachable(format!("{}: `{base_url}` cannot be reached: {why}", question.doing))
            .hint("check `base_url`, the network and the proxy settings");
    Verdict::Again { failure: Failure::Connection(error), asked: None, forgiven: false }
}

fn fate(question: &Question, status: u16, said: &StripeError, what: String) -> Failure {
    let code = said.code.as_deref().unwrap_or_default();
    let message = said.message.as_deref().unwrap_or_default().to_lowercase();
    let not_enabled = NOT_ENABLED.iter().any(|text| message.contains(text));
    match (status, code) {
        (401, _) => Failure::Connection(
            Error::credentials(what)
                .hint("check `api_key` (STRIPE_API_KEY): it may be mistyped, rolled or expired"),
        ),
        (300..=399, _) => Failure::Connection(
            Error::config(what).hint("check `base_url`: Stripe's API does not redirect"),
        ),
        (_, "account_invalid") => Failure::Connection(
            Error::permission(what).hint("check `account`: this key has no access to that account"),
        ),
        (400, "resource_missing") if said.param.as_deref() == Some("starting_after") => {
            Failure::CursorGone
        }
        (400 | 404, "resource_missing") if question.parent.is_some() => Failure::CursorGone,
        (400, "invalid_page_token") => Failure::CursorGone,
        (404, "resource_missing") if question.one_object => Failure::Gone,
        _ if message.contains(NO_SUCH_LIST) => Failure::Unavailable(what),
        (404, _) if question.stream.is_some() && said.message.is_some() => Failure::Stream(
            Error::data(what)
                .hint("Stripe does not answer so for a list that it has: check `base_url`"),
        ),
        (404, _) => Failure::Connection(
            Error::config(what).hint("check `base_url`: this does not look like Stripe's API"),
        ),
        _ if not_enabled => Failure::Unavailable(what),
        (403, _) => Failure::Denied(denied(question, &what)),
        (409 | 429 | 500.., _) => Failure::Stream(
            Error::unreachable(what).hint("Stripe says not to try again; run again later"),
        ),
        _ => Failure::Stream(
            Error::data(what)
                .hint("if this does not explain itself, ask Stripe with the request id"),
        ),
    }
}

fn denied(question: &Question, what: &str) -> String {
    match (&question.permission, &question.stream) {
        (Some(permission), _) => format!("{what}; {permission}"),
        (None, Some(stream)) => {
            format!("{what}; give the key read permission for `{stream}`, or leave the stream out")
        }
        (None, None) => format!("{what}; give the key read permission for the account"),
    }
}

/// The permission that Stripe names in a refusal: `rak_charge_read`.
pub(crate) fn permission_named(text: &str) -> Option<&str> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !is_of_name(letter)).find(|word| word.starts_with("rak_"))
}

fn describe(question: &Question, answer: &Answer<'_>, said: &StripeError) -> String {
    let code = said.code.as_deref().map(|code| format!(" `{code}`")).unwrap_or_default();
    let message = said.message.clone().unwrap_or_else(|| opening(answer.body));
    let id = answer.request_id.map(|id| format!(" [{id}]")).unwrap_or_default();
    format!("{}: {}{code}: {message}{id}", question.doing, answer.status)
}

/// The beginning of a body that is no error of Stripe's.
fn opening(body: &[u8]) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    let text: String = String::from_utf8_lossy(body).chars().take(100).collect();
    format!(
        "a body that is not Stripe's: `{}`",
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    )
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "errors_table_tests.rs"]
mod table_tests;
