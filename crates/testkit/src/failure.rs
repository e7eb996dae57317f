//! How test support fails: loudly, at the caller's line.

use std::fmt::Display;

/// Returns the value, or fails the test with what was being done.
#[track_caller]
pub(crate) fn loud<T, E: Display>(doing: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail(&format!("{doing}: {error}")),
    }
}

/// Fails the test.
#[track_caller]
#[expect(clippy::panic, reason = "a test ends by panicking; this is the one place")]
pub(crate) fn fail(why: &str) -> ! {
    panic!("{why}")
}
