//! Who may ask: the secret key, as a bearer token or as the user of basic authentication.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::answer::ApiError;

/// Refuses a request whose key is missing or not ours. With no key of ours, every key that
/// looks like one is right.
pub(crate) fn check(authorization: Option<&str>, ours: Option<&str>) -> Result<(), ApiError> {
    let given = authorization.and_then(key).filter(|key| !key.is_empty()).ok_or_else(no_key)?;
    let is_right = match ours {
        Some(ours) => given == ours,
        None => given.starts_with("sk_") || given.starts_with("rk_"),
    };
    if is_right {
        return Ok(());
    }
    let message = format!("Invalid API Key provided: {}", masked(&given));
    Err(ApiError::invalid(401, message))
}

fn no_key() -> ApiError {
    let message = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.";
    ApiError::invalid(401, message.to_owned())
}

fn key(authorization: &str) -> Option<String> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    decoded.split(':').next().map(str::to_owned)
}

/// A key with its secret part hidden: what kind it is, and its last four characters.
pub(crate) fn masked(key: &str) -> String {
    let kind: String =
        key.split_inclusive('_').take(2).filter(|part| part.ends_with('_')).collect();
    let secret: Vec<char> = key.chars().skip(kind.chars().count()).collect();
    let hidden = secret.len().saturating_sub(4);
    let last: String = secret.iter().skip(hidden).collect();
    format!("{kind}{}{last}", "*".repeat(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_as_bearer_or_as_basic_user() {
        let ours = Some("sk_test_abc");
        assert_eq!(check(Some("Bearer sk_test_abc"), ours), Ok(()));
        let basic = format!("Basic {}", STANDARD.encode("sk_test_abc:"));
        assert_eq!(check(Some(&basic), ours), Ok(()));
        assert_eq!(check(Some("bearer rk_live_xyz"), None), Ok(()));
    }

    #[test]
    fn a_wrong_key_is_refused_and_not_shown() {
        let error = check(Some("Bearer sk_test_abcdef1234"), Some("sk_test_abc")).unwrap_err();
        assert_eq!(error.message, "Invalid API Key provided: sk_test_******1234");
        assert_eq!(error.status, 401);
        assert_eq!(masked("nonsense"), "****ense");
        assert_eq!(masked("é"), "é");
    }

    #[test]
    fn no_key_is_refused() {
        for header in [None, Some(""), Some("Bearer "), Some("Basic !"), Some("Digest x")] {
            let error = check(header, None).unwrap_err();
            assert!(error.message.starts_with("You did not provide an API key"), "{header:?}");
        }
    }
}
