//! Why a text is no OpenAPI file of Stripe.

use thiserror::Error;

/// Why a text could not be read as Stripe's OpenAPI file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The text is a web page.
    #[error("reading the OpenAPI file: a web page, not JSON; give the file itself")]
    WebPage,
    /// The text ends before its JSON does: a cut download.
    #[error("reading the OpenAPI file: it ends in the middle; fetch the file again")]
    Cut,
    /// The text is not JSON.
    #[error("reading the OpenAPI file: not JSON; fetch the file again")]
    NotJson(#[from] serde_json::Error),
    /// The text is JSON, but a part that every OpenAPI file of Stripe has is missing.
    #[error(
        "reading the OpenAPI file: `{part}` is missing; give a spec3 file of Stripe's openapi repository"
    )]
    Missing {
        /// The part, as a path of keys.
        part: &'static str,
    },
    /// The file is complete and has not one list in it.
    #[error("reading the OpenAPI file: it has no lists; give the file of the whole API")]
    NoStreams,
}
