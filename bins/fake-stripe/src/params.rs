//! The query of a list request, read as strictly as Stripe reads it.

use std::ops::Range;

use stripe_api::{ListParams, StreamFacts};
use url::form_urlencoded;

use crate::answer::ApiError;
use crate::change::EVENTS;
use crate::objects::ChildList;

/// What a list request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListQuery {
    /// At most this many objects; none where the list does not page.
    pub(crate) limit: Option<usize>,
    pub(crate) starting_after: Option<String>,
    pub(crate) ending_before: Option<String>,
    /// The creation times asked for, in unix seconds.
    pub(crate) created: Range<i64>,
    pub(crate) status: Option<String>,
    /// The other filters that are played: name and value, as often as they are given.
    pub(crate) filters: Vec<(String, String)>,
}

impl ListQuery {
    /// What was given for a filter.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.filters.iter().filter(move |(known, _)| known == name);
        values.map(|(_, value)| value.as_str())
    }
}

/// What a list accepts.
pub(crate) struct Accepts<'a> {
    paging: ListParams,
    /// Filters that Stripe has.
    known: Vec<&'a str>,
    /// Those of them that are played too.
    played: Vec<&'a str>,
}

/// All times there are.
pub(crate) const ALWAYS: Range<i64> = i64::MIN..i64::MAX;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: i64 = 100;

/// Lists under a parent that take `created`.
const CREATED_UNDER_PARENT: [&str; 7] = [
    "customer_balance_transactions",
    "issuing_tokens",
    "radar_value_list_items",
    "setup_attempts",
    "treasury_outbound_payments",
    "treasury_transaction_entrys",
    "treasury_transactions",
];

/// Lists under a parent that are always whole.
const WITHOUT_PAGES: [&str; 1] = ["capabilitys"];

impl<'a> Accepts<'a> {
    /// What the list of a stream accepts.
    pub(crate) fn of(facts: &'a StreamFacts) -> Self {
        let known = facts.filters.iter().map(String::as_str).collect();
        let played = if facts.name == EVENTS { vec!["type", "types"] } else { Vec::new() };
        Self { paging: facts.accepts, known, played }
    }

    /// What a list under a parent accepts, beyond the parameters in its path.
    pub(crate) fn of_child(list: &ChildList) -> Self {
        let facts = list.facts;
        let pages = !WITHOUT_PAGES.contains(&facts.name.as_str());
        let created = CREATED_UNDER_PARENT.contains(&facts.name.as_str());
        let paging =
            ListParams { created, limit: pages, starting_after: pages, ending_before: pages };
        let in_path = usize::from(list.parameter().1);
        let required: Vec<&str> =
            facts.required_params.iter().skip(in_path).map(String::as_str).collect();
        Self { paging, known: required.clone(), played: required }
    }

    fn is_known(&self, name: &str) -> bool {
        match name {
            "limit" => self.paging.limit,
            "starting_after" => self.paging.starting_after,
            "ending_before" => self.paging.ending_before,
            "created" | "created[gt]" | "created[gte]" | "created[lt]" | "created[lte]" => {
                self.paging.created
            }
            _ => stem(name) == "expand" || self.known.contains(&stem(name)),
        }
    }
}

