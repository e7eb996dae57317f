//! What a destination asks of documents before they are compared and stored: values that its typed
//! columns take, text that it can hold. A pure function of a document and the columns.

use crate::scan::Member;

/// The type of a column that takes only certain values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A whole number of 64 bits.
    Integer,
    /// A decimal number.
    Number,
    /// True or false.
    Boolean,
}

/// How documents of one stream are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Properties whose columns take only certain values.
    pub(crate) typed: Vec<(String, ValueType)>,
    /// Whether NUL characters and lone surrogates become U+FFFD, because no text can hold them.
    pub replaces_characters: bool,
    /// Whether the document keeps the stream's `newer_than_field`.
    pub keeps_stamp: bool,
}

impl Shape {
    /// Adds a typed column for a top-level property.
    #[must_use]
    pub fn with_typed(mut self, property: &str, value_type: ValueType) -> Self {
        self.typed.push((property.to_owned(), value_type));
        self
    }
}

/// A value that does not fit its column: where it stands in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) name: String,
    start: usize,
    end: usize,
}

impl Misfit {
    /// The place of a member's value, where its column refuses it.
    pub(crate) fn of(member: &Member<'_>, value_type: ValueType) -> Option<Self> {
        (!value_type.takes(member.value)).then(|| Self {
            name: member.key().into_owned(),
            start: member.end.saturating_sub(member.value.len()),
            end: member.end,
        })
    }
}

/// The document with each misfit set to null and kept as it came under `_unfit`.
pub(crate) fn with_unfit(document: &str, mut misfits: Vec<Misfit>) -> String {
    // Of a property that is there twice, the last counts, and it alone was looked at.
    misfits.sort_by_key(|misfit| misfit.start);
    let mut out = String::with_capacity(document.len().saturating_add(64));
    let mut unfit = Vec::new();
    let mut at = 0;
    for misfit in &misfits {
        out.push_str(document.get(at..misfit.start).unwrap_or_default());
        out.push_str("null");
        let value = document.get(misfit.start..misfit.end).unwrap_or_default();
        unfit.push(format!("{}:{value}", serde_json::Value::from(misfit.name.as_str())));
        at = misfit.end;
    }
    let rest = document.get(at..).unwrap_or_default().trim_end();
    out.push_str(rest.strip_suffix('}').unwrap_or(rest));
    out.push_str(&format!(",\"_unfit\":{{{}}}}}", unfit.join(",")));
    out
}

impl ValueType {
    /// Whether a column of this type takes a value, given as JSON text. Null and the empty text
    /// are null in every column.
    #[must_use]
    pub fn takes(self, value: &str) -> bool {
        match value.as_bytes().first() {
            Some(b'n') => true,
            Some(b'"') => self.takes_text(value),
            Some(b't' | b'f') => self == Self::Boolean,
            Some(b'{' | b'[') | None => false,
            Some(_) => match self {
                Self::Integer => is_integer(value),
                Self::Number => true,
                Self::Boolean => value == "0" || value == "1",
            },
        }
    }

    fn takes_text(self, value: &str) -> bool {
        if value == "\"\"" {
            return true;
        }
        let Ok(text) = serde_json::from_str::<String>(value) else { return false };
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        match self {
            Self::Integer => text.parse::<i64>().is_ok(),
            Self::Number => is_decimal(text),
            Self::Boolean => {
                const WORDS: [&str; 10] =
                    ["true", "false", "t", "f", "yes", "no", "on", "off", "1", "0"];
                WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
            }
        }
    }
}

/// Whether a JSON number is a whole number of 64 bits and is printed as one by the server, which
/// keeps the digits behind the point: 1.0 is not, 1.5e1 is.
fn is_integer(number: &str) -> bool {
    // Most have so few digits that none needs a look at its value.
    if number.len() < 19 && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    if !number.contains(['.', 'e', 'E']) {
        return number.parse::<i64>().is_ok();
    }
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.parse::<usize>().ok();
    let zeros = exponent.and_then(|exponent| exponent.checked_sub(fraction.len()));
    let Some(zeros) = zeros.filter(|zeros| *zeros < 20) else { return false };
    format!("{whole}{fraction}{}", "0".repeat(zeros)).parse::<i64>().is_ok()
}

/// Whether a text is a plain decimal number, such as `-1.50`.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| part.len() <= 1000 && part.bytes().all(|b| b.is_ascii_digit());
    !whole.is_empty() && !fraction.is_empty() && is_number(whole) && is_number(fraction)
}

