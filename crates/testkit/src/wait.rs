//! Waits for what nothing tells of.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::failure::fail;
use crate::program::DEADLINE;

/// Between two looks. Without it, a look that takes a connection leaves so many closed ones behind,
/// each for a minute, that the system searches long for a free port, and everybody waits.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// Looks until something holds that others bring about; the test fails when it does not.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        if Instant::now() >= deadline {
            fail(&format!("waiting until {what}"));
        }
        sleep(PAUSE).await;
    }
}
