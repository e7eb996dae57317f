//! Lines for people: one a stream's beginning and end, one every ten seconds.

use engine::{Opening, Shown};
use protocol::{
    Level, Message, Progress, StreamProgress, StreamStatus, StreamStatusKind, Timestamp,
};

use super::eta::Eta;
use crate::table::{count, duration};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Volume {
    /// Only what goes wrong.
    Quiet,
    /// What happens.
    Usual,
    /// What connectors say too.
    Verbose,
    /// Everything.
    Everything,
}

impl Volume {
    /// By the flags `-q` and `-v`.
    pub(crate) const fn of(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, 0) => Self::Usual,
            (false, 1) => Self::Verbose,
            (false, _) => Self::Everything,
        }
    }
}

/// How often totals are shown, in milliseconds; a little less, as what brings them is not exact.
const EVERY: i64 = 9_500;

/// Writes lines to stderr.
#[derive(Debug)]
pub(crate) struct Plain {
    volume: Volume,
    /// Streams that are done, until the progress that counts their records comes.
    done: Vec<String>,
    last_totals: Option<Timestamp>,
    /// Records at the last totals of a run that follows: where nothing came, nothing is said.
    followed: Option<u64>,
    eta: Eta,
    /// What a connector said since the last totals that need not be a line of its own.
    note: Option<String>,
}

impl Plain {
    pub(crate) fn new(volume: Volume) -> Self {
        let (last_totals, followed, note) = (None, None, None);
        Self { volume, done: Vec::new(), last_totals, followed, eta: Eta::default(), note }
    }

    pub(super) fn open(&mut self, opening: &Opening) {
        self.followed = opening.follow.then_some(0);
        self.eta.set_limited(opening.is_limited);
        if self.volume >= Volume::Usual {
            crate::say(&opening_line(opening));
        }
        if self.volume >= Volume::Verbose {
            crate::say(&format!("pipeline {}, state in {}", opening.pipeline, opening.store));
        }
    }

    pub(super) fn show(&mut self, shown: &Shown<'_>) {
        let Some(message) = shown.message else { return };
        match message {
            Message::StreamStatus(status) => self.status(status),
            Message::Log(log) if self.is_heard(log.level) => {
                let level = match log.level {
                    Level::Error => "error: ",
                    Level::Warn => "warning: ",
                    Level::Info | Level::Debug => "",
                };
                let line = format!("{level}{}: {}", shown.emitted_by, log.message);
                crate::say(&protocol::secret::mask(&line));
            }
            Message::Log(log) if log.level == Level::Info => {
                let line = log.message.lines().next().unwrap_or_default();
                self.note = Some(format!("{}: {line}", shown.emitted_by));
            }
            Message::Progress(progress) => {
                self.eta.measure(progress, shown.ts);
                self.done(progress);
                self.totals(progress, shown.ts);
            }
            Message::Eof(eof) => self.done(&eof.run_progress),
            Message::Log(_)
            | Message::Spec(_)
            | Message::ConnectionStatus(_)
            | Message::Catalog(_)
            | Message::SourceState(_)
            | Message::Control(_) => {}
        }
    }

    fn is_heard(&self, level: Level) -> bool {
        match level {
            Level::Error | Level::Warn => true,
            Level::Info => self.volume >= Volume::Verbose,
            Level::Debug => self.volume >= Volume::Everything,
        }
    }

    fn status(&mut self, status: &StreamStatus) {
        let line = match &status.kind {
            StreamStatusKind::Start { .. } => "started".to_owned(),
            StreamStatusKind::RangeComplete { .. } => return,
            StreamStatusKind::Complete => return self.done.push(status.stream.clone()),
            StreamStatusKind::Error { error } => format!("failed: {error}"),
            StreamStatusKind::Skip { reason } => format!("skipped: {reason}"),
        };
        let failed = matches!(status.kind, StreamStatusKind::Error { .. });
        if failed || self.volume >= Volume::Usual {
            crate::say(&protocol::secret::mask(&format!("{}: {line}", status.stream)));
        }
    }

