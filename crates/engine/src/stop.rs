//! How a run is asked to stop.

use tokio::sync::watch;

/// Who wants a run to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// Whoever read our output has gone.
    ClientGone,
    /// The time is over.
    TimeLimit,
    /// As many states were confirmed as were asked for.
    StateLimit,
}

impl StopCause {
    /// Whether nobody asked for it: a limit was reached.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        match self {
            Self::TimeLimit | Self::StateLimit => true,
            Self::Interrupt | Self::Terminate | Self::ClientGone => false,
        }
    }
}

/// What is asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stop {
    /// Go on.
    #[default]
    Go,
    /// Stop the source, let the destination finish, save.
    Drain(StopCause),
    /// End now.
    Kill(StopCause),
}

/// The end that asks.
pub type StopSender = watch::Sender<Stop>;

/// The end that is asked.
#[derive(Debug, Clone)]
pub struct StopReceiver(watch::Receiver<Stop>);

/// A pair of ends.
#[must_use]
pub fn channel() -> (StopSender, StopReceiver) {
    let (sender, receiver) = watch::channel(Stop::Go);
    (sender, StopReceiver(receiver))
}

impl StopReceiver {
    /// What is asked now.
    #[must_use]
    pub fn current(&self) -> Stop {
        *self.0.borrow()
    }

    /// Waits until more is asked than before; never returns when nobody can ask any more.
    pub async fn changed(&mut self) -> Stop {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.current()
    }
}
