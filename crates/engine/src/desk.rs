//! Where messages meet the outside: stamped, in order, states only after they were saved.

use protocol::{Level, Log, Message, Timestamp};

use crate::client::{Client, Shown};
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::reduce::Run;
use crate::runlog::RunRecord;
use crate::stop::StopCause;
use crate::store::{Pipeline, Store, StoreError};

/// Shortest time between two notes in the run log, in milliseconds.
const NOTE_EVERY: i64 = 1000;

/// Longest time between two notes in the run log, in milliseconds.
const NOTE_AT_LEAST: i64 = 60_000;

/// The name under which the engine itself speaks.
const ENGINE: &str = "engine";

/// A message that waits until what it stands for is saved.
#[derive(Debug)]
struct Held {
    emitted_by: String,
    ts: Timestamp,
    message: Option<Message>,
    raw: Vec<u8>,
}

/// The client, the store, and what waits between them.
#[derive(Debug)]
pub(crate) struct Desk<'a, C> {
    client: &'a mut C,
    /// Where state is kept.
    pub(crate) store: Store,
    /// What the store keeps of the pipeline beside its state.
    pub(crate) pipeline: Pipeline,
    /// What the run log keeps of this run, once it has begun.
    pub(crate) record: Option<RunRecord>,
    noted: Option<Timestamp>,
    now: fn() -> Timestamp,
    held: Vec<Held>,
    /// What connectors said before the run began.
    before: Vec<Log>,
    gone: bool,
    broken: Option<Failure>,
}

impl<'a, C: Client> Desk<'a, C> {
    pub(crate) fn new(client: &'a mut C, now: fn() -> Timestamp) -> Self {
        Self {
            client,
            store: Store::Nowhere,
            pipeline: Pipeline::default(),
            record: None,
            noted: None,
            now,
            held: Vec::new(),
            before: Vec::new(),
            gone: false,
            broken: None,
        }
    }

    /// Who stopped the run from here: a client that has gone.
    pub(crate) fn stopped(&self) -> Option<StopCause> {
        self.gone.then_some(StopCause::ClientGone)
    }

    /// Why state can no longer be saved.
    pub(crate) const fn broken(&self) -> Option<&Failure> {
        self.broken.as_ref()
    }

    /// Whether the run should end because of what happened here.
    pub(crate) const fn wants_stop(&self) -> bool {
        self.gone || self.broken.is_some()
    }

    pub(crate) async fn open(&mut self, opening: &crate::client::Opening) {
        self.gone |= self.client.open(opening).await.is_err();
    }

    /// A word of the engine's own.
    pub(crate) async fn log(&mut self, level: Level, message: impl Into<String>) {
        self.say(&Message::Log(Log::new(level, message))).await;
    }

    /// A message of the engine's own.
    pub(crate) async fn say(&mut self, message: &Message) {
        self.tell(ENGINE, message).await;
    }

    /// A message that stands for nothing that must be saved.
    pub(crate) async fn tell(&mut self, emitted_by: &str, message: &Message) {
        let shown = Shown { emitted_by, ts: (self.now)(), message: Some(message), raw: None };
        if !self.gone {
            self.gone = self.client.show(shown).await.is_err();
        }
    }

    /// A word of a connector before the run begins, which it gives account of in [`Desk::begin`].
    pub(crate) async fn relay(&mut self, emitted_by: &str, log: &Log) {
        self.before.push(log.clone());
        self.tell(emitted_by, &Message::Log(log.clone())).await;
    }

    /// The run begins: requests that were made before are its own.
    pub(crate) fn begin(&mut self, run: &mut Run) {
        for log in std::mem::take(&mut self.before) {
            run.tally.fold(&log, (self.now)());
        }
    }

    /// Keeps a line until [`Desk::settle`].
    pub(crate) fn hold(
        &mut self,
        emitted_by: String,
        ts: Timestamp,
        message: Option<Message>,
        raw: &[u8],
    ) {
        self.held.push(Held { emitted_by, ts, message, raw: raw.to_vec() });
    }

    /// How many lines wait.
    pub(crate) const fn held(&self) -> usize {
        self.held.len()
    }

