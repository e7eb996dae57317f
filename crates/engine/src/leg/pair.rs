//! Starting a pair, and following it: of what happens next the most urgent first.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use protocol::ndjson::Reader;
use protocol::{Level, Message};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::acks::{Acks, Confirmed};
use super::ending::{GRACE, LegEnd};
use super::watch::{Seen, Stalled, Watch};
use crate::child::Child;
use crate::client::Client;
use crate::desk::Desk;
use crate::failure::{Failure, Side, chain};
use crate::gate::{Gate, Note};
use crate::heard::Heard;
use crate::job::Host;
use crate::limits::Reached;
use crate::prepare::Plan;
use crate::pump::{Activity, Opening, PumpEnd, Pumped, Reports, pump};
use crate::reduce::Run;
use crate::sent::Sent;
use crate::stop::{Stop, StopCause, StopReceiver};

/// How long a destination may go on writing after somebody stopped the run; then it is asked to stop
/// too, and ends what it waits for.
const DRAIN: Duration = Duration::from_secs(5);

/// How often progress is shown when nothing else is.
const TICK: Duration = Duration::from_secs(5);

/// A running pair.
pub(crate) struct Leg<'l, 'd, C> {
    pub(super) host: &'l Host,
    pub(super) plan: &'l mut Plan,
    pub(super) desk: &'l mut Desk<'d, C>,
    pub(super) run: &'l mut Run,
    pub(super) source: Child,
    pub(super) destination: Child,
    pub(super) notes: mpsc::Receiver<Note>,
    pub(super) openings: mpsc::Receiver<Opening>,
    pub(super) pumping: JoinSet<Pumped>,
    /// The way back to a source that wants to know what was confirmed, and what is on it next.
    pub(super) acks: Option<Acks>,
    pub(super) confirmed: Vec<Confirmed>,
    pub(super) pumped: Option<Pumped>,
    pub(super) heard: Heard,
    pub(super) garbled: Option<String>,
    /// Why counts differ before the end.
    pub(super) unaccounted: Option<String>,
    pub(super) stopped: Option<StopCause>,
    pub(super) killed: bool,
    pub(super) stopping: bool,
    /// When the source is killed, if it was asked to stop.
    pub(super) deadline: Option<Instant>,
    /// When the destination is asked to stop, if the run was stopped by somebody.
    drain: Option<Instant>,
    /// Whether the destination was asked to stop: it may leave input behind.
    pub(super) hushed: bool,
    pub(super) ticks: Interval,
    pub(super) activity: Arc<Activity>,
    pub(super) sent: Arc<Sent>,
    /// Lines that the destination wrote.
    pub(super) lines: u64,
    watch: Watch,
    /// Sides that did nothing for too long.
    pub(super) stalled: Vec<Failure>,
}

/// What happened next.
enum Step {
    Asked(Stop),
    Noted(Note),
    Opened(Opening),
    Pumped(Box<Option<Pumped>>),
    TooLong,
    Drained,
    Limit(Reached),
    Look,
    Line(Vec<u8>),
    Garbled(String),
    Tick,
    End,
}

