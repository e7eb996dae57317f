//! What comes in on a destination's stdin: records into the batch, everything else into the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::scan::{Member, members};
use protocol::{
    DecodeError, Kind, Level, Line, Log, Message, Receipt, RecordLine, RecordReader, StateScope,
    StreamStatusKind, Written,
};

use crate::batch::{Batch, BatchLimits, Loaded};
use crate::dead_letter::Refused;
use crate::destination::Destination;
use crate::emitter::Emitter;
use crate::error::Error;
use crate::ledger::{Ledger, Waiting};
use crate::plan::StreamPlan;
use crate::prune::Prune;
use crate::queue::Filled;
use crate::row::{Came, Reading, Refusal, read};

/// Refusals that are told one by one; all are counted, and kept with their reasons.
const REFUSALS_TOLD: u64 = 100;

#[derive(Debug)]
pub(crate) struct Intake {
    plans: BTreeMap<String, Arc<StreamPlan>>,
    limits: BatchLimits,
    echoes: bool,
    batch: Batch,
    /// Counts of the batch that is being filled.
    refused: Written,
    /// Counts that no state has carried yet.
    written: Written,
    /// Refusals that were told.
    told: u64,
    dropped: BTreeMap<String, u64>,
    changed: BTreeMap<String, Changed>,
    /// Streams and reasons of the receipts that came.
    acknowledged: BTreeSet<(Option<String>, String)>,
    /// Streams whose completion has been told.
    complete: BTreeSet<String>,
    /// A record that came in and has to wait until the batch is taken out.
    held: Option<Admission>,
    ledger: Ledger,
    reader: RecordReader,
    /// Bytes, and those of the largest document, of batches that wait behind the one being loaded.
    beside: (usize, usize),
}

/// What had to be changed about the documents of a stream.
#[derive(Debug, Default)]
struct Changed {
    unfit: u64,
    replaced: u64,
}

impl Changed {
    fn receipts(&self, stream: &str) -> impl Iterator<Item = Receipt> {
        let all = [
            (self.unfit, "unfit_values", "values that do not fit their column are in `_unfit`"),
            (
                self.replaced,
                "replaced_characters",
                "characters that no text can hold were replaced by U+FFFD",
            ),
        ];
        let receipt = move |(count, reason, message): (u64, &str, &str)| Receipt {
            stream: Some(stream.to_owned()),
            reason: reason.to_owned(),
            count,
            message: Some(message.to_owned()),
        };
        all.into_iter().filter(|(count, ..)| *count > 0).map(receipt)
    }
}

/// A record as it came in.
struct Arrival<'a> {
    line: &'a [u8],
    stream: &'a str,
    came: Came<'a>,
    prune: Vec<protocol::Prune>,
}

/// A record that was read and has a place.
#[derive(Debug)]
struct Admission {
    plan: Arc<StreamPlan>,
    reading: Reading,
    /// What it says of the children of other streams.
    prunes: Vec<(Arc<StreamPlan>, Prune)>,
    echo: Option<Vec<u8>>,
}

impl Intake {
    /// Prepares a destination and what it will be given.
    pub(crate) async fn begin<D: Destination>(
        destination: &mut D,
        mut plans: Vec<StreamPlan>,
    ) -> Result<Self, Error> {
        let unwritable = destination.begin(&plans).await?;
        for plan in &mut plans {
            *plan = plan.clone().with_shape(destination.shape(plan));
        }
        let mut intake = Self::new(plans, destination.limits(), destination.echoes_records());
        intake.settle(0, Written::new(), unwritable);
        Ok(intake)
    }

    fn new(plans: Vec<StreamPlan>, limits: BatchLimits, echoes: bool) -> Self {
        Self {
            plans: plans.into_iter().map(|p| (p.name().to_owned(), Arc::new(p))).collect(),
            limits,
            echoes,
            batch: Batch::default(),
            refused: Written::new(),
            written: Written::new(),
            told: 0,
            dropped: BTreeMap::new(),
            changed: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            complete: BTreeSet::new(),
            held: None,
            ledger: Ledger::default(),
            reader: RecordReader::default(),
            beside: (0, 0),
        }
    }

    pub(crate) const fn has_room(&self) -> bool {
        self.held.is_none()
            && !self.batch.is_full(&self.limits)
            && self.batch.has_room_beside(self.beside, &self.limits)
            && self.ledger.queued_bytes() < self.limits.bytes
    }

