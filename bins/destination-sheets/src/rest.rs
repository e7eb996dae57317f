//! Waits: they end with the wish to stop, and a long one is told.

use std::sync::Arc;
use std::time::Duration;

use connector::{Error, Liaison};

/// A wait that people should hear of.
const LONG: Duration = Duration::from_secs(5);

/// How this process waits. Cheap to clone; without a liaison nobody can ask it to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rest(Option<Arc<Liaison>>);

impl Rest {
    pub(crate) fn new(liaison: Liaison) -> Self {
        Self(Some(Arc::new(liaison)))
    }

    /// Waits; an error when a stop was asked for before or meanwhile.
    pub(crate) async fn wait(&self, wait: Duration) -> Result<(), Error> {
        match &self.0 {
            Some(liaison) => liaison.rest(wait).await,
            None => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
        }
    }

    /// The same, and says why when it takes long.
    pub(crate) async fn wait_for(&self, wait: Duration, why: &str) -> Result<(), Error> {
        if wait >= LONG {
            self.tell(&format!("waiting {} s: {why}", wait.as_secs()));
        }
        self.wait(wait).await
    }

    /// Says something to people at once.
    pub(crate) fn tell(&self, text: &str) {
        tracing::info!("{text}");
        if let Some(liaison) = &self.0 {
            liaison.tell(text);
        }
    }
}
