//! Trouble on order, as `path=/v1/charges,nth=3,kind=429` on the command line.

use std::str::FromStr;

use thiserror::Error;

use super::kind::{Kind, Trouble, UnknownKind};
use super::order::covers;

/// Which requests get which trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TroubleRule {
    path: String,
    /// The first request that gets it, counted from 1, and how many in a row do.
    nth: u32,
    times: u32,
    trouble: Trouble,
}

/// A rule that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum RuleError {
    #[error("reading a fault: `{0}` is not KEY=VALUE; write path=/v1/charges,nth=3,kind=429")]
    NoPair(String),
    #[error("reading a fault: unknown key `{0}`; keys are path, nth, times, kind, seconds")]
    UnknownKey(String),
    #[error("reading a fault: `{key}` is no number from 1: `{value}`")]
    NoNumber { key: String, value: String },
    #[error("reading a fault: `path` and `kind` are needed; write path=/v1/charges,kind=429")]
    Incomplete,
    #[error("{0}")]
    Kind(#[from] UnknownKind),
}

impl FromStr for TroubleRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (mut path, mut kind, mut seconds) = (None, None, None);
        let (mut nth, mut times) = (1, 1);
        for pair in text.split(',') {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| RuleError::NoPair(pair.to_owned()))?;
            match key.trim() {
                "path" => path = Some(value.to_owned()),
                "kind" => kind = Some(value.parse::<Kind>()?),
                "nth" => nth = number(key, value)?,
                "times" => times = number(key, value)?,
                "seconds" => seconds = Some(number(key, value)?),
                unknown => return Err(RuleError::UnknownKey(unknown.to_owned())),
            }
        }
        let (Some(path), Some(kind)) = (path, kind) else { return Err(RuleError::Incomplete) };
        Ok(Self { path, nth, times, trouble: Trouble { kind, seconds } })
    }
}

impl TroubleRule {
    pub(crate) fn covers(&self, path: &str) -> bool {
        covers(&self.path, path)
    }

    /// The trouble of the request that comes after `before` others that the rule covers.
    pub(crate) fn trouble(&self, before: u32) -> Option<Trouble> {
        let place = before.checked_sub(self.nth - 1)?;
        (place < self.times).then_some(self.trouble)
    }
}

fn number(key: &str, value: &str) -> Result<u32, RuleError> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| RuleError::NoNumber { key: key.to_owned(), value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_request_and_as_many_as_are_meant_get_it() {
        let rule: TroubleRule = "path=/v1/*,nth=3,kind=empty,times=2".parse().unwrap();
        assert!(rule.covers("/v1/charges") && !rule.covers("/v2/core/events"));
        let struck: Vec<bool> = (0..6).map(|before| rule.trouble(before).is_some()).collect();
        assert_eq!(struck, [false, false, true, true, false, false]);
    }

    #[test]
    fn a_rule_that_says_nothing_is_refused() {
        for text in ["", "path=/", "kind=429", "path=/,kind=what", "path=/,kind=429,nth=0", "a=b"] {
            assert!(text.parse::<TroubleRule>().is_err(), "{text}");
        }
    }
}
