//! Lists of API v2: pages by token, times as text.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use serde_json::Value;
use stripe_api::StreamFacts;

use crate::answer::ApiError;
use crate::list::{Page, Window, cut};
use crate::objects::View;
use crate::params::{self, ALWAYS, stem};

const DEFAULT_LIMIT: usize = 20;

/// What tells a token from any other text.
const TOKEN_PREFIX: &str = "page_";

/// What a request for a page of API v2 asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct V2Query {
    limit: usize,
    /// The id of the last object of the page before.
    after: Option<String>,
    /// The creation times asked for, in unix seconds.
    created: Range<i64>,
}

/// Reads the query of a request for a list of API v2. A token carries the filters of the first
/// request; `limit` may be given again.
pub(crate) fn read(facts: &StreamFacts, query: &str) -> Result<V2Query, ApiError> {
    let is_filter = |name: &str| facts.filters.iter().any(|filter| filter == name);
    read_with(|name| facts.accepts.created && name == "created" || is_filter(name), query)
}

/// Reads the query of a request for a list of API v2 under a parent, which has no filters.
pub(crate) fn read_under_parent(query: &str) -> Result<V2Query, ApiError> {
    read_with(|_| false, query)
}

fn read_with(is_filter: impl Fn(&str) -> bool, query: &str) -> Result<V2Query, ApiError> {
    let pairs = params::pairs(query);
    params::refuse_unknown(&pairs, |name| {
        matches!(name, "limit" | "page") || is_filter(stem(name))
    })?;
    let mut read = V2Query { limit: DEFAULT_LIMIT, after: None, created: ALWAYS };
    if let Some((_, token)) = pairs.iter().find(|(name, _)| name == "page") {
        read = from_token(token).ok_or_else(|| unknown_token(token))?;
    }
    for (name, value) in &pairs {
        match name.as_str() {
            "page" => {}
            "limit" => read.limit = params::limit(value)?,
            name if stem(name) == "created" => {
                params::narrow_to(&mut read.created, name, time(name, value)?);
            }
            name => return Err(params::not_played(name)),
        }
    }
    Ok(read)
}

fn time(name: &str, value: &str) -> Result<i64, ApiError> {
    let time = DateTime::parse_from_rfc3339(value).map_err(|_| {
        let message = format!("Invalid timestamp: {value}; expected an RFC 3339 text");
        ApiError::invalid(400, message).code("invalid_fields").param(name)
    });
    time.map(|time| time.timestamp())
}

/// Cuts the page that is asked for, and makes the address of the next one.
pub(crate) fn page(view: &View<'_>, query: &V2Query) -> Result<(Page, Option<String>), ApiError> {
    let after = match query.after.as_deref() {
        None => None,
        Some(id) => Some(view.position(id).ok_or_else(|| unknown_token(id))?),
    };
    let mut positions = view.in_time(&query.created);
    positions.start = after.map_or(positions.start, |after| positions.start.max(after + 1));
    let window = Window { positions, limit: Some(query.limit), from_the_end: false };
    let page = cut(window, |position| view.is_there(position));
    let last = page.positions.last().filter(|_| page.has_more);
    let next = last.map(|last| next_url(&view.stream.facts.path, query, &view.id(*last)));
    Ok((page, next))
}

/// Cuts a page of the list of API v2 at `path` under a parent.
pub(crate) fn page_of(
    path: &str,
    elements: &[Value],
    query: &V2Query,
) -> Result<(Page, Option<String>), ApiError> {
    let id = |element: &Value| element.get("id").and_then(Value::as_str).map(str::to_owned);
    let start = match query.after.as_deref() {
        None => 0,
        Some(after) => {
            let place = elements.iter().position(|element| id(element).as_deref() == Some(after));
            place.ok_or_else(|| unknown_token(after))? + 1
        }
    };
    let positions = start..elements.len();
    let window = Window { positions, limit: Some(query.limit), from_the_end: false };
    let page = cut(window, |_| true);
    let last = page.positions.last().filter(|_| page.has_more);
    let last = last.and_then(|last| id(elements.get(*last)?));
    let next = last.map(|last| next_url(path, query, &last));
    Ok((page, next))
}

fn next_url(path: &str, query: &V2Query, last: &str) -> String {
    format!("{path}?limit={}&page={}", query.limit, to_token(query, last))
}

fn to_token(query: &V2Query, last: &str) -> String {
    let Range { start, end } = query.created;
    let text = format!("{last} {} {start} {end}", query.limit);
    format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(text))
}

fn from_token(token: &str) -> Option<V2Query> {
    let text = URL_SAFE_NO_PAD.decode(token.strip_prefix(TOKEN_PREFIX)?).ok()?;
    let text = String::from_utf8(text).ok()?;
    let mut words = text.split(' ');
    let after = Some(words.next()?.to_owned());
    let limit = words.next()?.parse().ok()?;
    let created = words.next()?.parse().ok()?..words.next()?.parse().ok()?;
    Some(V2Query { limit, after, created })
}

fn unknown_token(token: &str) -> ApiError {
    let message = format!("The page token `{token}` is invalid; start again without `page`");
    ApiError::invalid(400, message).code("invalid_page_token").param("page")
}

#[cfg(test)]
mod tests {
    use stripe_api::Catalogue;

    use super::*;

    #[test]
    fn a_token_carries_what_was_asked_for() {
        let facts = Catalogue::embedded().v2_streams.iter().find(|s| s.name == "v2_core_events");
        let query = "limit=7&created%5Bgte%5D=2025-01-01T00:00:00.000Z";
        let first = read(facts.unwrap(), query).unwrap();
        assert_eq!((first.limit, first.created.start), (7, 1_735_689_600));
        let token = to_token(&first, "evt_test_1");
        let second = read(facts.unwrap(), &format!("page={token}")).unwrap();
        assert_eq!(second, V2Query { after: Some("evt_test_1".to_owned()), ..first });
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let facts = &Catalogue::embedded().v2_streams[0];
        for query in ["page=", "page=page_", "page=page_!!", "page=x", "starting_after=acct_1"] {
            assert_eq!(read(facts, query).unwrap_err().status, 400, "{query}");
        }
    }
}
