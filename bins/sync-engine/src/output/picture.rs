//! What the live view shows, as lines of text; pure.

use std::collections::BTreeMap;

use engine::Opening;
use protocol::{Progress, Range, StreamProgress, StreamRunStatus, Timestamp};

use super::eta::Eta;
use super::fresh;
use crate::table::{count, duration};

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// A line and how wide it is, colours aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) width: usize,
}

/// Keeps what two drawings need to be compared.
#[derive(Debug)]
pub(super) struct Picture {
    colour: bool,
    /// By stream: its records at a moment, and records a second up to then.
    rates: BTreeMap<String, (u64, u64)>,
    measured: Option<Timestamp>,
    eta: Eta,
    /// The last thing that was said, and how often rates were measured since.
    note: (String, u32),
    /// Whether streams that are done go on with what changes.
    follow: bool,
    now: Timestamp,
}

/// How long a word stays: what is said is of the moment.
const NOTE_SECONDS: u32 = 15;
/// Widest name and bar; what is left is for numbers.
const NAME: usize = 32;
const BAR: usize = 40;

impl Picture {
    pub(super) fn new(colour: bool) -> Self {
        let (rates, measured, eta) = (BTreeMap::new(), None, Eta::default());
        let (note, follow, now) = ((String::new(), 0), false, Timestamp::EPOCH);
        Self { colour, rates, measured, eta, note, follow, now }
    }

    /// Takes in what is about to happen.
    pub(super) fn open(&mut self, opening: &Opening) {
        self.eta.set_limited(opening.is_limited);
        self.follow = opening.follow;
    }

    /// The last thing that was said and need not stay.
    pub(super) fn note(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        self.note = (protocol::secret::mask(line), 0);
    }

    /// Measures rates, once a second.
    pub(super) fn measure(&mut self, progress: &Progress, now: Timestamp) {
        self.eta.measure(progress, now);
        self.now = now;
        let since =
            self.measured.map_or(i64::MAX, |then| now.millis().saturating_sub(then.millis()));
        let Ok(millis @ 1000..) = u64::try_from(since) else { return };
        self.note.1 = self.note.1.saturating_add(1);
        let rates = std::mem::take(&mut self.rates);
        for (name, stream) in &progress.streams {
            let before = rates.get(name).map_or(0, |(before, _)| *before);
            let came = stream.record_count.saturating_sub(before).saturating_mul(1000);
            let rate = came.checked_div(millis).unwrap_or_default();
            self.rates.insert(name.clone(), (stream.record_count, rate));
        }
        self.measured = Some(now);
    }

    /// A line for each stream at work, as many as fit, and how all stand.
    pub(super) fn lines(&self, progress: &Progress, size: Size) -> Vec<Line> {
        let columns = size.columns.saturating_sub(1);
        let room = size.rows.saturating_sub(5).max(1);
        let at_work =
            |(_, stream): &(&String, &StreamProgress)| stream.status == StreamRunStatus::Started;
        let streams: Vec<_> = progress.streams.iter().filter(at_work).collect();
        let name = streams.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(NAME);
        let mut lines: Vec<Line> = streams
            .iter()
            .take(room)
            .map(|(stream, of)| self.stream(stream, of, (name, columns)))
            .collect();
        if let Some(more @ 1..) = streams.len().checked_sub(room) {
            lines.push(plain(&format!("… and {more} more at work"), columns));
        }
        if self.follow {
            let fresh = fresh::lines(progress, self.now, room.saturating_sub(streams.len()));
            lines.extend(fresh.iter().map(|line| plain(line, columns)));
        }
        let left = self.eta.left().map(|left| format!(" · {left}")).unwrap_or_default();
        lines.push(plain(&format!("{}{left}", standing(progress, self.follow)), columns));
        let (note, age) = &self.note;
        if !note.is_empty() && *age < NOTE_SECONDS {
            lines.push(plain(note, columns));
        }
        lines
    }

    fn stream(&self, name: &str, stream: &StreamProgress, widths: (usize, usize)) -> Line {
        let (name_width, columns) = widths;
        let rate = self.rates.get(name).map_or(0, |(_, rate)| *rate);
        let name: String = name.chars().take(name_width).collect();
        let numbers =
            format!("{:>12} {:>9}", count(stream.record_count), format!("{}/s", count(rate)));
        let taken = name_width + numbers.chars().count() + 4;
        let cells = columns.saturating_sub(taken).min(BAR);
        let bar = bar(stream, cells);
        let text = format!("{name:<name_width$}  {bar}  {numbers}");
        let mut line = plain(&text, columns);
        if self.colour && cells > 0 {
            line.text = line.text.replace(&bar, &format!("\x1b[36m{bar}\x1b[0m"));
        }
        line
    }
}

/// The stream's span of time, filled where it was read.
fn bar(stream: &StreamProgress, cells: usize) -> String {
    let Some(total) = stream.total_range.filter(|total| total.gte < total.lt) else {
        return " ".repeat(cells);
    };
    let done = stream.completed_ranges.as_deref().unwrap_or_default();
    (0..cells).map(|cell| if is_read(total, done, (cell, cells)) { '█' } else { '░' }).collect()
}

