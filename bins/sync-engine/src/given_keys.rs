//! `--source.KEY VALUE` and `--destination.KEY VALUE`: any key of any connector as a flag.
//!
//! Which keys there are only the connector's spec says, so these flags are taken out before the
//! rest of the command line is read.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Keys given as flags, with their texts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenKeys {
    pub(crate) source: BTreeMap<String, String>,
    pub(crate) destination: BTreeMap<String, String>,
}

/// A flag of this kind that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GivenKeyError {
    #[error("`{0}` needs a value; write `{0} VALUE`")]
    NoValue(String),
    #[error("`{0}` names no key; write `--source.KEY VALUE`")]
    NoKey(String),
    #[error("the value of `{0}` is not UTF-8")]
    NotText(String),
}

/// Splits a command line into what is left and the keys.
pub(crate) fn take(args: Vec<OsString>) -> Result<(Vec<OsString>, GivenKeys), GivenKeyError> {
    let mut rest = Vec::new();
    let mut keys = GivenKeys::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let Some((flag, side)) = arg.to_str().and_then(|text| Some((text, keys.side(text)?)))
        else {
            rest.push(arg);
            continue;
        };
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag, value.to_owned()),
            None => (flag, text_of(flag, args.next())?),
        };
        let key = flag.split_once('.').map(|(_, key)| key).unwrap_or_default();
        if key.is_empty() {
            return Err(GivenKeyError::NoKey(flag.to_owned()));
        }
        side.insert(key.to_owned(), value);
    }
    Ok((rest, keys))
}

impl GivenKeys {
    fn side(&mut self, flag: &str) -> Option<&mut BTreeMap<String, String>> {
        if flag.starts_with("--source.") {
            return Some(&mut self.source);
        }
        flag.starts_with("--destination.").then_some(&mut self.destination)
    }
}

fn text_of(flag: &str, value: Option<OsString>) -> Result<String, GivenKeyError> {
    let value = value.ok_or_else(|| GivenKeyError::NoValue(flag.to_owned()))?;
    value.into_string().map_err(|_| GivenKeyError::NotText(flag.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str) -> Result<(Vec<OsString>, GivenKeys), GivenKeyError> {
        take(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn keys_are_taken_from_anywhere_and_the_rest_stays() {
        let (rest, keys) =
            taken("x sync --source.rate_limit 5 --plain --destination.a.b=c=d -q").unwrap();
        assert_eq!(rest, ["x", "sync", "--plain", "-q"]);
        assert_eq!(keys.source["rate_limit"], "5");
        assert_eq!(keys.destination["a.b"], "c=d");
    }

    #[test]
    fn a_key_without_a_value_is_an_error() {
        assert!(matches!(taken("x --source.key"), Err(GivenKeyError::NoValue(_))));
        assert!(matches!(taken("x --source. 1"), Err(GivenKeyError::NoKey(_))));
    }
}