    fn done(&mut self, progress: &Progress) {
        for stream in std::mem::take(&mut self.done) {
            let records = progress.streams.get(&stream).map(counts).unwrap_or_default();
            if self.volume >= Volume::Usual {
                crate::say(&format!("{stream}: done, {records}"));
            }
        }
    }

    fn totals(&mut self, progress: &Progress, ts: Timestamp) {
        let since = self.last_totals.get_or_insert(ts);
        if ts.millis().saturating_sub(since.millis()) < EVERY || self.volume < Volume::Usual {
            return;
        }
        let records = progress.derived.total_record_count;
        if self.followed.is_some_and(|before| before == records) {
            return;
        }
        self.followed = self.followed.map(|_| records);
        self.last_totals = Some(ts);
        let streams = progress.streams.values();
        let ended = streams.filter(|stream| stream.status.is_terminal()).count();
        let left = self.eta.left().map(|left| format!(", {left}")).unwrap_or_default();
        let note = self.note.take().map(|note| format!("; {note}")).unwrap_or_default();
        let line = format!(
            "{} records, {:.0}/s, {ended} of {} streams ended, {}{left}{note}",
            count(progress.derived.total_record_count),
            progress.derived.records_per_second,
            progress.streams.len(),
            duration(progress.elapsed_ms),
        );
        crate::say(&protocol::secret::mask(&line));
    }
}

/// What goes where.
pub(crate) fn opening_line(opening: &Opening) -> String {
    let account = opening.account.id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
    let mode = match opening.account.live {
        Some(true) => " (live data)",
        Some(false) => " (test data)",
        None => "",
    };
    let resumed = match opening.resumed_count {
        0 => String::new(),
        resumed => format!(", {resumed} go on from where they were"),
    };
    let follow = if opening.follow { ", followed until it is stopped" } else { "" };
    format!(
        "{}{account}{mode} -> {}: {} streams{resumed}{follow}",
        opening.source, opening.destination, opening.stream_count
    )
}

/// What became of a stream's records, in words; what did not happen is not said.
pub(super) fn counts(stream: &StreamProgress) -> String {
    let parts = [
        (stream.created_count, "new"),
        (stream.updated_count, "changed"),
        (stream.deleted_count, "deleted"),
        (stream.unchanged_count, "unchanged"),
        (stream.stale_count, "older than what was there"),
        (stream.superseded_count, "replaced by a newer one at once"),
        (stream.refused_count, "refused"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(number)))
        .collect();
    let records = count(stream.record_count);
    let noun = if stream.record_count == 1 { "record" } else { "records" };
    if parts.is_empty() {
        format!("{records} {noun}")
    } else {
        format!("{records} {noun} ({})", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use engine::pipeline::Account;

    use super::*;

    #[test]
    fn the_first_line_names_what_goes_where() {
        let opening = Opening {
            pipeline: "p".to_owned(),
            source: "stripe".to_owned(),
            account: Account { id: Some("acct_1".to_owned()), live: Some(false) },
            destination: "Postgres database `shop` at db:5432, schema `stripe`".to_owned(),
            store: "s".to_owned(),
            stream_count: 41,
            resumed_count: 3,
            follow: false,
            is_limited: false,
        };
        assert_eq!(
            opening_line(&opening),
            "stripe acct_1 (test data) -> Postgres database `shop` at db:5432, schema `stripe`: \
             41 streams, 3 go on from where they were"
        );
        let live = Opening { follow: true, resumed_count: 0, ..opening };
        assert!(opening_line(&live).ends_with(": 41 streams, followed until it is stopped"));
    }

    #[test]
    fn counts_say_what_happened_only() {
        let stream = StreamProgress {
            record_count: 1203,
            created_count: 1200,
            unchanged_count: 3,
            ..StreamProgress::default()
        };
        assert_eq!(counts(&stream), "1,203 records (1,200 new, 3 unchanged)");
        assert_eq!(counts(&StreamProgress::default()), "0 records");
    }
}
