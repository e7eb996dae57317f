//! Texts around objects: a page, an object alone, an object on one line.

use serde_json::Value;

use crate::list::Page;
use crate::objects::{SEPARATOR, View, print};

/// How far an element of a page is indented.
const ELEMENT_INDENT: usize = 4;

/// A page of a stream as Stripe prints it.
pub(crate) fn page(view: &View<'_>, page: &Page) -> Vec<u8> {
    around(&view.stream.facts.path, page.has_more, |body| write_data(view, page, body))
}

/// A page of a list under a parent.
pub(crate) fn page_of(url: &str, elements: &[Value], page: &Page) -> Vec<u8> {
    around(url, page.has_more, |body| write_elements(elements, page, body))
}

/// A page of API v2: addresses of the pages beside it instead of `has_more`.
pub(crate) fn v2_page(view: &View<'_>, page: &Page, next: Option<&str>) -> Vec<u8> {
    v2_around(next, |body| write_data(view, page, body))
}

/// A page of a list of API v2 under a parent.
pub(crate) fn v2_page_of(elements: &[Value], page: &Page, next: Option<&str>) -> Vec<u8> {
    v2_around(next, |body| write_elements(elements, page, body))
}

fn v2_around(next: Option<&str>, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = b"{\n  \"data\": [".to_vec();
    write(&mut body);
    let next = Value::from(next);
    let rest = format!("],\n  \"next_page_url\": {next},\n  \"previous_page_url\": null\n}}\n");
    body.extend_from_slice(rest.as_bytes());
    body
}

fn around(url: &str, has_more: bool, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = b"{\n  \"object\": \"list\",\n  \"data\": [".to_vec();
    write(&mut body);
    let rest = format!("],\n  \"has_more\": {has_more},\n  \"url\": \"{url}\"\n}}\n");
    body.extend_from_slice(rest.as_bytes());
    body
}

fn write_data(view: &View<'_>, page: &Page, body: &mut Vec<u8>) {
    if !page.positions.is_empty() {
        body.extend_from_slice(b"\n    ");
        view.write_page(&page.positions, body);
        body.extend_from_slice(b"\n  ");
    }
}

fn write_elements(elements: &[Value], page: &Page, body: &mut Vec<u8>) {
    let chosen = page.positions.iter().filter_map(|position| elements.get(*position));
    let texts: Vec<Vec<u8>> = chosen.map(print).collect();
    if !texts.is_empty() {
        body.extend_from_slice(b"\n    ");
        body.extend_from_slice(&texts.join(SEPARATOR));
        body.extend_from_slice(b"\n  ");
    }
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
