//! The local clock, for what Google checks against its own: when a grant was signed.

use protocol::Timestamp;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the program's one clock, handed in from here")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}