    /// Says how much room batches take that wait behind the one being loaded.
    pub(crate) const fn leave_room(&mut self, beside: (usize, usize)) {
        self.beside = beside;
    }

    pub(crate) fn holds_rows(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Whether there is anything that could be loaded or released.
    pub(crate) fn is_idle(&self) -> bool {
        self.batch.is_empty() && self.ledger.queued_bytes() == 0
    }

    /// Whether nothing that came waits for more to come.
    pub(crate) fn is_rounded_off(&self) -> bool {
        !self.holds_rows() || self.ledger.is_rounded_off()
    }

    /// Whether a stream is in the catalog.
    pub(crate) fn knows(&self, stream: &str) -> bool {
        self.plans.contains_key(stream)
    }

    /// Streams that are done.
    pub(crate) const fn complete(&self) -> &BTreeSet<String> {
        &self.complete
    }

    /// Whether a stream has failed here.
    pub(crate) fn has_failed(&self, stream: &str) -> bool {
        self.ledger.has_failed(stream)
    }

    pub(crate) const fn flush_ms(&self) -> u64 {
        self.limits.flush_ms
    }

    /// Takes in one line.
    pub(crate) fn accept(&mut self, raw: &[u8], number: u64) -> Result<(), Error> {
        let mut reader = std::mem::take(&mut self.reader);
        let record = reader.read(raw).map(|record| self.usual_record(raw, record));
        self.reader = reader;
        if record.is_some() {
            return Ok(());
        }
        self.accept_any(raw).map_err(|error| {
            let head = protocol::excerpt(raw);
            Error::data(format!("reading line {number} of stdin: `{head}`")).caused_by(error)
        })
    }

    fn usual_record(&mut self, line: &[u8], record: RecordLine<'_>) {
        let (data, is_suspicious) = (record.data, record.has_unicode_escape);
        let came = Came { data, origin: record.origin, is_suspicious };
        let known = record.members();
        self.record(Arrival { line, stream: record.stream, came, prune: record.prune }, known);
    }

    fn accept_any(&mut self, raw: &[u8]) -> Result<(), DecodeError> {
        let line = Line::parse(raw)?;
        match line.kind {
            Kind::Record => {
                let record = line.record()?;
                let data = record.data.get();
                let came = Came { data, origin: record.origin, is_suspicious: true };
                let (stream, prune) = (&*record.stream, record.prune);
                self.record(Arrival { line: raw, stream, came, prune }, members(data));
            }
            Kind::SourceState => {
                let waiting = match line.state()?.scope {
                    StateScope::Stream(stream) => Waiting::State(stream),
                    StateScope::Global => Waiting::GlobalState,
                };
                self.ledger.pass(waiting, raw.to_vec());
            }
            Kind::StreamStatus => self.ledger.pass(waiting_status(line.message()?), raw.to_vec()),
            Kind::ConnectionStatus
            | Kind::Control
            | Kind::Log
            | Kind::Spec
            | Kind::Catalog
            | Kind::Progress
            | Kind::Eof
            | Kind::SourceInput
            | Kind::Unknown => self.ledger.pass(Waiting::Other, raw.to_vec()),
        }
        Ok(())
    }

    fn record<'a>(&mut self, arrival: Arrival<'a>, known: impl Iterator<Item = Member<'a>>) {
        let Arrival { line, stream, came, prune } = arrival;
        if self.ledger.has_failed(stream) {
            self.ledger.record();
            return self.drop_one(stream);
        }
        let Some(plan) = self.plans.get(stream).map(Arc::clone) else {
            self.ledger.record();
            return self.unknown_stream(stream);
        };
        let echo = self.echoes.then(|| line.to_vec());
        match read(&plan, came, known) {
            Ok(reading) => {
                let prunes = self.prunes(&prune, came, reading.row.version.stamp);
                self.admit_or_hold(Admission { plan, reading, prunes, echo });
            }
            Err(refusal) => self.refuse(&plan, came.data, &refusal, echo),
        }
    }

