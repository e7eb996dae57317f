//! How long a run may still take: said only once it can be, and only as long as it is steady. Pure.
//!
//! Ranges that were read are parts of time, not of records: that the rest holds as many records a
//! day as what was read is a guess, so what is said is "about".

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use protocol::{Progress, Range, StreamProgress, Timestamp};

/// Milliseconds between two estimates, and of a run before the first.
const EVERY: i64 = 1_000;
const FIRST_AFTER: u64 = 10_000;
/// Estimates that have to agree.
const AGREEING: usize = 8;
/// Milliseconds over which the rate of records is measured.
const WINDOW: i64 = 60_000;
/// The least part of a stream's time that has to be read in this call.
const LEAST_PART: f64 = 0.03;

/// Estimates, and what they are made from.
#[derive(Debug, Default)]
pub(super) struct Eta {
    /// Whether a limit may end the run before its time is read.
    is_limited: bool,
    /// By stream: its records, and the part of its time that was read, when the first were seen.
    began: BTreeMap<String, (u64, f64)>,
    /// Moments and the records until then.
    records: VecDeque<(i64, u64)>,
    /// The latest estimates of the moment of the end, the last one first.
    ends: VecDeque<i64>,
    measured: Option<i64>,
}

impl Eta {
    /// Says nothing about a run that ends when it has enough.
    pub(super) fn set_limited(&mut self, is_limited: bool) {
        self.is_limited = is_limited;
    }

    /// Takes in where the run stands, once a second.
    pub(super) fn measure(&mut self, progress: &Progress, now: Timestamp) {
        let now = now.millis();
        if self.measured.is_some_and(|then| now.saturating_sub(then) < EVERY) {
            return;
        }
        self.measured = Some(now);
        for (name, stream) in &progress.streams {
            let part = part_read(stream).unwrap_or_default();
            // What lies above the first objects is empty, and says nothing of the rest.
            let has_begun = part > 0.0 && stream.record_count > 0;
            if has_begun && !self.began.contains_key(name) {
                self.began.insert(name.clone(), (stream.record_count, part));
            }
        }
        self.records.push_back((now, progress.derived.total_record_count));
        while self.records.front().is_some_and(|(at, _)| now.saturating_sub(*at) > WINDOW) {
            self.records.pop_front();
        }
        let left =
            if progress.elapsed_ms < FIRST_AFTER { None } else { self.millis_left(progress) };
        match left {
            Some(left) => self.ends.push_front(now.saturating_add(left)),
            None => self.ends.clear(),
        }
        self.ends.truncate(AGREEING);
    }

    /// What is left in words, if enough estimates agree.
    pub(super) fn left(&self) -> Option<String> {
        let now = self.measured?;
        let (least, most) = (*self.ends.iter().min()?, *self.ends.iter().max()?);
        let left = self.ends.front()?.saturating_sub(now).max(0);
        let is_steady = most.saturating_sub(least) <= (left / 3).max(5_000);
        (self.ends.len() == AGREEING && is_steady).then(|| words(left))
    }

    /// Milliseconds until everything is read at the rate of the last minute; `None` while one stream
    /// is not known well enough.
    fn millis_left(&self, progress: &Progress) -> Option<i64> {
        if self.is_limited {
            return None;
        }
        let open = progress.streams.iter().filter(|(_, stream)| !stream.status.is_terminal());
        let mut left = 0.0;
        for (name, stream) in open {
            left += self.records_left(name, stream)?;
        }
        let ((first, before), (last, after)) = (self.records.front()?, self.records.back()?);
        let span = as_f64(u64::try_from(last.saturating_sub(*first)).ok()?);
        let came = as_f64(after.saturating_sub(*before));
        let millis = (came > 0.0).then(|| left * span / came)?;
        let left = Duration::try_from_secs_f64(millis / 1000.0).ok()?;
        i64::try_from(left.as_millis()).ok()
    }

    fn records_left(&self, name: &str, stream: &StreamProgress) -> Option<f64> {
        let part = part_read(stream)?;
        let (records, before) = self.began.get(name)?;
        let read = part - before;
        let records = as_f64(stream.record_count.saturating_sub(*records));
        (read >= LEAST_PART).then(|| records * (1.0 - part).max(0.0) / read)
    }
}

/// The part of a stream's time that was read, 0 to 1.
fn part_read(stream: &StreamProgress) -> Option<f64> {
    let total = stream.total_range?;
    let whole = seconds(total);
    let done = stream.completed_ranges.as_deref().unwrap_or_default();
    let within = |range: &Range| {
        seconds(Range { gte: range.gte.max(total.gte), lt: range.lt.min(total.lt) })
    };
    (whole > 0.0).then(|| done.iter().map(within).sum::<f64>() / whole)
}

/// Its length; none when it ends before it begins.
fn seconds(range: Range) -> f64 {
    let span = range.lt.seconds_floor().saturating_sub(range.gte.seconds_floor());
    as_f64(u64::try_from(span).unwrap_or_default())
}

/// Exact below 2^32, which an estimate never needs to exceed.
fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Coarser the longer it is.
fn words(millis: i64) -> String {
    let minutes = millis.saturating_add(30_000) / 60_000;
    match minutes {
        0 => "less than a minute left".to_owned(),
        1..10 => format!("about {minutes} min left"),
        10..100 => format!("about {} min left", minutes.saturating_add(2) / 5 * 5),
        _ => format!("about {} h left", minutes.saturating_add(30) / 60),
    }
}

#[cfg(test)]
#[path = "eta_tests.rs"]
mod tests;
