//! Where an OpenAPI file is.

use std::fmt;
use std::path::PathBuf;

use connector::Error;
use url::Url;

/// A file here, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A path.
    File(PathBuf),
    /// Something to fetch.
    Address(Url),
}

impl Place {
    /// Reads what the owner wrote.
    ///
    /// # Errors
    ///
    /// When it begins like an address and is none.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|why| {
            Error::config(format!("reading --config: `openapi_spec` is no address: {why}"))
                .hint("give an https address, or a path")
        })?;
        Ok(Self::Address(url))
    }
}

impl fmt::Display for Place {
    /// Without what may be secret in an address: user, password, query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Address(url) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                let host = url.host_str().unwrap_or_default();
                write!(f, "{}://{host}{port}{}", url.scheme(), url.path())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let place = Place::parse("https://me:pw@example.com:8443/a/spec3.json?token=t#x").unwrap();
        assert_eq!(place.to_string(), "https://example.com:8443/a/spec3.json");
        assert_eq!(Place::parse("./spec3.json").unwrap(), Place::File("./spec3.json".into()));
        assert!(Place::parse("https://").unwrap_err().report().contains("is no address"));
    }
}
