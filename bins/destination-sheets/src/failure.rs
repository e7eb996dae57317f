//! What Google answers, how long to wait before the same is asked again, and what to tell a person.

use std::time::Duration;

use connector::{Error, retry};
use serde_json::Value;

/// The window over which Google counts requests.
const WINDOW: Duration = Duration::from_secs(60);
/// Tries at a request that only the quota stands against: it is slower progress, no failure.
const TRIES_AT_QUOTA: u32 = 20;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// None: no answer came.
    pub(crate) status: Option<u16>,
    /// How long the other side asks to wait.
    pub(crate) asked: Option<Duration>,
    pub(crate) body: Value,
    /// What went wrong on the way.
    lost: Option<String>,
}

impl Answer {
    /// Sends a request and takes in all of what comes.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let lost = |error: reqwest::Error| Self {
            status: None,
            asked: None,
            body: Value::Null,
            lost: Some(chain(&error.without_url())),
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return lost(error),
        };
        let status = response.status().as_u16();
        let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return lost(error),
        };
        match serde_json::from_slice(&bytes) {
            Ok(body) => Self { status: Some(status), asked, body, lost: None },
            Err(_) if bytes.is_empty() => {
                Self { status: Some(status), asked, body: Value::Null, lost: None }
            }
            Err(error) if (200..300).contains(&status) => Self {
                status: None,
                asked,
                body: Value::Null,
                lost: Some(format!("an answer that is no JSON: {error}")),
            },
            Err(_) => Self { status: Some(status), asked, body: Value::Null, lost: None },
        }
    }

    /// What it says, for a person.
    pub(crate) fn said(&self) -> String {
        if let Some(lost) = &self.lost {
            return lost.clone();
        }
        let status = self.status.unwrap_or_default();
        let told = |path: &str| self.body.pointer(path).and_then(Value::as_str);
        let words = [told("/error/message"), told("/error_description"), told("/error")];
        let words = words.into_iter().flatten().next().unwrap_or("no explanation");
        format!("{status} {words}")
    }
}

/// An error and all its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// How long to wait after failure number `failures` (from 1); `None`: asking again cannot help.
///
/// A request over the quota waits longer than the window over which Google counts, unless Google
/// says how long; `random` (0 to 1) keeps two programs from coming back together.
pub(crate) fn waiting(
    status: Option<u16>,
    asked: Option<Duration>,
    failures: u32,
    random: f64,
) -> Option<Duration> {
    match status {
        Some(429) if failures >= TRIES_AT_QUOTA => None,
        Some(429) => {
            let jitter = Duration::from_secs(5).mul_f64(random.clamp(0.0, 1.0));
            Some(asked.map_or(WINDOW.saturating_add(jitter), |asked| {
                asked.min(WINDOW).saturating_add(jitter.mul_f64(0.05))
            }))
        }
        None | Some(408 | 500..) => retry::wait(failures, asked, random),
        Some(_) => None,
    }
}

/// A request that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Option<u16>,
    pub(crate) error: Error,
}

impl Failure {
    /// Translates the last answer to something that was being done.
    pub(crate) fn of(doing: &str, who: &str, answer: &Answer) -> Self {
        let text = format!("{doing}: {}", answer.said());
        let error = match answer.status {
            None | Some(408 | 429 | 500..) => {
                Error::unreachable(text).hint("nothing is lost: run again later")
            }
            Some(401) => Error::credentials(text).hint("give a token that has not expired"),
            Some(403) => Error::permission(text).hint(format!(
                "switch on the Google Sheets API in the project and share the spreadsheet with {who} as an editor"
            )),
            Some(404) => Error::config(text).hint(format!(
                "is `spreadsheet_id` right, and the spreadsheet shared with {who} as an editor?"
            )),
            Some(_) => Error::data(text),
        };
        Self { status: answer.status, error }
    }

    /// Whether the request was understood and refused: what it names is not as it was thought.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self.status, Some(400))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { status: None, error }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

#[cfg(test)]
mod tests {
    use protocol::Class;
    use serde_json::json;

    use super::*;

    #[test]
    fn over_the_quota_it_waits_longer_than_the_window_or_what_was_asked() {
        let wait = |asked, random| waiting(Some(429), asked, 1, random).unwrap();
        assert_eq!(wait(None, 0.0), WINDOW);
        assert!(wait(None, 1.0) > WINDOW);
        assert!(wait(Some(Duration::ZERO), 1.0) <= Duration::from_millis(250));
        assert_eq!(wait(Some(Duration::from_secs(9)), 0.0), Duration::from_secs(9));
        assert!(waiting(Some(429), None, 19, 0.0).is_some());
        assert!(waiting(Some(429), None, 20, 0.0).is_none());
    }

    #[test]
    fn what_is_wrong_with_the_request_is_not_asked_again() {
        for status in [400, 401, 403, 404] {
            assert_eq!(waiting(Some(status), None, 1, 1.0), None);
        }
        for status in [None, Some(500), Some(503)] {
            assert_eq!(waiting(status, None, 1, 1.0), Some(Duration::from_millis(500)));
            assert_eq!(waiting(status, None, 6, 1.0), None);
        }
    }

    #[test]
    fn each_failure_says_who_has_to_act() {
        for (status, class, says) in [
            (Some(403), Class::Permission, "share the spreadsheet with me"),
            (Some(404), Class::Config, "`spreadsheet_id` right"),
            (Some(401), Class::Credentials, "token"),
            (Some(400), Class::Data, "reading: 400 no such thing"),
            (None, Class::Unreachable, "run again"),
        ] {
            let body = json!({"error": {"code": 1, "message": "no such thing"}});
            let answer = Answer { status, asked: None, body, lost: None };
            let error = Failure::of("reading", "me", &answer).error;
            assert_eq!(error.class(), class);
            assert!(error.report().contains(says), "{}", error.report());
        }
    }
}
