//! Strings that do not print, and the masking of those that turn up in foreign text.

use std::fmt;

use serde::Deserialize;

/// A value that must not reach a log, an error, a state or a command line.
///
/// It has no `Display` and no `Serialize`; `Debug` shows a hint at most. Who needs the value says so
/// with [`Secret::expose`].
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A form that may be shown: prefix and last four characters of a Stripe key, else `…`.
    #[must_use]
    pub fn hint(&self) -> String {
        PREFIXES
            .iter()
            .find_map(|prefix| self.0.strip_prefix(prefix).map(|rest| shown(prefix, rest)))
            .unwrap_or_else(|| "…".to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<secret {}>", self.hint())
    }
}

/// How Stripe's secrets begin (<https://docs.stripe.com/keys>).
const PREFIXES: [&str; 7] =
    ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "ek_live_", "ek_test_"];

/// How a password stands among the parameters of a URL.
const PARAMETER: &str = "password=";

fn shown(prefix: &str, rest: &str) -> String {
    let count = rest.chars().count();
    let tail: String = rest.chars().skip(count.saturating_sub(4)).collect();
    if count > 8 { format!("{prefix}…{tail}") } else { format!("{prefix}…") }
}

/// Replaces what looks like a Stripe key, a signing secret or the password of a URL.
///
/// Used on text that we did not write: a child's stderr, a line that could not be decoded.
#[must_use]
pub fn mask(text: &str) -> String {
    let masked = PREFIXES.iter().fold(text.to_owned(), |text, prefix| mask_prefixed(&text, prefix));
    mask_parameters(&mask_url_passwords(&masked))
}

fn mask_prefixed(text: &str, prefix: &str) -> String {
    let mut parts = text.split(prefix);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if part.starts_with('…') {
            // Masked before: a report may quote another.
            out.push_str(prefix);
            out.push_str(part);
            continue;
        }
        let secret: String =
            part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let rest = part.strip_prefix(secret.as_str()).unwrap_or_default();
        out.push_str(&shown(prefix, &secret));
        out.push_str(rest);
    }
    out
}

/// `scheme://user:password@host` becomes `scheme://user:…@host`.
fn mask_url_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("://");
        let (authority, rest) = part.split_at(part.find(is_after_url).unwrap_or(part.len()));
        out.push_str(masked_authority(authority).as_deref().unwrap_or(authority));
        out.push_str(rest);
    }
    out
}

fn is_after_url(c: char) -> bool {
    c.is_whitespace() || "\"'`<>".contains(c)
}

fn masked_authority(authority: &str) -> Option<String> {
    if let Some((login, place)) = authority.rsplit_once('@') {
        return login.split_once(':').map(|(user, _)| format!("{user}:…@{place}"));
    }
    // Without `@` it is a host and its port, or a login that was cut off inside its password.
    let host = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, port) = host.split_once(':').filter(|(user, _)| !user.starts_with('['))?;
    let port = port.trim_end_matches(|c: char| c.is_ascii_punctuation());
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    (!is_port).then(|| format!("{user}:…"))
}

fn mask_parameters(text: &str) -> String {
    let mut parts = text.split(PARAMETER);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c == '&' || is_after_url(c)).unwrap_or(part.len());
        let (password, rest) = part.split_at(end);
        out.push_str(PARAMETER);
        out.push_str(if password.is_empty() { "" } else { "…" });
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_its_hint_only() {
        let key = Secret::new("sk_test_0123456789abcd".to_owned());
        assert_eq!(format!("{key:?}"), "<secret sk_test_…abcd>");
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "<secret …>");
    }

    #[test]
    fn keys_and_url_passwords_are_masked_wherever_they_stand() {
        let text = r#"{"api_key":"rk_live_51Habcdefgh1234","url":"postgres://me:p@ss@db:5432/x"} sk_test_a"#;
        assert_eq!(
            mask(text),
            r#"{"api_key":"rk_live_…1234","url":"postgres://me:…@db:5432/x"} sk_test_…"#
        );
        assert_eq!(mask(&mask(text)), mask(text));
    }

    #[test]
    fn a_password_that_was_cut_off_or_is_a_parameter_is_masked_too() {
        assert_eq!(mask("using postgres://me:hunt"), "using postgres://me:…");
        assert_eq!(mask("postgres://me:hun'ter@db"), "postgres://me:…'ter@db");
        let text = "postgres://me@db/x?password=hunter2&sslmode=require";
        assert_eq!(mask(text), "postgres://me@db/x?password=…&sslmode=require");
        assert_eq!(mask(&mask(text)), mask(text));
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "GET https://api.stripe.com/v1 ok",
            "connecting to http://127.0.0.1:8080: refused (http://db:5432)",
            "http://[::1]:80/v1",
            "GET https://api.stripe.com/v1/events?types=a:b",
            "the stream `week_sums` of `peek_test`",
        ] {
            assert_eq!(mask(text), text);
        }
    }
}