impl<'l, 'd, C: Client> Leg<'l, 'd, C> {
    /// Starts both sides and the pump between them.
    pub(crate) fn start(
        host: &'l Host,
        plan: &'l mut Plan,
        desk: &'l mut Desk<'d, C>,
        run: &'l mut Run,
    ) -> Result<(Self, Reader<ChildStdout>), Failure> {
        let mut destination = start_destination(host, plan)?;
        let mut source = start_source(host, plan, run)?;
        let emitted_by = format!("source/{}", plan.source.config.connector_type);
        let gate = Gate::new(&plan.catalog, &emitted_by);
        let gate = if plan.follow { gate.following() } else { gate };
        let acks = source.take_stdin().map(Acks::start);
        let (sender, notes) = mpsc::channel(256);
        let (opened, openings) = mpsc::channel(1);
        let mut pumping = JoinSet::new();
        let (from, to, out) =
            (source.take_stdout(), destination.take_stdin(), destination.take_stdout());
        let (Some(from), Some(to), Some(out)) = (from, to, out) else {
            return Err(Failure::new(
                Side::Engine,
                protocol::Class::Internal,
                "no_pipe",
                "a pipe is missing",
            ));
        };
        let (activity, sent) = (Arc::<Activity>::default(), Arc::<Sent>::default());
        let reports = Reports {
            notes: sender,
            activity: Arc::clone(&activity),
            sent: Arc::clone(&sent),
            openings: Some(opened),
        };
        pumping.spawn(pump(from, gate, to, reports, host.now));
        let watch = Watch::new(plan.stall, Instant::now(), Seen::default());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let leg = Self {
            host,
            plan,
            desk,
            run,
            source,
            destination,
            notes,
            openings,
            pumping,
            acks,
            confirmed: Vec::new(),
            pumped: None,
            heard: Heard::default(),
            garbled: None,
            unaccounted: None,
            stopped: None,
            killed: false,
            stopping: false,
            deadline: None,
            drain: None,
            hushed: false,
            ticks,
            activity,
            sent,
            lines: 0,
            watch,
            stalled: Vec::new(),
        };
        Ok((leg, out))
    }

    /// Follows the pair to its end.
    pub(crate) async fn follow(
        mut self,
        mut out: Reader<ChildStdout>,
        stop: &mut StopReceiver,
    ) -> LegEnd {
        loop {
            match self.next(&mut out, stop).await {
                Step::Asked(asked) => self.asked(asked),
                Step::Noted(note) => self.noted(note).await,
                Step::Opened(opening) => self.opened(opening).await,
                Step::Pumped(pumped) => self.pump_ended(*pumped),
                Step::TooLong => {
                    self.deadline = None;
                    self.source.kill();
                }
                Step::Drained => {
                    self.drain = None;
                    self.hushed = true;
                    self.destination.terminate();
                }
                Step::Limit(reached) => self.limit(reached),
                Step::Look => self.look(),
                Step::Line(line) => self.lines(line, &mut out).await,
                Step::Garbled(why) => {
                    self.garbled = Some(why);
                    break;
                }
                Step::Tick => self.tick().await,
                Step::End => break,
            }
            // Nothing more can be trusted that a destination says after something that it cannot say.
            if self.killed || self.garbled.is_some() || self.unaccounted.is_some() {
                break;
            }
            self.watch_desk();
        }
        drop(out);
        self.finish().await
    }

    /// The next thing that happens; of several the most urgent.
    async fn next(&mut self, out: &mut Reader<ChildStdout>, stop: &mut StopReceiver) -> Step {
        let (too_long, drained) = (at(self.deadline), at(self.drain));
        let limit = self.plan.budget.next();
        let limited = at(limit.map(|(at, _)| at));
        let look = self.watch.next();
        tokio::select! {
            biased;
            asked = stop.changed() => Step::Asked(asked),
            Some(note) = self.notes.recv() => Step::Noted(note),
            Some(opening) = self.openings.recv() => Step::Opened(opening),
            Some(pumped) = self.pumping.join_next() => Step::Pumped(Box::new(pumped.ok())),
            () = too_long => Step::TooLong,
            () = drained => Step::Drained,
            () = limited => Step::Limit(limit.map_or(Reached::Hard, |(_, reached)| reached)),
            () = sleep_until(look) => Step::Look,
            // Before the lines: a destination that never pauses must not keep a run from saying that
            // it lives.
            _ = self.ticks.tick() => Step::Tick,
            line = out.next() => match line {
                Ok(Some(line)) => Step::Line(line.to_vec()),
                Ok(None) => Step::End,
                Err(error) => Step::Garbled(chain(&error)),
            },
        }
    }

