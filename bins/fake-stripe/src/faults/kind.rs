//! The kinds of trouble, and what each does to an answer.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::answer::{Answer, ApiError, Delivery};
use crate::permissions;

/// What can go wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 429 of the account's bucket, and of the list's.
    Rate,
    EndpointRate,
    /// 429 because something else holds the object.
    LockTimeout,
    Conflict,
    ServerError,
    /// 502 with a page of HTML.
    BadGateway,
    Unavailable,
    /// 200 with a page of HTML.
    Html,
    Empty,
    /// Half of the JSON, as if it were all of it.
    Cut,
    /// The connection ends before what `Content-Length` promised has come.
    Short,
    /// The connection breaks in the middle of a body of unknown length.
    Reset,
    /// The body drips.
    Slow,
    /// No answer for a long time.
    Hang,
    Unauthorized,
    Forbidden,
    NotEnabled,
    /// The page begins with the last object of the page before.
    Duplicate,
}

const NAMES: [(&str, Kind); 18] = [
    ("429", Kind::Rate),
    ("endpoint-429", Kind::EndpointRate),
    ("lock-timeout", Kind::LockTimeout),
    ("409", Kind::Conflict),
    ("500", Kind::ServerError),
    ("502", Kind::BadGateway),
    ("503", Kind::Unavailable),
    ("html", Kind::Html),
    ("empty", Kind::Empty),
    ("cut", Kind::Cut),
    ("short", Kind::Short),
    ("reset", Kind::Reset),
    ("slow", Kind::Slow),
    ("hang", Kind::Hang),
    ("401", Kind::Unauthorized),
    ("403", Kind::Forbidden),
    ("not-enabled", Kind::NotEnabled),
    ("duplicate", Kind::Duplicate),
];

/// The kinds that pass when the request is sent again, soon.
pub(crate) const PASSING: [Kind; 14] = [
    Kind::Rate,
    Kind::EndpointRate,
    Kind::LockTimeout,
    Kind::Conflict,
    Kind::ServerError,
    Kind::BadGateway,
    Kind::Unavailable,
    Kind::Html,
    Kind::Empty,
    Kind::Cut,
    Kind::Short,
    Kind::Reset,
    Kind::Slow,
    Kind::Duplicate,
];

/// A kind that there is not.
#[derive(Debug, Error)]
#[error("reading a kind of trouble: there is no `{name}`; there are {known}")]
pub(crate) struct UnknownKind {
    name: String,
    known: String,
}

impl Kind {
    /// What it is called on the command line.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        found.ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
            UnknownKind { name: name.to_owned(), known: known.join(", ") }
        })
    }
}

/// A kind, and how long it takes where it takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    pub(crate) seconds: Option<u32>,
}

/// Whose request it is that goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Victim<'a> {
    pub(crate) stream: &'a str,
    pub(crate) object: &'a str,
    pub(crate) path: &'a str,
    /// The key, masked.
    pub(crate) key: &'a str,
    pub(crate) account: &'a str,
}

const HTML: &str = "<html>\n<head><title>Bad Gateway</title></head>\n<body>The server is having a bad moment.</body>\n</html>\n";

/// Longer than any client waits.
const HANG_SECONDS: u32 = 600;

impl Trouble {
    /// Whether the answer is not spoilt but another: a page that repeats an object.
    pub(crate) fn repeats_an_object(self) -> bool {
        self.kind == Kind::Duplicate
    }

    /// What becomes of an answer.
    pub(crate) fn spoil(self, mut answer: Answer, victim: Victim<'_>) -> Answer {
        let after = |seconds: u32| Duration::from_secs(u64::from(self.seconds.unwrap_or(seconds)));
        match self.kind {
            Kind::Duplicate => answer,
            Kind::Rate => self.refused_rate("global-rate"),
            Kind::EndpointRate => self.refused_rate("endpoint-rate"),
            Kind::Html => html(200),
            Kind::BadGateway => html(502),
            Kind::Empty => Answer { body: Vec::new(), ..answer },
            Kind::Cut => {
                answer.body.truncate(answer.body.len() / 2);
                answer
            }
            Kind::Short => Answer { delivery: Delivery::Short, ..answer },
            Kind::Reset => Answer { delivery: Delivery::Broken, ..answer },
            Kind::Slow => Answer { delivery: Delivery::Dripping(after(2)), ..answer },
            Kind::Hang => Answer { delivery: Delivery::After(after(HANG_SECONDS)), ..answer },
            Kind::LockTimeout => lock_timeout().into(),
            Kind::Conflict => conflict().into(),
            Kind::ServerError => broken(500, "An unknown error occurred.").into(),
            Kind::Unavailable => broken(503, "The server is not available for a moment.").into(),
            Kind::Unauthorized => {
                let message = format!("Invalid API Key provided: {}", victim.key);
                ApiError::invalid(401, message).into()
            }
            Kind::Forbidden => {
                permissions::not_permitted(victim.key, victim.account, victim.object).into()
            }
            Kind::NotEnabled => permissions::not_enabled(victim.stream, victim.path).into(),
        }
    }

    fn refused_rate(self, bucket: &'static str) -> Answer {
        let mut answer = Answer::from(ApiError::too_many(bucket));
        answer.headers.push(("retry-after", self.seconds.unwrap_or(1).to_string()));
        answer
    }
}

fn html(status: u16) -> Answer {
    let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    Answer { status, headers, ..Answer::ok(HTML.as_bytes().to_vec()) }
}

fn lock_timeout() -> ApiError {
    let message = "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request.";
    ApiError::invalid(429, message.to_owned()).code("lock_timeout")
}

fn conflict() -> ApiError {
    let message = "Another request that is in progress conflicts with this one. Retry the request.";
    ApiError::invalid(409, message.to_owned())
}

fn broken(status: u16, message: &str) -> ApiError {
    ApiError { kind: "api_error", ..ApiError::invalid(status, message.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VICTIM: Victim<'_> = Victim {
        stream: "charges",
        object: "charge",
        path: "/v1/charges",
        key: "rk_test_*",
        account: "acct_1",
    };

    #[test]
    fn every_kind_has_a_name_and_does_something() {
        for (name, kind) in NAMES {
            let kind_again: Kind = name.parse().unwrap();
            assert_eq!((kind_again, kind.name()), (kind, name));
            let whole = || Answer::ok(b"{\"object\": \"list\"}".to_vec());
            let spoilt = Trouble { kind, seconds: None }.spoil(whole(), VICTIM);
            let is_whole = spoilt.body == whole().body && spoilt.delivery == Delivery::Whole;
            assert_eq!(is_whole, kind == Kind::Duplicate, "{name}");
        }
        let error = "404".parse::<Kind>().unwrap_err().to_string();
        assert!(error.contains("there is no `404`; there are 429, endpoint-429"), "{error}");
    }

    #[test]
    fn a_429_says_how_long_to_wait_and_which_bucket_is_empty() {
        let trouble = Trouble { kind: Kind::Rate, seconds: Some(3) };
        let answer = trouble.spoil(Answer::ok(Vec::new()), VICTIM);
        assert!(answer.headers.contains(&("retry-after", "3".to_owned())));
        assert!(answer.headers.iter().any(|(name, _)| *name == "stripe-rate-limited-reason"));
        let trouble = Trouble { kind: Kind::LockTimeout, seconds: None };
        let answer = trouble.spoil(Answer::ok(Vec::new()), VICTIM);
        assert!(answer.headers.is_empty());
        assert!(String::from_utf8(answer.body).unwrap().contains("\"code\": \"lock_timeout\""));
    }
}
