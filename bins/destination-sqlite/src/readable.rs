//! Documents that SQLite's JSON functions cannot take apart, made so that they can. Pure.
//!
//! Two things that JSON allows are too much for them. Nesting beyond 1,000 levels is an error, which
//! would fail every statement that touches the row. A surrogate without its partner comes out as
//! bytes that are no UTF-8, over which many programs that read the file stumble. Stripe sends neither
//! as far as anybody knows; where one comes, the columns are computed from a second document beside
//! the first, which stays as it came.

use connector::scan::members;

/// Most levels that are left alone; SQLite, depending on its version, stops at 1,000 or 2,000.
const LEVELS: usize = 900;
/// U+FFFD, as long as what it replaces.
const REPLACEMENT: &str = "\\ufffd";

/// The document to compute columns from, where that is not the document itself.
pub(crate) fn readable(document: &str) -> Option<String> {
    let is_deep = brackets(document) > LEVELS && depth(document) > LEVELS;
    let shallow = is_deep.then(|| without_deep_members(document));
    let text = shallow.as_deref().unwrap_or(document);
    without_lone_surrogates(text).or(shallow)
}

fn brackets(text: &str) -> usize {
    text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count()
}

/// Levels of nesting, brackets in strings aside.
fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0_usize);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                now = now.saturating_add(1);
                most = most.max(now);
            }
            b'}' | b']' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// The top level with null for every value that is nested too deep.
fn without_deep_members(document: &str) -> String {
    let kept: Vec<String> = members(document)
        .map(|member| {
            let is_deep = depth(member.value) >= LEVELS;
            let value = if is_deep { "null" } else { member.value };
            format!("\"{}\":{value}", member.raw_key)
        })
        .collect();
    format!("{{{}}}", kept.join(","))
}

/// The text with U+FFFD for every surrogate that has no partner; `None` when there is none.
fn without_lone_surrogates(text: &str) -> Option<String> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return None;
    }
    let mut out = String::new();
    let mut copied = 0_usize;
    let mut at = 0_usize;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        let escape = at.saturating_add(found);
        let (length, is_lone) =
            match (surrogate(text, escape), surrogate(text, escape.saturating_add(6))) {
                (Some(Half::High), Some(Half::Low)) => (12, false),
                (Some(_), _) => (6, true),
                (None, _) => (2, false),
            };
        at = escape.saturating_add(length);
        if is_lone {
            out.push_str(text.get(copied..escape)?);
            out.push_str(REPLACEMENT);
            copied = at;
        }
    }
    out.push_str(text.get(copied..)?);
    (copied > 0).then_some(out)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Which half of a pair the escape at this place is.
fn surrogate(text: &str, at: usize) -> Option<Half> {
    let digits = text.get(at..at.saturating_add(6))?.strip_prefix("\\u")?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_sqlite_can_read_needs_no_second_document() {
        let flat = format!(
            r#"{{"a":{},"s":"{}"}}"#,
            vec!["[1]"; 500].join(":").replace(':', ""),
            "[".repeat(2000)
        );
        let nested = format!(r#"{{"a":{}{}}}"#, "[".repeat(899), "]".repeat(899));
        let pair = r#"{"a":"\ud83d\ude00 \\ud800 \uD83D\uDE00 \u00e9"}"#;
        for document in ["{}", &flat, &nested, pair] {
            assert_eq!(readable(document), None, "{document}");
        }
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character_and_nothing_else_changes() {
        let table = [
            (r#"{"a":"x\ud800"}"#, r#"{"a":"x\ufffd"}"#),
            (r#"{"a":"\udc00\ud800\ude00"}"#, r#"{"a":"\ufffd\ud800\ude00"}"#),
            (r#"{"a":"\uD800\uD800\uDE00"}"#, r#"{"a":"\ufffd\uD800\uDE00"}"#),
            (r#"{"a\udfff":"é\\\ud83d\n","b":1.10}"#, r#"{"a\ufffd":"é\\\ufffd\n","b":1.10}"#),
        ];
        for (document, expected) in table {
            assert_eq!(readable(document).as_deref(), Some(expected), "{document}");
        }
    }

    #[test]
    fn a_value_nested_too_deep_is_null_and_the_others_stay() {
        let deep = "[".repeat(900) + &"]".repeat(900);
        let document = format!(r#"{{"a":1.10, "b":{deep},"c":"\ud800","d":[[]]}}"#);
        let expected = r#"{"a":1.10,"b":null,"c":"\ufffd","d":[[]]}"#;
        assert_eq!(readable(&document).as_deref(), Some(expected));
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in r#"[\\uUdD80c"{}\[\]é]{0,40}"#) {
            let once = readable(&text).unwrap_or(text);
            prop_assert_eq!(readable(&once), None);
        }
    }
}