    fn limit(&mut self, reached: Reached) {
        self.plan.budget.passed(reached, Instant::now());
        self.asked(match reached {
            Reached::Soft => Stop::Drain(StopCause::TimeLimit),
            Reached::Hard => Stop::Kill(StopCause::TimeLimit),
        });
    }

    fn look(&mut self) {
        let activity = &self.activity;
        let seen = Seen {
            taken: activity.taken.load(Relaxed),
            given: activity.given.load(Relaxed),
            states: activity.states.load(Relaxed),
            waiting: activity.waiting.load(Relaxed),
            ended: self.pumped.is_some(),
            lines: self.lines,
        };
        let stalled = self.watch.look(seen, Instant::now());
        // A source that follows owes nothing while nothing happens.
        let idle = self.plan.follow && stalled == Some(Stalled::Source);
        if let Some(stalled) = stalled.filter(|_| !idle) {
            self.stall(stalled);
        }
    }

    pub(super) fn asked(&mut self, asked: Stop) {
        match asked {
            Stop::Go => {}
            Stop::Drain(cause) => {
                self.stopped.get_or_insert(cause);
                if matches!(cause, StopCause::Interrupt | StopCause::Terminate) {
                    self.drain.get_or_insert(Instant::now() + DRAIN);
                }
                self.stop_source();
            }
            Stop::Kill(cause) => {
                self.stopped.get_or_insert(cause);
                self.killed = true;
                self.source.kill();
                self.destination.kill();
            }
        }
    }

    pub(super) fn stop_source(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.source.terminate();
            self.deadline = Some(Instant::now() + GRACE);
        }
    }

    fn watch_desk(&mut self) {
        if self.desk.wants_stop() {
            self.stop_source();
        }
    }

    pub(super) async fn noted(&mut self, note: Note) {
        self.heard.note(&note);
        if let Note::Warning(text) = note {
            self.desk.log(Level::Warn, text).await;
        }
    }

    /// Saves what the source opens with, and lets its records go on.
    async fn opened(&mut self, Opening { state, saved }: Opening) {
        self.run.open(&state);
        self.desk.settle(self.run).await;
        if self.desk.broken().is_none() {
            // A pump that has ended waits for nothing.
            saved.send(()).ok();
        }
    }

    fn pump_ended(&mut self, mut pumped: Option<Pumped>) {
        if let Some(Pumped { end, .. }) = &mut pumped
            && let PumpEnd::Cut(why) = end
            && !self.stopping
        {
            // Only a source that was stopped may end inside a line.
            *end = PumpEnd::Garbled(std::mem::take(why));
        }
        // What is left of the source is waited for at the end.
        self.deadline = None;
        if pumped.as_ref().is_none_or(|pumped| pumped.end != PumpEnd::Clean) {
            self.stop_source();
        }
        self.pumped = pumped;
    }

    async fn tick(&mut self) {
        self.run.advance((self.host.now)());
        let message = Message::Progress(self.run.state.sync_run.progress.clone());
        self.desk.say(&message).await;
        self.desk.beat().await;
        self.desk.tick(self.run).await;
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn start_destination(host: &Host, plan: &Plan) -> Result<Child, Failure> {
    let destination = &plan.destination;
    let connector = &destination.connector;
    let documents = [
        connector.document("--config", &destination.config.config)?,
        connector.document("--catalog", &plan.catalog)?,
    ];
    connector.start(&host.launcher, "write", &documents, true)
}

fn start_source(host: &Host, plan: &Plan, run: &Run) -> Result<Child, Failure> {
    let connector = &plan.source.connector;
    let mut documents = vec![
        connector.document("--config", &plan.source.config.config)?,
        connector.document("--catalog", &plan.catalog)?,
    ];
    if !run.saved.is_empty() {
        documents.push(connector.document("--state", &run.saved)?);
    }
    let verb = if plan.follow { "read --follow" } else { "read" };
    connector.start(&host.launcher, verb, &documents, plan.source.spec.acks)
}