    /// What a record says of children whose stream is written here.
    fn prunes(
        &self,
        prune: &[protocol::Prune],
        came: Came<'_>,
        stamp: i64,
    ) -> Vec<(Arc<StreamPlan>, Prune)> {
        let ours = prune.iter().filter_map(|prune| {
            let child = self.plans.get(&prune.stream)?;
            let prune = Prune::of(prune, child, came, stamp)?;
            (!self.ledger.has_failed(child.name())).then(|| (Arc::clone(child), prune))
        });
        ours.collect()
    }

    fn admit_or_hold(&mut self, admission: Admission) {
        let Admission { plan, reading: Reading { key, row, .. }, .. } = &admission;
        if self.batch.must_be_loaded_before(plan.name(), key, row) {
            self.held = Some(admission);
        } else {
            self.admit(admission);
        }
    }

    fn admit(&mut self, admission: Admission) {
        let Admission { plan, reading, prunes, echo } = admission;
        self.ledger.record();
        self.note_changes(&plan, &reading);
        self.batch.push(&plan, reading.key, reading.row);
        for (child, prune) in prunes {
            self.batch.prune(&child, prune);
        }
        self.echo(echo);
    }

    fn echo(&mut self, echo: Option<Vec<u8>>) {
        if let Some(line) = echo {
            self.ledger.pass(Waiting::Other, line);
        }
    }

    /// Counts what was changed about a document; the first of a stream is told at once.
    fn note_changes(&mut self, plan: &StreamPlan, Reading { key, unfit, replaced, .. }: &Reading) {
        if unfit.saturating_add(*replaced) == 0 {
            return;
        }
        let stream = plan.name();
        let changed = self.changed.entry(stream.to_owned()).or_default();
        let is_first_unfit = changed.unfit == 0 && *unfit > 0;
        let is_first_replaced = changed.replaced == 0 && *replaced > 0;
        changed.unfit = changed.unfit.saturating_add(*unfit);
        changed.replaced = changed.replaced.saturating_add(*replaced);
        let told = format!("record {key:?} of stream `{stream}`");
        if is_first_unfit {
            let text = format!("{told}: a value that does not fit its column is kept in `_unfit`");
            self.tell(Message::Log(Log::new(Level::Warn, text)));
        }
        if is_first_replaced {
            let text = format!("{told}: NUL or half a character became U+FFFD");
            self.tell(Message::Log(Log::new(Level::Warn, text)));
        }
    }

    /// Passes a receipt on; people hear of the first of its kind at once, of all in the summary.
    fn acknowledge(&mut self, receipt: Receipt) {
        let kind = (receipt.stream.clone(), receipt.reason.clone());
        let level = if self.acknowledged.insert(kind) { Level::Warn } else { Level::Debug };
        let text = receipt.message.clone().unwrap_or_else(|| receipt.reason.clone());
        let place =
            receipt.stream.as_ref().map(|name| format!("stream `{name}`: ")).unwrap_or_default();
        let log = Log::new(level, format!("{place}{} {text}", receipt.count));
        self.tell(Message::Log(Log { receipts: vec![receipt], ..log }));
    }

    fn drop_one(&mut self, stream: &str) {
        let dropped = self.dropped.entry(stream.to_owned()).or_default();
        *dropped = dropped.saturating_add(1);
    }

    /// Records of a stream outside the catalog have no place: it fails, as any other stream would.
    fn unknown_stream(&mut self, stream: &str) {
        let error =
            Error::config(format!("writing stream `{stream}`, which is not in the catalog"))
                .hint("add it to --catalog");
        self.fail(stream, &error);
        self.drop_one(stream);
    }

    fn refuse(
        &mut self,
        plan: &Arc<StreamPlan>,
        data: &str,
        refusal: &Refusal,
        echo: Option<Vec<u8>>,
    ) {
        self.ledger.record();
        let counts = self.refused.entry(plan.name().to_owned()).or_default();
        counts.refused = counts.refused.saturating_add(1);
        self.tell_refusal(refusal.to_string());
        let record = data.to_owned();
        let refused = Refused { key: refusal.key(), error: refusal.to_string(), record };
        self.batch.refuse(plan, refused);
        self.echo(echo);
    }

    fn tell_refusal(&mut self, refusal: String) {
        self.told = self.told.saturating_add(1);
        if self.told <= REFUSALS_TOLD {
            self.tell(Message::Log(Log::new(Level::Error, refusal)));
        } else if self.told == REFUSALS_TOLD.saturating_add(1) {
            let text =
                "further records that cannot be stored are counted only; the dead letters say why";
            self.tell(Message::Log(Log::new(Level::Warn, text)));
        }
    }

