//! Texts around objects: a page, an object alone, an object on one line.

use crate::list::Page;
use crate::objects::Stream;

/// How far an element of a page is indented.
const ELEMENT_INDENT: usize = 4;

/// A page as Stripe prints it.
pub(crate) fn page(stream: &Stream, page: &Page) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(b"{\n  \"object\": \"list\",\n  \"data\": [");
    if !page.positions.is_empty() {
        body.extend_from_slice(b"\n    ");
        stream.store.write_page(&page.positions, &mut body);
        body.extend_from_slice(b"\n  ");
    }
    let has_more = page.has_more;
    let rest =
        format!("],\n  \"has_more\": {has_more},\n  \"url\": \"{}\"\n}}\n", stream.facts.path);
    body.extend_from_slice(rest.as_bytes());
    body
}

/// An element of a page as it is printed when it stands alone.
pub(crate) fn alone(element: &[u8]) -> Vec<u8> {
    let mut lines = element.split(|byte| *byte == b'\n');
    let mut body = lines.next().unwrap_or_default().to_vec();
    for line in lines {
        body.push(b'\n');
        body.extend_from_slice(line.get(ELEMENT_INDENT..).unwrap_or_default());
    }
    body.push(b'\n');
    body
}

/// Writes an element on one line: without the space that only layout needs.
pub(crate) fn minified(element: &[u8], out: &mut Vec<u8>) {
    let (mut in_text, mut escaped) = (false, false);
    for byte in element {
        if in_text || !matches!(byte, b' ' | b'\n') {
            out.push(*byte);
        }
        if *byte == b'"' && !escaped {
            in_text = !in_text;
        }
        escaped = *byte == b'\\' && !escaped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_stands_alone_without_the_indent_of_a_page() {
        let element = b"{\n      \"a\": {\n        \"b\": 1\n      }\n    }";
        assert_eq!(alone(element), b"{\n  \"a\": {\n    \"b\": 1\n  }\n}\n");
    }

    #[test]
    fn only_layout_is_left_out() {
        let mut out = Vec::new();
        minified(br#"{ "a b": "c \" d \\", "e": [ 1, 2 ] }"#, &mut out);
        assert_eq!(out, br#"{"a b":"c \" d \\","e":[1,2]}"#);
    }
}