/// Whether the middle of a cell was read.
fn is_read(total: Range, done: &[Range], (cell, cells): (usize, usize)) -> bool {
    let span = total.lt.millis().saturating_sub(total.gte.millis());
    let part = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let halves = part(cell).saturating_mul(2).saturating_add(1);
    let twice = part(cells).saturating_mul(2).max(1);
    let offset = span.checked_div(twice).unwrap_or_default().saturating_mul(halves);
    let middle = Timestamp::from_millis(total.gte.millis().saturating_add(offset));
    done.iter().any(|range| range.gte <= middle && middle < range.lt)
}

fn standing(progress: &Progress, follow: bool) -> String {
    let number = |status: StreamRunStatus| {
        progress.streams.values().filter(|stream| stream.status == status).count()
    };
    let parts = [
        (number(StreamRunStatus::Completed), if follow { "live" } else { "done" }),
        (number(StreamRunStatus::Started), "at work"),
        (number(StreamRunStatus::NotStarted), "queued"),
        (number(StreamRunStatus::Skipped), "left out"),
        (number(StreamRunStatus::Errored), "failed"),
    ];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    let streams: Vec<String> = parts.map(|(number, what)| format!("{number} {what}")).collect();
    format!(
        "{} · {} records, {:.0}/s · {}",
        streams.join(", "),
        count(progress.derived.total_record_count),
        progress.derived.records_per_second,
        duration(progress.elapsed_ms),
    )
}

/// A line that fits.
fn plain(text: &str, columns: usize) -> Line {
    let safe = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = safe.take(columns).collect();
    let width = text.chars().count();
    Line { text, width }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn stream(status: StreamRunStatus, records: u64) -> StreamProgress {
        StreamProgress {
            status,
            record_count: records,
            total_range: Some(Range { gte: at(0), lt: at(100) }),
            completed_ranges: Some(vec![
                Range { gte: at(0), lt: at(25) },
                Range { gte: at(75), lt: at(100) },
            ]),
            ..StreamProgress::default()
        }
    }

    fn progress(at_work: usize) -> Progress {
        let mut progress = Progress::default();
        for number in 0..at_work {
            let name = format!("stream_{number:02}");
            progress.streams.insert(name, stream(StreamRunStatus::Started, 1500));
        }
        progress.streams.insert("z".to_owned(), stream(StreamRunStatus::Completed, 7));
        progress
    }

    #[test]
    fn a_bar_is_filled_where_the_stream_was_read() {
        assert_eq!(bar(&stream(StreamRunStatus::Started, 0), 8), "██░░░░██");
        assert_eq!(bar(&StreamProgress::default(), 3), "   ");
    }

    #[test]
    fn lines_fit_the_terminal_whatever_its_size_and_the_number_of_streams() {
        for (columns, rows) in [(80, 24), (200, 50), (30, 8), (1, 1)] {
            let size = Size { columns, rows };
            let lines = Picture::new(true).lines(&progress(60), size);
            assert!(lines.iter().all(|line| line.width < columns.max(2)), "{columns}");
            assert!(lines.len() <= rows.max(4), "{rows}: {}", lines.len());
        }
    }

    #[test]
    fn a_stream_whose_name_does_not_fit_has_its_rate_all_the_same() {
        let name = "a_name_of_a_stream_that_is_too_long_to_show";
        let mut picture = Picture::new(false);
        let mut progress = Progress::default();
        for (moment, records) in [(0, 1000), (1, 1500)] {
            progress.streams.insert(name.to_owned(), stream(StreamRunStatus::Started, records));
            picture.measure(&progress, at(moment));
        }
        let lines = picture.lines(&progress, Size { columns: 120, rows: 24 });
        assert!(lines[0].text.ends_with("1,500     500/s"), "{}", lines[0].text);
        assert!(
            lines[0].text.starts_with("a_name_of_a_stream_that_is_too_l  "),
            "{}",
            lines[0].text
        );
    }

    #[test]
    fn streams_that_are_followed_say_how_fresh_they_are() {
        let mut picture = Picture { follow: true, ..Picture::new(false) };
        let mut now = progress(1);
        now.streams.get_mut("z").unwrap().changed_at = Some(at(7));
        picture.measure(&now, at(10));
        let lines = picture.lines(&now, Size { columns: 60, rows: 24 });
        assert_eq!(lines[1].text, "z             7  changed 3.0 s ago");
        assert!(lines[2].text.starts_with("1 live, 1 at work"), "{}", lines[2].text);
        let small = picture.lines(&now, Size { columns: 60, rows: 6 });
        assert_eq!(small.len(), 2, "streams at work come first");
    }

    #[test]
    fn streams_at_work_and_how_all_stand() {
        let mut picture = Picture::new(false);
        picture.measure(&progress(1), at(0));
        let mut later = progress(1);
        later.streams.get_mut("stream_00").unwrap().record_count = 3500;
        picture.measure(&later, at(2));
        picture.note("waiting 2 s:\x1b[2J rate limit");
        let lines = picture.lines(&later, Size { columns: 60, rows: 24 });
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts[0], "stream_00  ██████░░░░░░░░░░░░██████         3,500   1,000/s");
        assert_eq!(texts[1], "1 done, 1 at work · 0 records, 0/s · 0.0 s");
        assert_eq!(texts[2], "waiting 2 s: [2J rate limit");
    }
}
