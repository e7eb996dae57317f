//! One pair of processes, from their start to their end.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::ndjson::Reader;
use protocol::{Class, Control, Kind, Line, Message, excerpt, peek_record_stream};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};

use crate::child::{Child, ChildError, End};
use crate::client::Client;
use crate::desk::Desk;
use crate::failure::{Failure, Side, chain};
use crate::gate::{Gate, Note};
use crate::heard::Heard;
use crate::job::Host;
use crate::prepare::Plan;
use crate::progress;
use crate::pump::{PumpEnd, Pumped, pump};
use crate::reduce::Run;
use crate::stop::{Stop, StopCause, StopReceiver};

/// How long a child may take to end after it was asked to, or closed its output.
const GRACE: Duration = Duration::from_secs(10);

/// How often progress is shown when nothing else is.
const TICK: Duration = Duration::from_secs(5);

/// Lines of a destination that are taken in before they are saved and shown.
const BATCH: usize = 1000;

/// How a pair of processes ended.
#[derive(Debug, Default)]
pub(crate) struct LegEnd {
    pub(crate) failures: Vec<Failure>,
    pub(crate) stopped: Option<StopCause>,
    pub(crate) failed_streams: BTreeSet<String>,
    pub(crate) differences: Vec<String>,
    pub(crate) unfinished: Vec<String>,
}

/// A running pair.
pub(crate) struct Leg<'l, 'd, C> {
    host: &'l Host,
    plan: &'l mut Plan,
    desk: &'l mut Desk<'d, C>,
    run: &'l mut Run,
    source: Child,
    destination: Child,
    notes: mpsc::Receiver<Note>,
    pumping: JoinSet<Pumped>,
    pumped: Option<Pumped>,
    heard: Heard,
    garbled: Option<String>,
    stopped: Option<StopCause>,
    killed: bool,
    stopping: bool,
    /// When the source is killed, if it was asked to stop.
    deadline: Option<Instant>,
    ticks: Interval,
}