/// A parameter's name without what stands in brackets.
pub(crate) fn stem(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// The parameters of a query in the order in which they are given.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Reads the query of a list request.
pub(crate) fn read(accepts: &Accepts<'_>, query: &str) -> Result<ListQuery, ApiError> {
    let pairs = pairs(query);
    refuse_unknown(&pairs, |name| accepts.is_known(name))?;
    let mut read = ListQuery {
        limit: accepts.paging.limit.then_some(DEFAULT_LIMIT),
        starting_after: None,
        ending_before: None,
        created: ALWAYS,
        status: None,
        filters: Vec::new(),
    };
    for (name, value) in pairs {
        match name.as_str() {
            "limit" => read.limit = Some(limit(&value)?),
            "starting_after" => read.starting_after = Some(value),
            "ending_before" => read.ending_before = Some(value),
            "status" => read.status = Some(value),
            name if name.starts_with("created") => narrow(&mut read.created, name, &value)?,
            name if name.starts_with("expand") => {}
            name if accepts.played.contains(&stem(name)) => {
                read.filters.push((stem(name).to_owned(), value));
            }
            name => return Err(not_played(name)),
        }
    }
    if read.starting_after.is_some() && read.ending_before.is_some() {
        let message = "You cannot parameterize by both `starting_after` and `ending_before`.";
        return Err(ApiError::invalid(400, message.to_owned()).param("ending_before"));
    }
    Ok(read)
}

/// Refuses what Stripe does not know.
pub(crate) fn refuse_unknown(
    pairs: &[(String, String)],
    is_known: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    let unknown: Vec<&str> =
        pairs.iter().map(|(name, _)| name.as_str()).filter(|name| !is_known(name)).collect();
    let Some(first) = unknown.first() else { return Ok(()) };
    let plural = if unknown.len() == 1 { "" } else { "s" };
    let message = format!("Received unknown parameter{plural}: {}", unknown.join(", "));
    Err(ApiError::invalid(400, message).code("parameter_unknown").param(first))
}

/// Stripe has this filter and we do not play it: silence would be a wrong list.
pub(crate) fn not_played(name: &str) -> ApiError {
    let message = format!("fake-stripe does not play the parameter `{name}`; leave it out");
    ApiError::invalid(400, message).param(name)
}

/// Reads a `limit`: 1 to 100.
pub(crate) fn limit(value: &str) -> Result<usize, ApiError> {
    let wrong =
        |message| ApiError::invalid(400, message).code("parameter_invalid_integer").param("limit");
    let limit = integer("limit", value)?;
    if limit < 1 {
        return Err(wrong("This value must be greater than or equal to 1.".to_owned()));
    }
    if limit > MAX_LIMIT {
        let message = format!(
            "This value must be less than or equal to {MAX_LIMIT} (it currently is '{limit}')."
        );
        return Err(wrong(message));
    }
    usize::try_from(limit).map_err(|error| wrong(error.to_string()))
}

fn integer(name: &str, value: &str) -> Result<i64, ApiError> {
    value.parse().map_err(|_| {
        let message = format!("Invalid integer: {value}");
        ApiError::invalid(400, message).code("parameter_invalid_integer").param(name)
    })
}

fn narrow(created: &mut Range<i64>, name: &str, value: &str) -> Result<(), ApiError> {
    narrow_to(created, name, integer(name, value)?);
    Ok(())
}

/// Narrows a range of seconds by the filter `name` with that time.
pub(crate) fn narrow_to(created: &mut Range<i64>, name: &str, time: i64) {
    let after = time.saturating_add(1);
    let asked = match name {
        "created[gt]" => after..i64::MAX,
        "created[gte]" => time..i64::MAX,
        "created[lt]" => i64::MIN..time,
        "created[lte]" => i64::MIN..after,
        _ => time..after,
    };
    *created = created.start.max(asked.start)..created.end.min(asked.end);
}

#[cfg(test)]
mod tests {
    use stripe_api::Catalogue;

    use super::*;

    fn read_for(stream: &str, query: &str) -> Result<ListQuery, ApiError> {
        read(&Accepts::of(Catalogue::embedded().stream(stream).unwrap()), query)
    }

    #[test]
    fn a_query_is_read_whole() {
        let query =
            "limit=3&starting_after=ch_1&created%5Bgte%5D=5&created[lt]=9&expand[]=data.customer";
        let read = read_for("charges", query).unwrap();
        assert_eq!(read.limit, Some(3));
        assert_eq!(read.starting_after.as_deref(), Some("ch_1"));
        assert_eq!(read.created, 5..9);
        assert_eq!(read_for("charges", "created[gt]=5&created[lte]=9").unwrap().created, 6..10);
        assert_eq!(read_for("charges", "created=5").unwrap().created, 5..6);
        assert_eq!(read_for("charges", "").unwrap().limit, Some(10));
    }

    #[test]
    fn an_unknown_parameter_is_refused_in_stripes_words() {
        let error = read_for("charges", "foo=1").unwrap_err();
        assert_eq!(error.message, "Received unknown parameter: foo");
        assert_eq!(error.code, Some("parameter_unknown"));
        let error = read_for("charges", "foo=1&created[since]=2").unwrap_err();
        assert_eq!(error.message, "Received unknown parameters: foo, created[since]");
        assert!(read_for("payment_links", "created[gte]=1").is_err(), "no created filter there");
        assert!(read_for("reporting_report_types", "limit=1").is_err(), "no pages there");
    }

    #[test]
    fn a_filter_that_is_not_played_is_no_silence() {
        let error = read_for("charges", "customer=cus_1").unwrap_err();
        assert!(error.message.contains("does not play"), "{}", error.message);
    }

    #[test]
    fn a_limit_is_one_to_a_hundred() {
        for query in ["limit=0", "limit=101", "limit=-1", "limit=ten", "limit=", "limit=1.5"] {
            let error = read_for("charges", query).unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (400, Some("limit")), "{query}");
        }
        assert_eq!(read_for("charges", "limit=100").unwrap().limit, Some(100));
    }

    #[test]
    fn two_cursors_are_one_too_many() {
        assert!(read_for("charges", "starting_after=a&ending_before=b").is_err());
    }
}