/// The document with every NUL character and lone surrogate as U+FFFD, and how many there were;
/// `None` when there is none. Escapes are replaced in place, so nothing else moves.
pub(crate) fn replaced(document: &str) -> Option<(String, u64)> {
    let suspicious = ["\\u0000", "\\ud", "\\uD"];
    if !suspicious.iter().any(|escape| document.contains(escape)) {
        return None;
    }
    let mut out = String::with_capacity(document.len());
    let mut count = 0_u64;
    let mut rest = document;
    while let Some((before, escape)) = next_escape(rest) {
        out.push_str(before);
        let (kept, taken) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (escape.get(..12), 12),
            (Some(0 | 0xD800..=0xDFFF), _) => (None, 6),
            (Some(_), _) => (escape.get(..6), 6),
            (None, _) => (escape.get(..2), 2),
        };
        out.push_str(kept.unwrap_or("\\ufffd"));
        count = count.saturating_add(u64::from(kept.is_none()));
        rest = escape.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    (count > 0).then_some((out, count))
}

/// What stands before the next backslash, and everything from there on.
fn next_escape(text: &str) -> Option<(&str, &str)> {
    text.find('\\').and_then(|at| text.split_at_checked(at))
}

/// The UTF-16 unit of a `\uXXXX` escape at the beginning of a text.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::members;

    fn fitted(document: &str) -> String {
        let typed = [
            ("amount", ValueType::Integer),
            ("rate", ValueType::Number),
            ("paid", ValueType::Boolean),
        ];
        let mut found: Vec<Misfit> = Vec::new();
        for member in members(document) {
            found.retain(|misfit| !member.is(&misfit.name));
            let typed = typed.iter().find(|(name, _)| member.is(name));
            found.extend(typed.and_then(|(_, value_type)| Misfit::of(&member, *value_type)));
        }
        if found.is_empty() { document.to_owned() } else { with_unfit(document, found) }
    }

    #[test]
    fn a_column_takes_what_the_server_would() {
        use ValueType::{Boolean, Integer, Number};
        for (value_type, value, fits) in [
            (Integer, "9223372036854775807", true),
            (Integer, "9223372036854775808", false),
            (Integer, "-0", true),
            (Integer, "1E3", true),
            (Integer, "1.5e1", true),
            (Integer, "1.50e1", false),
            (Integer, "1.0", false),
            (Integer, "1e-3", false),
            (Integer, "1e99", false),
            (Integer, "\"12\"", true),
            (Integer, "\"\"", true),
            (Integer, "\"twelve\"", false),
            (Integer, "true", false),
            (Integer, "null", true),
            (Integer, "{}", false),
            (Number, "1e308", true),
            (Number, "\"-1.50\"", true),
            (Number, "\"1.\"", false),
            (Number, "[1]", false),
            (Boolean, "true", true),
            (Boolean, "1", true),
            (Boolean, "2", false),
            (Boolean, "\"Yes\"", true),
            (Boolean, "\"maybe\"", false),
        ] {
            assert_eq!(value_type.takes(value), fits, "{value_type:?} {value}");
        }
    }

    #[test]
    fn a_misfit_is_null_and_kept_as_it_came() {
        assert_eq!(
            fitted(r#"{"amount": 1.50, "rate":"x","paid":true,"n":1.10}"#),
            r#"{"amount": null, "rate":null,"paid":true,"n":1.10,"_unfit":{"amount":1.50,"rate":"x"}}"#
        );
        assert_eq!(fitted(r#"{"amount":1,"paid":null}"#), r#"{"amount":1,"paid":null}"#);
    }

    #[test]
    fn of_a_property_that_is_there_twice_the_last_counts() {
        assert_eq!(fitted(r#"{"amount":"x","amount":1}"#), r#"{"amount":"x","amount":1}"#);
        assert_eq!(
            fitted(r#"{"amount":1,"am\u006funt":"x"}"#),
            r#"{"amount":1,"am\u006funt":null,"_unfit":{"amount":"x"}}"#
        );
    }

    #[test]
    fn nul_and_lone_surrogates_become_the_replacement_character() {
        assert_eq!(
            replaced(r#"{"a":"x\u0000y\ud83d\ude00\ud83dz\uDE00"}"#),
            Some((r#"{"a":"x\ufffdy\ud83d\ude00\ufffdz\ufffd"}"#.to_owned(), 3))
        );
        for clean in [r#"{"a":"\\u0000 \\\\ud800"}"#, r#"{"a":"\ud83d\ude00"}"#, "{}"] {
            assert_eq!(replaced(clean), None, "{clean}");
        }
        assert_eq!(replaced(r#"{"a":"\\\u0000"}"#), Some((r#"{"a":"\\\ufffd"}"#.to_owned(), 1)));
    }
}
