//! What a probe found.

use thiserror::Error;

/// Why a probe did not end with "ok".
#[derive(Debug, Error)]
pub(super) enum Finding {
    /// Stripe does otherwise.
    #[error("differs: {0}")]
    Differs(String),
    /// This account has nothing to try it with.
    #[error("not tried: {0}")]
    NotTried(String),
    /// No answer came.
    #[error("failed: {0}")]
    Failed(String),
}

/// What a probe gives.
pub(super) type Outcome = Result<(), Finding>;

/// Goes on if what is assumed holds.
pub(super) fn holds(is_so: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if is_so { Ok(()) } else { Err(Finding::Differs(otherwise())) }
}

/// Goes on if there is something to try it with.
pub(super) fn found<T>(thing: Option<T>, what: &str) -> Result<T, Finding> {
    thing.ok_or_else(|| Finding::NotTried(format!("the account has no {what}")))
}
