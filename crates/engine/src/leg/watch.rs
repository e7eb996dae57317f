//! Who owes an answer and does nothing; pure but for the clock that is handed in.

use std::time::Duration;

use tokio::time::Instant;

/// What can be seen of a pair from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Pieces that came from the source.
    pub(super) taken: u64,
    /// Pieces that the destination took.
    pub(super) given: u64,
    /// States among them.
    pub(super) states: u64,
    /// Whether the destination has a piece before it that it does not take.
    pub(super) waiting: bool,
    /// Whether the source has ended, and the destination was told.
    pub(super) ended: bool,
    /// Lines that the destination wrote.
    pub(super) lines: u64,
}

/// The side that does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stalled {
    /// It sends nothing, though nobody keeps it waiting.
    Source,
    /// It takes no input, confirms no state or does not end.
    Destination,
}

/// Watches for silence.
#[derive(Debug)]
pub(super) struct Watch {
    patience: Duration,
    seen: Seen,
    /// When something happened last.
    since: Instant,
    /// States given when the destination said something last.
    answered: u64,
    looked: Instant,
}

impl Watch {
    pub(super) const fn new(patience: Duration, now: Instant, seen: Seen) -> Self {
        Self { patience, seen, since: now, answered: 0, looked: now }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.looked + self.patience / 4
    }

    /// Who does nothing for too long, if anybody; said once for each silence.
    pub(super) fn look(&mut self, seen: Seen, now: Instant) -> Option<Stalled> {
        self.looked = now;
        if seen != self.seen {
            if seen.lines != self.seen.lines {
                self.answered = seen.states;
            }
            self.seen = seen;
            self.since = now;
            return None;
        }
        if now.saturating_duration_since(self.since) < self.patience {
            return None;
        }
        self.since = now;
        let owes = seen.waiting || seen.ended || seen.states > self.answered;
        Some(if owes { Stalled::Destination } else { Stalled::Source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(300);

    /// What is said of a pair that stays as it is from the start.
    fn of(seen: Seen) -> Option<Stalled> {
        let start = Instant::now();
        let mut watch = Watch::new(PATIENCE, start, Seen::default());
        watch.look(seen, start);
        assert_eq!(watch.look(seen, start + PATIENCE / 2), None);
        watch.look(seen, start + PATIENCE)
    }

    #[test]
    fn who_owes_an_answer_is_blamed() {
        assert_eq!(of(Seen::default()), Some(Stalled::Source));
        let answered = Seen { taken: 5, given: 5, states: 2, lines: 2, ..Seen::default() };
        assert_eq!(of(answered), Some(Stalled::Source));
        assert_eq!(of(Seen { lines: 0, ..answered }), Some(Stalled::Destination));
        assert_eq!(of(Seen { waiting: true, ..answered }), Some(Stalled::Destination));
        assert_eq!(of(Seen { ended: true, ..answered }), Some(Stalled::Destination));
    }

    #[test]
    fn anything_that_happens_begins_the_wait_anew() {
        let start = Instant::now();
        let mut watch = Watch::new(PATIENCE, start, Seen::default());
        let later = start + PATIENCE - Duration::from_secs(1);
        let seen = Seen { taken: 1, given: 1, ..Seen::default() };
        assert_eq!(watch.look(seen, later), None);
        assert_eq!(watch.look(seen, start + PATIENCE), None);
        assert_eq!(watch.look(seen, later + PATIENCE), Some(Stalled::Source));
    }
}
