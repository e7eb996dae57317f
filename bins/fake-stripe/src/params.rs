//! The query of a list request, read as strictly as Stripe reads it.

use std::ops::Range;

use stripe_api::StreamFacts;
use url::form_urlencoded;

use crate::answer::ApiError;

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
}

/// All times there are.
pub(crate) const ALWAYS: Range<i64> = i64::MIN..i64::MAX;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: i64 = 100;

/// Reads the query of a request for the list of `facts`.
pub(crate) fn read(facts: &StreamFacts, query: &str) -> Result<ListQuery, ApiError> {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    refuse_unknown(facts, &pairs)?;
    let mut read = ListQuery {
        limit: facts.accepts.limit.then_some(DEFAULT_LIMIT),
        starting_after: None,
        ending_before: None,
        created: ALWAYS,
        status: None,
    };
    for (name, value) in pairs {
        match name.as_str() {
            "limit" => read.limit = Some(limit(&value)?),
            "starting_after" => read.starting_after = Some(value),
            "ending_before" => read.ending_before = Some(value),
            "status" => read.status = Some(value),
            name if name.starts_with("created") => narrow(&mut read.created, name, &value)?,
            name if name.starts_with("expand") => {}
            name => return Err(not_played(name)),
        }
    }
    if read.starting_after.is_some() && read.ending_before.is_some() {
        let message = "You cannot parameterize by both `starting_after` and `ending_before`.";
        return Err(ApiError::invalid(400, message.to_owned()).param("ending_before"));
    }
    Ok(read)
}

fn refuse_unknown(facts: &StreamFacts, pairs: &[(String, String)]) -> Result<(), ApiError> {
    let unknown: Vec<&str> =
        pairs.iter().map(|(name, _)| name.as_str()).filter(|name| !is_known(facts, name)).collect();
    let Some(first) = unknown.first() else { return Ok(()) };
    let plural = if unknown.len() == 1 { "" } else { "s" };
    let message = format!("Received unknown parameter{plural}: {}", unknown.join(", "));
    Err(ApiError::invalid(400, message).code("parameter_unknown").param(first))
}

fn is_known(facts: &StreamFacts, name: &str) -> bool {
    let accepts = &facts.accepts;
    let stem = name.split('[').next().unwrap_or(name);
    match name {
        "limit" => accepts.limit,
        "starting_after" => accepts.starting_after,
        "ending_before" => accepts.ending_before,
        "created" | "created[gt]" | "created[gte]" | "created[lt]" | "created[lte]" => {
            accepts.created
        }
        _ => stem == "expand" || facts.filters.iter().any(|filter| filter == stem),
    }
}

/// Stripe has this filter and we do not play it: silence would be a wrong list.
fn not_played(name: &str) -> ApiError {
    let message = format!("fake-stripe does not play the parameter `{name}`; leave it out");
    ApiError::invalid(400, message).param(name)
}

fn limit(value: &str) -> Result<usize, ApiError> {
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
    let time = integer(name, value)?;
    let after = time.saturating_add(1);
    let asked = match name {
        "created[gt]" => after..i64::MAX,
        "created[gte]" => time..i64::MAX,
        "created[lt]" => i64::MIN..time,
        "created[lte]" => i64::MIN..after,
        _ => time..after,
    };
    *created = created.start.max(asked.start)..created.end.min(asked.end);
    Ok(())
}

#[cfg(test)]
mod tests {
    use stripe_api::Catalogue;

    use super::*;

    fn read_for(stream: &str, query: &str) -> Result<ListQuery, ApiError> {
        read(Catalogue::embedded().stream(stream).unwrap(), query)
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
