//! Walking over JSON text without building a tree.
//!
//! The text is known to be valid JSON (it came through serde_json as a raw value), so the walk only
//! looks for where things end. On anything else it ends early; it never panics.

use std::borrow::Cow;

/// One member of an object: its key as written between the quotes, and its value's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The key as written, escapes included, without quotes.
    pub raw_key: &'a str,
    /// The value's text, without white space around it.
    pub value: &'a str,
    /// Where the member begins in the object's text (the key's opening quote).
    pub start: usize,
    /// Where it ends (behind its value).
    pub end: usize,
    /// Whether the key is written with escapes.
    pub(crate) is_escaped: bool,
}

impl<'a> Member<'a> {
    /// Whether the key is `name`, however it is written.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        if !self.is_escaped {
            return self.raw_key == name;
        }
        self.key() == name
    }

    /// Whether the key is written with escapes.
    #[must_use]
    pub const fn is_escaped(&self) -> bool {
        self.is_escaped
    }

    /// The key, escapes resolved.
    #[must_use]
    pub fn key(&self) -> Cow<'a, str> {
        if !self.is_escaped {
            return Cow::Borrowed(self.raw_key);
        }
        serde_json::from_str(&format!("\"{}\"", self.raw_key))
            .map_or(Cow::Borrowed(self.raw_key), Cow::Owned)
    }
}

/// The members of an object, in order.
#[must_use]
pub fn members(object: &str) -> Members<'_> {
    let open = object.find('{').map_or(object.len(), |at| at.saturating_add(1));
    Members { text: object, at: open }
}

/// Iterator over the members of an object; see [`members`].
#[derive(Debug, Clone)]
pub struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = skip_space_and(bytes, self.at, b',');
        if bytes.get(start) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(bytes, start);
        let value_start = skip_space_and(bytes, key_end, b':');
        let end = value_end(bytes, value_start);
        if end <= value_start {
            return None;
        }
        self.at = end;
        let raw_key = self.text.get(start.saturating_add(1)..key_end.saturating_sub(1))?;
        Some(Member {
            raw_key,
            is_escaped: memchr::memchr(b'\\', raw_key.as_bytes()).is_some(),
            value: self.text.get(value_start..end)?,
            start,
            end,
        })
    }
}

fn skip_space_and(bytes: &[u8], from: usize, other: u8) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == other);
    from.saturating_add(skipped.count())
}

/// Where the string that begins at `from` ends (behind its closing quote).
fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from.saturating_add(1);
    while let Some(rest) = bytes.get(at..) {
        let Some(found) = memchr::memchr2(b'"', b'\\', rest) else { break };
        at = at.saturating_add(found);
        match bytes.get(at) {
            Some(b'"') => return at.saturating_add(1),
            _ => at = at.saturating_add(2),
        }
    }
    bytes.len()
}

/// Where the value that begins at `from` ends.
fn value_end(bytes: &[u8], from: usize) -> usize {
    match bytes.get(from) {
        Some(b'"') => string_end(bytes, from),
        Some(b'{' | b'[') => nested_end(bytes, from),
        Some(_) => {
            let rest = bytes.get(from..).unwrap_or_default();
            let is_part =
                |byte: &&u8| !matches!(byte, b',' | b'}' | b']') && !byte.is_ascii_whitespace();
            from.saturating_add(rest.iter().take_while(is_part).count())
        }
        None => from,
    }
}

/// Where the object or array that begins at `from` ends, counting brackets outside strings.
fn nested_end(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at = at.saturating_add(1);
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_come_with_their_text() {
        let text = r#"{ "a" : 1.10, "b\u0022":{"x":[1,"}"]},"c":"q\"}" ,"d":null}"#;
        let found: Vec<_> = members(text).map(|m| (m.raw_key, m.value)).collect();
        assert_eq!(
            found,
            [("a", "1.10"), ("b\\u0022", r#"{"x":[1,"}"]}"#), ("c", r#""q\"}""#), ("d", "null")]
        );
        assert!(members(text).nth(1).unwrap().is("b\""));
        let member = members(text).next().unwrap();
        assert_eq!(text.get(member.start..member.end), Some(r#""a" : 1.10"#));
    }

    #[test]
    fn an_empty_object_has_no_members() {
        assert_eq!(members("{ }").count(), 0);
        assert_eq!(members("").count(), 0);
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "[ -~]{0,80}") {
            prop_assert!(members(&text).count() <= text.len());
        }

        #[test]
        fn members_agree_with_a_parser(pairs in proptest::collection::vec(("[a-z]{1,6}", ".{0,20}"), 0..8)) {
            let object: serde_json::Map<_, _> =
                pairs.into_iter().map(|(k, v)| (k, serde_json::json!({"v": [v]}))).collect();
            let text = serde_json::to_string_pretty(&object).unwrap();
            let found: serde_json::Map<_, _> = members(&text)
                .map(|m| (m.raw_key.to_owned(), serde_json::from_str(m.value).unwrap()))
                .collect();
            prop_assert_eq!(found, object);
        }
    }
}