/// What happened next.
enum Step {
    Asked(Stop),
    Noted(Note),
    Pumped(Option<Pumped>),
    TooLong,
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
        let (sender, notes) = mpsc::channel(256);
        let mut pumping = JoinSet::new();
        let (from, to, out) =
            (source.take_stdout(), destination.take_stdin(), destination.take_stdout());
        let (Some(from), Some(to), Some(out)) = (from, to, out) else {
            return Err(Failure::new(
                Side::Engine,
                Class::Internal,
                "no_pipe",
                "a pipe is missing",
            ));
        };
        pumping.spawn(pump(from, gate, to, sender, host.now));
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
            pumping,
            pumped: None,
            heard: Heard::default(),
            garbled: None,
            stopped: None,
            killed: false,
            stopping: false,
            deadline: None,
            ticks,
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
                Step::Pumped(pumped) => self.pump_ended(pumped),
                Step::TooLong => {
                    self.deadline = None;
                    self.source.kill();
                }
                Step::Line(line) => self.lines(line, &mut out).await,
                Step::Garbled(why) => {
                    self.garbled = Some(why);
                    break;
                }
                Step::Tick => self.tick().await,
                Step::End => break,
            }
            if self.killed {
                break;
            }
            self.watch_desk();
        }
        drop(out);
        self.finish().await
    }

    /// The next thing that happens; of several the most urgent.
    async fn next(&mut self, out: &mut Reader<ChildStdout>, stop: &mut StopReceiver) -> Step {
        let deadline = self.deadline;
        let too_long = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            asked = stop.changed() => Step::Asked(asked),
            Some(note) = self.notes.recv() => Step::Noted(note),
            Some(pumped) = self.pumping.join_next() => Step::Pumped(pumped.ok()),
            () = too_long => Step::TooLong,
            line = out.next() => match line {
                Ok(Some(line)) => Step::Line(line.to_vec()),
                Ok(None) => Step::End,
                Err(error) => Step::Garbled(chain(&error)),
            },
            _ = self.ticks.tick() => Step::Tick,
        }
    }

    fn asked(&mut self, asked: Stop) {
        match asked {
            Stop::Go => {}
            Stop::Drain(cause) => {
                self.stopped.get_or_insert(cause);
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

    fn stop_source(&mut self) {
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

    async fn noted(&mut self, note: Note) {
        self.heard.note(&note);
        if let Note::Log(log) = note {
            self.desk.say(&Message::Log(log)).await;
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
        let progress = &mut self.run.state.sync_run.progress;
        progress::advance(progress, (self.host.now)());
        let message = Message::Progress(progress.clone());
        self.desk.say(&message).await;
    }

    /// Takes in a line and all that are ready behind it, then saves and shows them.
    async fn lines(&mut self, first: Vec<u8>, out: &mut Reader<ChildStdout>) {
        // What the gate saw of these lines is heard before them.
        while let Ok(note) = self.notes.try_recv() {
            self.noted(note).await;
        }
        let mut good = self.line(&first, out.line_number());
        while good && self.desk.held() < BATCH && out.has_line() {
            let Ok(Some(line)) = out.next().await else { break };
            let line = line.to_vec();
            good = self.line(&line, out.line_number());
        }
        self.desk.settle(self.run).await;
        if !good {
            // Nothing more that it says can be trusted; what was confirmed is saved.
            self.destination.kill();
        }
    }

    /// Takes in one line of the destination; says whether it was one.
    fn line(&mut self, raw: &[u8], number: u64) -> bool {
        let now = (self.host.now)();
        if let Some(stream) = peek_record_stream(raw) {
            self.echoed(stream);
            return true;
        }
        match Line::parse(raw).and_then(|line| self.parsed(&line, now)) {
            Ok(()) => true,
            Err(error) => {
                self.garbled.get_or_insert(format!("line {number}: {error}: `{}`", excerpt(raw)));
                false
            }
        }
    }

    fn parsed(
        &mut self,
        line: &Line<'_>,
        now: protocol::Timestamp,
    ) -> Result<(), protocol::DecodeError> {
        match line.kind {
            Kind::Record => {
                let stream = line.record()?.stream.into_owned();
                self.echoed(&stream);
            }
            Kind::Unknown => {
                let emitted_by = self.name_of(Side::Destination);
                self.desk.hold(emitted_by, now, None, line.raw);
            }
            // These are the engine's own to send.
            Kind::Progress | Kind::Eof | Kind::SourceInput => {}
            Kind::SourceState
            | Kind::StreamStatus
            | Kind::ConnectionStatus
            | Kind::Control
            | Kind::Log
            | Kind::Spec
            | Kind::Catalog => self.message(line.message()?, line.raw, now),
        }
        Ok(())
    }

    fn echoed(&mut self, stream: &str) {
        self.heard.echo(stream);
        let now = (self.host.now)();
        progress::fold_echo(&mut self.run.state.sync_run.progress, stream, now);
    }

    fn message(&mut self, message: Message, raw: &[u8], now: protocol::Timestamp) {
        let side = self.heard.take(&message);
        if let Message::Control(control) = message {
            // A new configuration may hold secrets: it is used, not shown.
            return self.control(control);
        }
        self.run.fold(&message, now);
        if !self.heard.failed_at_destination.is_empty() {
            self.stop_source();
        }
        let emitted_by = self.name_of(side);
        self.desk.hold(emitted_by, now, Some(message), raw);
    }

    /// Holds from the next pair of processes on.
    fn control(&mut self, control: Control) {
        match control {
            Control::SourceConfig { source_config } => {
                self.plan.source.config.config = source_config;
            }
            Control::DestinationConfig { destination_config } => {
                self.plan.destination.config.config = destination_config;
            }
        }
    }

    fn name_of(&self, side: Side) -> String {
        match side {
            Side::Source => format!("source/{}", self.plan.source.config.connector_type),
            Side::Destination => {
                format!("destination/{}", self.plan.destination.config.connector_type)
            }
            Side::Engine => side.to_string(),
        }
    }

    async fn finish(mut self) -> LegEnd {
        // A destination that ends before its input does takes no more of it; the source is told by
        // a closed pipe.
        let early = self.pumped.is_none();
        if early {
            self.source.terminate();
            let pumped = timeout(GRACE, self.pumping.join_next()).await;
            self.pumped = pumped.ok().flatten().and_then(Result::ok);
            self.pumping.abort_all();
        }
        while let Ok(note) = self.notes.try_recv() {
            self.noted(note).await;
        }
        self.desk.settle(self.run).await;
        let destination = end_of(&mut self.destination).await;
        let source = end_of(&mut self.source).await;
        self.judge(source, destination, early)
    }

    fn judge(
        self,
        source: Result<End, ChildError>,
        destination: Result<End, ChildError>,
        early: bool,
    ) -> LegEnd {
        let mut failures = Vec::new();
        let closed =
            early || self.pumped.as_ref().is_none_or(|pumped| pumped.end == PumpEnd::Closed);
        let destination = self.destination_failure(destination, closed);
        if !self.killed {
            // A source whose reader died is not to blame for how it ends.
            let blameless = destination.is_some() && closed;
            failures.extend(self.source_failure(source).filter(|_| !blameless));
            failures.extend(destination);
        }
        failures.extend(self.desk.broken().cloned());
        let gate = self.pumped.as_ref().map(|pumped| &pumped.gate);
        let settled = failures.is_empty() && !self.killed;
        let differences = gate.filter(|_| settled).map(|gate| self.heard.differences(gate));
        LegEnd {
            stopped: self.stopped.or_else(|| self.desk.stopped()),
            failed_streams: self.heard.failed_at_destination.keys().cloned().collect(),
            differences: differences.unwrap_or_default(),
            unfinished: gate
                .map(|gate| gate.unfinished().map(str::to_owned).collect())
                .unwrap_or_default(),
            failures,
        }
    }

    fn source_failure(&self, end: Result<End, ChildError>) -> Option<Failure> {
        let connector = &self.plan.source.connector;
        let gate = self.pumped.as_ref().map(|pumped| &pumped.gate);
        if let Some(refusal) = gate.and_then(Gate::failure) {
            return Some(connector.refused(refusal));
        }
        let failed =
            |code, message: String| Some(connector.failure(Class::Internal, code, message));
        let end = match end {
            Ok(end) => end,
            Err(error) => return failed("not_waited_for", error.to_string()),
        };
        match self.pumped.as_ref().map(|pumped| &pumped.end) {
            Some(PumpEnd::Garbled(why)) => failed("garbled", format!("{why}; {end}")),
            _ if !end.is_clean() => failed("ended_badly", end.to_string()),
            _ => None,
        }
    }

    fn destination_failure(&self, end: Result<End, ChildError>, closed: bool) -> Option<Failure> {
        let connector = &self.plan.destination.connector;
        if let Some(refusal) = &self.heard.refusal {
            return Some(connector.refused(refusal));
        }
        let failed =
            |code, message: String| Some(connector.failure(Class::Internal, code, message));
        let end = match end {
            Ok(end) => end,
            Err(error) => return failed("not_waited_for", error.to_string()),
        };
        match &self.garbled {
            Some(why) => failed("garbled", format!("{}: {why}", end.name)),
            None if !end.is_clean() => failed("ended_badly", end.to_string()),
            None if closed => failed("ended_early", format!("it took no more input; {end}")),
            None => None,
        }
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
    connector.start(&host.launcher, "read", &documents, false)
}

/// A child that does not end by itself is ended.
async fn end_of(child: &mut Child) -> Result<End, ChildError> {
    if let Ok(end) = timeout(GRACE, child.wait()).await {
        return end;
    }
    child.kill();
    child.wait().await
}