    /// Saves what was confirmed, then shows what waited for it. When saving fails no state is shown
    /// any more, and the run has to end.
    pub(crate) async fn settle(&mut self, run: &mut Run) {
        if !run.unsaved.is_empty() && self.broken.is_none() {
            self.save(run).await;
        }
        let held = std::mem::take(&mut self.held);
        if held.iter().any(is_last_status) {
            self.note(run).await;
        }
        let anything = !held.is_empty();
        for held in held {
            let is_state = matches!(held.message, Some(Message::SourceState(_)));
            if self.gone || (is_state && self.broken.is_some()) {
                continue;
            }
            let shown = Shown {
                emitted_by: &held.emitted_by,
                ts: held.ts,
                message: held.message.as_ref(),
                raw: Some(&held.raw),
            };
            self.gone = self.client.show(shown).await.is_err();
        }
        if anything {
            self.say(&Message::Progress(run.state.sync_run.progress.clone())).await;
        }
    }

    /// Says that this run lives. Only another run that took the pipeline ends it; a lost connection
    /// shows when there is something to save.
    pub(crate) async fn beat(&mut self) {
        if let Err(error @ StoreError::TakenOver { .. }) = self.store.beat().await {
            self.broken.get_or_insert(self.failure(&error));
        }
    }

    /// Keeps in the run log how a run stands that has been at work for a while.
    pub(crate) async fn tick(&mut self, run: &Run) {
        let since = self.since_noted((self.now)()).unwrap_or(i64::MAX);
        let is_news = self.record.as_ref().is_some_and(|record| !record.is_as(run));
        if is_news || since >= NOTE_AT_LEAST {
            self.note(run).await;
        }
    }

    /// Keeps in the run log which streams are done, so that a call that dies is continued there;
    /// once a second at most, as what is not noted is only read again.
    async fn note(&mut self, run: &Run) {
        let now = (self.now)();
        let too_soon = self.since_noted(now).is_some_and(|since| since < NOTE_EVERY);
        if self.broken.is_some() || too_soon {
            return;
        }
        self.noted = Some(now);
        let Some(mut record) = self.record.take() else { return };
        record.note(run, now);
        // What could not be noted is read again; the end of the run tells of a store that is away.
        self.store.save_run(&record).await.ok();
        self.record = Some(record);
    }

    fn since_noted(&self, now: Timestamp) -> Option<i64> {
        self.noted.map(|then| now.millis().saturating_sub(then.millis()))
    }

    /// The call is a part of this run from here on.
    pub(crate) async fn enter(&mut self, record: RunRecord) -> Result<(), Failure> {
        let saved = self.store.begin_run(&record).await;
        self.record = Some(record);
        saved.map_err(|error| self.failure(&error))
    }

    /// Writes how the call ended and gives the pipeline back; comes before the last message.
    pub(crate) async fn close(&mut self, outcome: &Outcome) {
        if let Some(mut record) = self.record.take().filter(|_| !self.is_taken_over()) {
            record.end_call(outcome, (self.now)());
            if let Err(error) = self.store.save_run(&record).await {
                let message = format!("this run is not in the run log: {error}");
                self.log(Level::Warn, message).await;
            }
        }
        // One that cannot be given back now is lost by itself after a while.
        self.store.release().await.ok();
    }

    fn is_taken_over(&self) -> bool {
        self.broken.as_ref().is_some_and(|failure| failure.code == "taken_over")
    }

    async fn save(&mut self, run: &mut Run) {
        let unsaved = run.take_unsaved();
        let mut pipeline = None;
        if unsaved.pipeline {
            self.pipeline.places.clone_from(&run.places);
            pipeline = Some(&self.pipeline);
        }
        match self.store.save(unsaved.clone(), pipeline).await {
            Ok(()) => run.confirm(unsaved),
            Err(error) => self.broken = Some(self.failure(&error)),
        }
    }

    /// A store's failure is the destination's where the store is in the copy.
    pub(crate) fn failure(&self, error: &StoreError) -> Failure {
        error.failure(self.store.is_in_the_copy())
    }
}

fn is_last_status(held: &Held) -> bool {
    matches!(&held.message, Some(Message::StreamStatus(status)) if status.kind.is_terminal())
}
