//! Headers: what every request says, and what is read from those of an answer.

use std::time::Duration;

use connector::Error;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use protocol::Timestamp;

use crate::clock::http_date;
use crate::config::Settings;
use crate::errors::Answer;

/// What every request says.
///
/// # Errors
///
/// When the key or the account cannot stand in a header.
pub(crate) fn of_requests(settings: &Settings) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let agent = concat!("sync-engine/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let bearer = format!("Bearer {}", settings.api_key.expose());
    let mut bearer = value("api_key", &bearer)?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    if let Some(account) = &settings.account {
        let account = value("account", account)?;
        headers.insert(HeaderName::from_static("stripe-account"), account);
    }
    Ok(headers)
}

/// A value of the configuration as that of a header.
///
/// # Errors
///
/// When it cannot stand there.
pub(crate) fn value(key: &str, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| {
        Error::config(format!(
            "reading --config: `{key}` holds characters that no header can carry"
        ))
        .hint("look for a line break or a space that was pasted along")
    })
}

/// What of an answer decides what it means; `now` is Stripe's time.
pub(crate) fn read_answer<'a>(
    status: u16,
    headers: &'a HeaderMap,
    body: &'a [u8],
    now: Option<Timestamp>,
) -> Answer<'a> {
    Answer {
        status,
        body,
        request_id: text(headers, "request-id"),
        retry_after: text(headers, "retry-after").and_then(|text| retry_after(text, now)),
        should_retry: text(headers, "stripe-should-retry").and_then(|text| text.parse().ok()),
    }
}

/// `Retry-After` is a number of seconds or a date.
fn retry_after(text: &str, now: Option<Timestamp>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let millis = http_date(text)?.millis().saturating_sub(now?.millis());
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// A header of an answer, if it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Some(Timestamp::from_seconds(784_111_770));
        assert_eq!(retry_after("7", None), Some(Duration::from_secs(7)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(date, Some(Timestamp::from_seconds(784_111_790))), None);
        assert_eq!(retry_after("soon", now), None);
    }
}
