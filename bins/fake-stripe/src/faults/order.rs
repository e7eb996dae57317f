//! Failures on order by status: which path fails, how, and how often.

use std::str::FromStr;

use thiserror::Error;

use crate::answer::ApiError;

/// One scripted failure, as `path=/v1/charges,status=500,times=2,after=1` on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FaultRule {
    path: String,
    status: u16,
    times: u32,
    after: u32,
}

/// A rule that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum FaultError {
    #[error("reading a failure: `{0}` is not KEY=VALUE; write path=/v1/charges,status=500,times=2")]
    NoPair(String),
    #[error("reading a failure: unknown key `{0}`; keys are path, status, times, after")]
    UnknownKey(String),
    #[error("reading a failure: `{key}` is no number: `{value}`")]
    NoNumber { key: String, value: String },
    #[error("reading a failure: `{0}` is no status of a failure; give one from 400 to 599")]
    NoFailure(u16),
    #[error("reading a failure: `path` and `status` are needed; write path=/v1/charges,status=500")]
    Incomplete,
}

impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (mut path, mut status) = (None, None);
        let (mut times, mut after) = (u32::MAX, 0);
        for pair in text.split(',') {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| FaultError::NoPair(pair.to_owned()))?;
            match key.trim() {
                "path" => path = Some(value.to_owned()),
                "status" => status = Some(number(key, value)?),
                "times" => times = number(key, value)?,
                "after" => after = number(key, value)?,
                unknown => return Err(FaultError::UnknownKey(unknown.to_owned())),
            }
        }
        let (Some(path), Some(status)) = (path, status) else { return Err(FaultError::Incomplete) };
        if !(400..600).contains(&status) {
            return Err(FaultError::NoFailure(status));
        }
        Ok(Self { path, status, times, after })
    }
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, FaultError> {
    let no_number = |_| FaultError::NoNumber { key: key.to_owned(), value: value.to_owned() };
    value.parse().map_err(no_number)
}

impl FaultRule {
    pub(crate) fn covers(&self, path: &str) -> bool {
        covers(&self.path, path)
    }

    /// The status of the request that comes after `before` others that the rule covers, if it
    /// fails.
    pub(crate) fn status(&self, before: u32) -> Option<u16> {
        let place = before.checked_sub(self.after)?;
        (place < self.times).then_some(self.status)
    }
}

/// Whether a rule's path stands for a path: one that ends in `*` for all that begin so.
pub(crate) fn covers(rule: &str, path: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == rule,
    }
}

/// The failure with a status.
pub(crate) fn failure(status: u16) -> ApiError {
    let message = format!("fake-stripe was told to answer {status} here.");
    let refusal = ApiError::invalid(status, message);
    match status {
        429 => refusal.code("rate_limit"),
        500.. => ApiError { kind: "api_error", ..refusal },
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_says_nothing_is_refused() {
        for text in [
            "",
            "path",
            "path=/v1/x",
            "status=500",
            "path=/v1/x,status=no",
            "a=b",
            "path=/,status=200",
        ] {
            assert!(text.parse::<FaultRule>().is_err(), "{text}");
        }
    }
}
