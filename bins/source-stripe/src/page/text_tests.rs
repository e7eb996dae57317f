use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

fn minified(text: &str) -> Result<String, Malformed> {
    let mut copier = Copier::new(text, text.len());
    copier.value()?;
    copier.end()?;
    Ok(String::from_utf8(copier.out).unwrap())
}

/// The same value twice: without white space, and with it wherever it may stand.
fn spaced_json() -> impl Strategy<Value = (String, String)> {
    let space = prop::sample::select(vec!["", " ", "\n  ", "\t\r\n", "\n\n"]);
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1.10",
        "1E3",
        "1e-7",
        "-12.5E+300",
        "9007199254740993",
        "\"\"",
        r#""\u0000""#,
        r#""\ud800""#,
        r#""a \"b\" \\ {[,:]} \/""#,
        r#""ключ 🦀""#,
        r#""  spaces  stay  ""#,
    ])
    .prop_map(|leaf| (leaf.to_owned(), leaf.to_owned()));
    (leaf, space.clone()).prop_map(|((a, b), s)| (a, format!("{s}{b}{s}"))).prop_recursive(
        6,
        64,
        5,
        move |inner| {
            let items = prop::collection::vec(inner, 0..5);
            (items, any::<bool>(), space.clone()).prop_map(|(items, object, s)| {
                let (open, close) = if object { ('{', '}') } else { ('[', ']') };
                let key = |n: usize| if object { format!("\"k{n}\"") } else { String::new() };
                let colon = if object { ":" } else { "" };
                let mut parts = (Vec::new(), Vec::new());
                for (n, (compact, spaced)) in items.into_iter().enumerate() {
                    let key = key(n);
                    parts.0.push(format!("{key}{colon}{compact}"));
                    parts.1.push(format!("{s}{key}{s}{colon}{spaced}"));
                }
                let compact = format!("{open}{}{close}", parts.0.join(","));
                (compact, format!("{s}{open}{}{s}{close}{s}", parts.1.join(",")))
            })
        },
    )
}

proptest! {
    #[test]
    fn only_white_space_between_tokens_goes((compact, spaced) in spaced_json()) {
        prop_assert_eq!(minified(&spaced).unwrap(), compact);
    }

    #[test]
    fn what_a_parser_refuses_is_refused_and_nothing_else(
        (_, text) in spaced_json(),
        at in any::<prop::sample::Index>(),
        change in prop::sample::select(vec!["", "\"", "\\", ",", "}", "]", "{", "0", ".", "e", "-", "\u{1}", "\\u12", "tru"]),
        drop in 0_usize..3,
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len() + 1);
        let end = (at + drop).min(bytes.len());
        bytes.splice(at..end, change.bytes());
        if let Ok(text) = String::from_utf8(bytes) {
            let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            prop_assert_eq!(minified(&text).is_ok(), expected, "{}", text);
        }
    }

    #[test]
    fn any_text_ends_without_a_crash(text in "[\\PC\\n\\t\"\\\\{}\\[\\]:,0-9eE.+-]{0,60}") {
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(minified(&text).is_ok(), expected, "{}", text);
    }
}

#[test]
fn a_thousand_levels_are_copied() {
    let deep = format!("{}1{}", "[ ".repeat(1000), " ]".repeat(1000));
    assert_eq!(minified(&deep).unwrap(), deep.replace(' ', ""));
    let deep = format!("{}1{}", "{\"a\": ".repeat(1000), "}".repeat(1000));
    assert_eq!(minified(&deep).unwrap(), deep.replace(' ', ""));
}

#[test]
fn a_cut_body_is_told_from_a_garbled_one() {
    assert_eq!(minified("{\"a\": [1, ").unwrap_err().0, "a body that was cut after 10 bytes");
    assert_eq!(
        minified("\"abc").unwrap_err().0,
        "a body that is no JSON: at byte 1, it ends inside a string"
    );
    assert_eq!(
        minified("{\"a\" 1}").unwrap_err().0,
        "a body that is no JSON: at byte 5, `:` was expected"
    );
}
