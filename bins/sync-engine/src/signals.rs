//! SIGINT and SIGTERM: the first stops in order, the second at once.

use std::io;
use std::time::Duration;

use engine::{Stop, StopCause, StopReceiver, channel};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// How long a run may take to tell how it ended after it was killed.
const LAST_MOMENT: Duration = Duration::from_secs(3);

/// The task that waits for signals; they are as usual again when it is dropped.
#[derive(Debug)]
pub(crate) struct Signals {
    tasks: JoinSet<()>,
    receiver: StopReceiver,
}

impl Signals {
    /// Begins to wait.
    pub(crate) fn watch() -> io::Result<Self> {
        let (sender, receiver) = channel();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            sender.send_replace(Stop::Drain(next(&mut interrupt, &mut terminate).await));
            loop {
                sender.send_replace(Stop::Kill(next(&mut interrupt, &mut terminate).await));
            }
        });
        Ok(Self { tasks, receiver })
    }

    /// What a run listens to.
    pub(crate) fn receiver(&self) -> StopReceiver {
        self.receiver.clone()
    }

    /// Returns when a run was killed and has had its last moment.
    pub(crate) async fn overdue(&self) -> StopCause {
        let mut receiver = self.receiver.clone();
        loop {
            if let Stop::Kill(cause) = receiver.current() {
                tokio::time::sleep(LAST_MOMENT).await;
                return cause;
            }
            receiver.changed().await;
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> StopCause {
    tokio::select! {
        _ = interrupt.recv() => StopCause::Interrupt,
        _ = terminate.recv() => StopCause::Terminate,
    }
}
