//! The loop of `write`: fill a batch, look at its rows and load it while the next ones fill, release
//! what it speaks for.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use protocol::Log;
use protocol::ndjson::Reader;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::batch::Loaded;
use crate::destination::Destination;
use crate::emitter::Emitter;
use crate::error::Error;
use crate::intake::Intake;
use crate::liaison::Liaison;
use crate::plan::StreamPlan;
use crate::queue::{Filled, Queue};
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
    let mut input = Input { reader: Reader::new(input), end: None, latest: None };
    let mut queue = Queue::default();
    while !input.is_over(&intake, &queue) {
        intake.leave_room(queue.sizes(1));
        if input.gather(&mut intake, &mut queue, stop).await {
            input.latest = None;
            queue.push(intake.take(), destination);
        }
        let Some(filled) = queue.pop() else { continue };
        intake.leave_room(queue.sizes(0));
        let Filled { batch, position, refused } = filled;
        let loaded = if batch.is_empty() {
            Loaded::default()
        } else {
            let load = destination.load(batch);
            let rest = Rest { intake: &mut intake, input: &mut input, queue: &mut queue };
            match rest.go_on_while(load, stop, &mut voice).await {
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

/// All but the batch that is being loaded.
struct Rest<'r, R> {
    intake: &'r mut Intake,
    input: &'r mut Input<R>,
    queue: &'r mut Queue,
}

impl<R: AsyncRead + Unpin> Rest<'_, R> {
    async fn go_on_while(
        self,
        load: impl Future<Output = Result<Loaded, Error>>,
        stop: &Stop,
        voice: &mut Voice<'_>,
    ) -> Result<Loaded, Error> {
        let Self { intake, input, queue } = self;
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
                () = queue.all_is_seen(), if queue.is_looking() => {}
                () = stop.requested(), if is_open => input.end = Some(Ok(())),
                () = input.step(intake), if is_open && intake.has_room() => {}
            }
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
    /// When what came in must go on at the latest.
    latest: Option<Instant>,
}

impl<R: AsyncRead + Unpin> Input<R> {
    /// Whether nothing is left to be done.
    fn is_over(&self, intake: &Intake, queue: &Queue) -> bool {
        self.end.is_some() && intake.is_idle() && queue.is_empty()
    }

    /// Takes in lines until a batch that waits can be loaded, or another should join those that wait,
    /// and says whether it is the latter.
    async fn gather(&mut self, intake: &mut Intake, queue: &mut Queue, stop: &Stop) -> bool {
        if queue.is_empty() {
            self.fill(intake, stop, true).await;
            return true;
        }
        let is_open = self.end.is_none();
        let has_more = is_open && intake.has_room();
        let may_join = queue.has_room() && (has_more || intake.holds_rows());
        let goes_on = has_more || may_join;
        tokio::select! {
            biased;
            () = queue.first_is_seen() => return false,
            () = self.go_on(intake, stop, may_join), if goes_on => {}
            () = stop.requested(), if is_open && !goes_on => self.end = Some(Ok(())),
        }
        may_join && intake.holds_rows()
    }

    /// Takes in lines while batches wait.
    async fn go_on(&mut self, intake: &mut Intake, stop: &Stop, may_join: bool) {
        if may_join {
            return self.fill(intake, stop, false).await;
        }
        while self.end.is_none() && intake.has_room() {
            tokio::select! {
                biased;
                () = stop.requested() => self.end = Some(Ok(())),
                () = self.step(intake) => {}
            }
        }
    }

    /// Takes in lines until the batch should be loaded, or something can be released, or the end.
    /// While batches wait before it, there is nothing to be released.
    async fn fill(&mut self, intake: &mut Intake, stop: &Stop, is_first: bool) {
        while self.end.is_none() && intake.has_room() {
            let has_news = intake.holds_rows() || is_first && !intake.is_idle();
            // Whoever emits a state of the whole has nothing to add, and may be waiting for it.
            if has_news && intake.is_rounded_off() {
                return;
            }
            let now = Instant::now();
            if intake.holds_rows() && self.latest.is_none() {
                self.latest = Some(now + Duration::from_millis(intake.flush_ms()));
            }
            let due = self.latest.map_or(now, |latest| latest.min(now + QUIET));
            tokio::select! {
                biased;
                () = stop.requested() => self.end = Some(Ok(())),
                () = self.step(intake) => {}
                () = sleep_until(due), if self.latest.is_some() => return,
            }
        }
    }

    /// Waits for a line, then takes in every line that is in memory, and lets others have a turn:
    /// questions and answers are on their way meanwhile.
    async fn step(&mut self, intake: &mut Intake) {
        loop {
            self.end = self.take_line(intake).await;
            if self.end.is_some() || !intake.has_room() || !self.reader.has_line() {
                return yield_now().await;
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
