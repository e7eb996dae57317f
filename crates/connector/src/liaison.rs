//! What a destination has while it works: it hears the wish to stop, and can speak before a load is
//! done.

use std::time::Duration;

use protocol::{Level, Log};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::stop::Stop;

/// Words that may wait to be passed on; more than that nobody could read.
const WORDS: usize = 64;

/// Given to a destination before its first load ([`crate::Destination::meet`]).
#[derive(Debug)]
pub struct Liaison {
    stop: Stop,
    words: mpsc::Sender<Log>,
}

impl Liaison {
    pub(crate) fn new(stop: Stop) -> (Self, mpsc::Receiver<Log>) {
        let (words, receiver) = mpsc::channel(WORDS);
        (Self { stop, words }, receiver)
    }

    /// Says something to people at once, such as how long a wait will take.
    pub fn tell(&self, text: impl Into<String>) {
        // When nobody can hear, or too much was said already, nothing is lost but a word.
        self.words.try_send(Log::new(Level::Info, text)).ok();
    }

    /// Waits, unless a stop is asked for before or meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::stopped`] then: what is not durable is not acknowledged, and the run ends.
    pub async fn rest(&self, wait: Duration) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = self.stop.requested() => Err(Error::stopped()),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}
