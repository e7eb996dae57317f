//! Taking in what a destination says: each line folded, then saved, then shown.

use protocol::ndjson::Reader;
use protocol::{
    Control, DecodeError, Kind, Level, Line, Log, Message, SourceState, StateMessage, StateScope,
    Timestamp, excerpt, peek_record_stream,
};
use tokio::process::ChildStdout;

use super::pair::Leg;
use crate::client::Client;
use crate::control::{adopt, secrets_file};
use crate::failure::Side;
use crate::resolve::Role;
use crate::stop::{Stop, StopCause};

/// Lines of a destination that are taken in before they are saved and shown.
const BATCH: usize = 1000;

impl<C: Client> Leg<'_, '_, C> {
    /// Takes in a line and all that are ready behind it, then saves and shows them.
    pub(super) async fn lines(&mut self, first: Vec<u8>, out: &mut Reader<ChildStdout>) {
        // What the gate saw of these lines is heard before them.
        while let Ok(note) = self.notes.try_recv() {
            self.noted(note).await;
        }
        let before = self.lines;
        let mut good = self.line(&first, out.line_number());
        while good && self.desk.held() < BATCH && out.has_line() {
            let Ok(Some(line)) = out.next().await else { break };
            let line = line.to_vec();
            good = self.line(&line, out.line_number());
        }
        self.lines = before.max(out.line_number());
        self.desk.settle(self.run).await;
        self.acknowledge().await;
        if self.plan.budget.is_out_of_states() {
            self.asked(Stop::Drain(StopCause::StateLimit));
        }
        if !good {
            // What was confirmed before is saved.
            self.destination.kill();
        }
    }

    /// Tells a source that wants to know it what was confirmed and saved.
    async fn acknowledge(&mut self) {
        let confirmed = std::mem::take(&mut self.confirmed);
        let Some(acks) = self.acks.as_ref().filter(|_| self.desk.broken().is_none()) else {
            return;
        };
        if acks.push(confirmed) {
            let name = self.source.name();
            let message = format!(
                "{name} does not read its input; from here on it is told only the latest state of each stream"
            );
            // One that does not follow has no use for them.
            let level = if self.plan.follow { Level::Warn } else { Level::Debug };
            self.desk.log(level, message).await;
        }
    }

    /// Takes in one line of the destination; says whether it was one.
    fn line(&mut self, raw: &[u8], number: u64) -> bool {
        let now = (self.host.now)();
        if let Some(stream) = peek_record_stream(raw) {
            self.echoed(stream);
            return true;
        }
        let why = match Line::parse(raw).and_then(|line| self.parsed(&line, now)) {
            Ok(true) => return self.unaccounted.is_none(),
            Ok(false) => "a state that it was not given".to_owned(),
            Err(error) => error.to_string(),
        };
        self.garbled.get_or_insert(format!("line {number}: {why}: `{}`", excerpt(raw)));
        false
    }

    /// Takes in what a line says; `false` when it is a state that never went that way.
    fn parsed(&mut self, line: &Line<'_>, now: Timestamp) -> Result<bool, DecodeError> {
        match line.kind {
            Kind::Record => {
                let stream = line.record()?.stream.into_owned();
                self.echoed(&stream);
            }
            Kind::Unknown => {
                let emitted_by = self.speaker(line.raw, Side::Destination);
                self.desk.hold(emitted_by, now, None, line.raw);
            }
            // These are the engine's own to send.
            Kind::Progress | Kind::Eof | Kind::SourceInput => {}
            Kind::SourceState => {
                let state = line.state()?;
                let Some(before) = self.sent.confirm(&state) else { return Ok(false) };
                self.unaccounted = self.heard.unaccounted(&state, before);
                if self.unaccounted.is_none() {
                    self.message(Message::SourceState(state), line.raw, now);
                }
            }
            Kind::StreamStatus
            | Kind::ConnectionStatus
            | Kind::Control
            | Kind::Log
            | Kind::Spec
            | Kind::Catalog => self.message(line.message()?, line.raw, now),
        }
        Ok(true)
    }

    fn echoed(&mut self, stream: &str) {
        self.heard.echo(stream);
        let now = (self.host.now)();
        self.run.fold_echo(stream, now);
    }

    fn message(&mut self, message: Message, raw: &[u8], now: Timestamp) {
        let side = self.heard.take(&message);
        if let Message::Control(control) = message {
            // A new configuration may hold secrets: it is used, not shown.
            return self.control(control, now);
        }
        if let (Message::SourceState(state), Some(_)) = (&message, &self.acks) {
            self.confirmed.push((state.scope.clone(), [raw, b"\n"].concat()));
        }
        self.budget(&message);
        self.run.fold(&message, now);
        if !self.heard.failed_at_destination.is_empty() {
            self.stop_source();
        }
        self.desk.hold(self.speaker(raw, side), now, Some(message), raw);
    }

    /// Who said a line: what passed the gate was stamped there, and a destination keeps what it does
    /// not know.
    fn speaker(&self, raw: &[u8], side: Side) -> String {
        let source = self.name_of(Side::Source);
        let stamp = format!(r#""_emitted_by":"{source}""#);
        let is_stamped = memchr::memmem::find(raw, stamp.as_bytes()).is_some();
        if is_stamped { source } else { self.name_of(side) }
    }

    /// Counts what was confirmed; a state that says what is known already moves nothing.
    fn budget(&mut self, message: &Message) {
        let budget = &mut self.plan.budget;
        match message {
            Message::SourceState(state) => {
                budget.count_state();
                if is_news(state, &self.run.saved) {
                    budget.moved();
                }
            }
            Message::StreamStatus(status) if status.kind.is_terminal() => budget.moved(),
            Message::StreamStatus(_)
            | Message::Log(_)
            | Message::Spec(_)
            | Message::ConnectionStatus(_)
            | Message::Catalog(_)
            | Message::Control(_)
            | Message::Progress(_)
            | Message::Eof(_) => {}
        }
    }

    /// Holds from the next pair of processes on.
    fn control(&mut self, control: Control, now: Timestamp) {
        let (role, after) = match control {
            Control::SourceConfig { source_config } => (Role::Source, source_config),
            Control::DestinationConfig { destination_config } => {
                (Role::Destination, destination_config)
            }
        };
        let secrets = secrets_file(&self.host.state_folder, &self.plan.name, role);
        let opened = match role {
            Role::Source => &mut self.plan.source,
            Role::Destination => &mut self.plan.destination,
        };
        let pinned = &mut self.desk.pipeline.pinned;
        let told = adopt(role, opened, after, pinned, &secrets);
        self.run.unsaved.pipeline = true;
        if let Some(told) = told {
            let message = Message::Log(Log::new(Level::Warn, told));
            let mut line = Vec::new();
            message.encode(&mut line);
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            self.desk.hold(Side::Engine.to_string(), now, Some(message), line);
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
}

/// Whether a stream got further than the store knows.
fn is_news(state: &StateMessage, saved: &SourceState) -> bool {
    let StateScope::Stream(stream) = &state.scope else { return false };
    saved.streams.get(stream).is_none_or(|known| known.get() != state.data.get())
}