    fn tell(&mut self, message: Message) {
        let mut line = Vec::new();
        message.encode(&mut line);
        line.pop();
        self.ledger.pass(Waiting::Other, line);
    }

    /// Marks a stream as failed and says so.
    pub(crate) fn fail(&mut self, stream: &str, error: &Error) {
        if self.ledger.has_failed(stream) {
            return;
        }
        self.ledger.fail(stream);
        self.tell(Message::StreamStatus(protocol::StreamStatus {
            stream: stream.to_owned(),
            kind: StreamStatusKind::Error { error: error.report() },
            class: Some(error.class()),
        }));
    }

    /// Takes out everything that came in since the last time, and lets in who waited for it.
    pub(crate) fn take(&mut self) -> Filled {
        let filled = Filled {
            batch: std::mem::take(&mut self.batch),
            position: self.ledger.position(),
            refused: std::mem::take(&mut self.refused),
        };
        if let Some(admission) = self.held.take() {
            self.admit(admission);
        }
        filled
    }

    /// Every record up to `position` is durable, refused, or of a stream that has failed.
    pub(crate) fn settle(&mut self, position: u64, refused: Written, loaded: Loaded) {
        for refusal in loaded.refusals {
            self.tell_refusal(refusal);
        }
        for receipt in loaded.receipts {
            self.acknowledge(receipt);
        }
        for (stream, result) in loaded.streams {
            match result {
                Ok(counts) => self.written.entry(stream).or_default().add(&counts),
                Err(error) => self.fail(&stream, &error),
            }
        }
        for (stream, counts) in refused {
            self.written.entry(stream).or_default().add(&counts);
        }
        self.ledger.settle(position);
    }

    /// Writes every line that may leave.
    pub(crate) async fn release(&mut self, out: &mut Emitter) -> Result<(), Error> {
        while let Some((waiting, line)) = self.ledger.release() {
            match waiting {
                Waiting::State(_) | Waiting::GlobalState if !self.written.is_empty() => {
                    out.line(&with_written(&line, &self.written)).await?;
                    self.written.clear();
                }
                Waiting::Complete(stream) => {
                    out.line(&line).await?;
                    self.complete.insert(stream);
                }
                Waiting::State(_) | Waiting::GlobalState | Waiting::Other => {
                    out.line(&line).await?;
                }
            }
        }
        out.flush().await
    }

    /// Tells what no state has carried, what was dropped, and what was changed.
    pub(crate) async fn finish(&mut self, out: &mut Emitter) -> Result<(), Error> {
        for (stream, changed) in std::mem::take(&mut self.changed) {
            for receipt in changed.receipts(&stream) {
                let told = receipt.message.clone().unwrap_or_default();
                let text = format!("stream `{stream}`: {} {told}", receipt.count);
                out.tell(Log { receipts: vec![receipt], ..Log::new(Level::Warn, text) }).await?;
            }
        }
        for (stream, count) in std::mem::take(&mut self.dropped) {
            let text = format!("stream `{stream}` failed: {count} later records were not written");
            out.log(Level::Warn, text).await?;
        }
        if !self.written.is_empty() {
            out.written(std::mem::take(&mut self.written)).await?;
        }
        out.flush().await
    }
}

fn waiting_status(message: Message) -> Waiting {
    match message {
        Message::StreamStatus(status) if status.kind == StreamStatusKind::Complete => {
            Waiting::Complete(status.stream)
        }
        Message::StreamStatus(_)
        | Message::Spec(_)
        | Message::ConnectionStatus(_)
        | Message::Catalog(_)
        | Message::SourceState(_)
        | Message::Control(_)
        | Message::Log(_)
        | Message::Progress(_)
        | Message::Eof(_) => Waiting::Other,
    }
}

/// The state line with the counts in its envelope.
fn with_written(line: &[u8], written: &Written) -> Vec<u8> {
    let body = line.trim_ascii_end();
    let body = body.strip_suffix(b"}").unwrap_or(body);
    let mut out = body.to_vec();
    out.extend_from_slice(b",\"_written\":");
    match serde_json::to_vec(written) {
        Ok(counts) => out.extend_from_slice(&counts),
        Err(error) => tracing::error!("counts are no JSON: {error}"),
    }
    out.push(b'}');
    out
}
