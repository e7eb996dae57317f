//! The loop of `write`: fill a batch, load it while the next one fills, release what it speaks for.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use protocol::Log;
use protocol::ndjson::Reader;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::batch::Loaded;
use crate::destination::Destination;
use crate::emitter::Emitter;
use crate::error::Error;
use crate::intake::Intake;
use crate::liaison::Liaison;
use crate::plan::StreamPlan;
use crate::stop::Stop;

/// How long to wait for more input before a batch that is not full is loaded.
const QUIET: Duration = Duration::from_millis(5);

/// Writes everything that comes in, until its end, a fault in it, or a stop.
///
/// # Errors
///
/// When the input is no protocol, the destination fails as a whole, or nobody reads our stdout. What
/// came in before a fault of the input is written and released first.
pub(crate) async fn write<D: Destination>(
    destination: &mut D,
    plans: Vec<StreamPlan>,
    input: impl AsyncRead + Unpin,
    out: &mut Emitter,
    stop: &Stop,
) -> Result<(), Error> {
    let (liaison, words) = Liaison::new(stop.clone());
    destination.meet(liaison);
    let mut voice = Voice { words, out };
    let mut intake = match voice.over(Intake::begin(destination, plans)).await {
        Err(error) if error.is_stopped() => return Ok(()),
        begun => begun?,
    };
    let mut input = Input { reader: Reader::new(input), end: None };
    while input.end.is_none() || !intake.is_idle() {
        input.fill(&mut intake, stop).await;
        let (batch, position, refused) = intake.take().split();
        let loaded = if batch.is_empty() {
            Loaded::default()
        } else {
            let load = destination.load(batch);
            let loaded =
                load_while_filling(load, (&mut intake, &mut input), stop, &mut voice).await;
            match loaded {
                // What could not be written any more is not acknowledged either.
                Err(error) if error.is_stopped() => break,
                loaded => loaded?,
            }
        };
        intake.settle(position, refused, loaded);
        intake.release(voice.out).await?;
    }
    intake.finish(out).await?;
    destination.finish(intake.complete(), out).await?;
    input.end.unwrap_or(Ok(()))
}

async fn load_while_filling(
    load: impl Future<Output = Result<Loaded, Error>>,
    (intake, input): (&mut Intake, &mut Input<impl AsyncRead + Unpin>),
    stop: &Stop,
    voice: &mut Voice<'_>,
) -> Result<Loaded, Error> {
    let mut load = pin!(load);
    loop {
        let is_open = input.end.is_none();
        tokio::select! {
            biased;
            loaded = &mut load => {
                voice.say_rest().await?;
                return loaded;
            }
            Some(word) = voice.words.recv() => voice.say(word).await?,
            () = stop.requested(), if is_open => input.end = Some(Ok(())),
            () = input.step(intake), if is_open && intake.has_room() => {}
        }
    }
}

/// What a destination says while it works goes out at once.
struct Voice<'o> {
    words: mpsc::Receiver<Log>,
    out: &'o mut Emitter,
}

impl Voice<'_> {
    async fn over<T>(&mut self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.say_rest().await?;
                    return done;
                }
                Some(word) = self.words.recv() => self.say(word).await?,
            }
        }
    }

    /// What was said in the last moment of a piece of work.
    async fn say_rest(&mut self) -> Result<(), Error> {
        while let Ok(word) = self.words.try_recv() {
            self.say(word).await?;
        }
        Ok(())
    }

    async fn say(&mut self, word: Log) -> Result<(), Error> {
        self.out.tell(word).await
    }
}

struct Input<R> {
    reader: Reader<R>,
    /// How the input ended, once it has.
    end: Option<Result<(), Error>>,
}

impl<R: AsyncRead + Unpin> Input<R> {
    /// Takes in lines until the batch should be loaded, or something can be released, or the end.
    async fn fill(&mut self, intake: &mut Intake, stop: &Stop) {
        let mut latest = None;
        while self.end.is_none() && intake.has_room() {
            // Whoever emits a state of the whole has nothing to add, and may be waiting for it.
            if !intake.is_idle() && intake.is_rounded_off() {
                return;
            }
            let now = Instant::now();
            if intake.holds_rows() && latest.is_none() {
                latest = Some(now + Duration::from_millis(intake.flush_ms()));
            }
            let due = latest.map_or(now, |latest| latest.min(now + QUIET));
            tokio::select! {
                biased;
                () = stop.requested() => self.end = Some(Ok(())),
                () = self.step(intake) => {}
                () = sleep_until(due), if latest.is_some() => return,
            }
        }
    }

    /// Waits for a line, then takes in every line that is in memory.
    async fn step(&mut self, intake: &mut Intake) {
        loop {
            self.end = self.take_line(intake).await;
            if self.end.is_some() || !intake.has_room() || !self.reader.has_line() {
                return;
            }
        }
    }

    async fn take_line(&mut self, intake: &mut Intake) -> Option<Result<(), Error>> {
        let number = self.reader.line_number().saturating_add(1);
        match self.reader.next().await {
            Ok(Some(line)) => intake.accept(line, number).err().map(Err),
            Ok(None) => Some(Ok(())),
            Err(error) => Some(Err(Error::data("reading stdin").caused_by(error))),
        }
    }
}

#[cfg(test)]
#[path = "drive_tests.rs"]
mod tests;
