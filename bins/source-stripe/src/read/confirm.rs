//! When those who brought an event hear that it is kept.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::live::Outcome;

/// Whoever waits to hear what became of an event.
pub(crate) type Bringer = oneshot::Sender<Outcome>;

/// For how long it is left open whether states are acknowledged at all.
const UNSURE: Duration = Duration::from_secs(30);

/// Those who wait, and for which state.
#[derive(Debug)]
pub(crate) struct Confirm {
    mode: Mode,
    waiting: VecDeque<(u64, Bringer)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nobody knows yet whether states are acknowledged; until then.
    Unsure(Instant),
    /// They are.
    Acknowledged,
    /// They are not: a line that was written is all there is.
    Written,
}

impl Confirm {
    /// Nobody waits, and nothing was acknowledged.
    pub(crate) fn new(now: Instant) -> Self {
        Self { mode: Mode::Unsure(now + UNSURE), waiting: VecDeque::new() }
    }

    /// The global state with this number was written, and covers the events of `bringers`.
    pub(crate) fn written(&mut self, seq: u64, bringers: Vec<Bringer>) {
        if self.mode == Mode::Written {
            bringers.into_iter().for_each(keep);
        } else {
            self.waiting.extend(bringers.into_iter().map(|bringer| (seq, bringer)));
        }
    }

    /// The global state with this number is durable.
    pub(crate) fn acknowledged(&mut self, seq: u64) {
        self.mode = Mode::Acknowledged;
        while self.waiting.front().is_some_and(|(own, _)| *own <= seq) {
            self.waiting.pop_front().into_iter().for_each(|(_, bringer)| keep(bringer));
        }
    }

    /// Until when it is left open whether states are acknowledged.
    pub(crate) const fn unsure_until(&self) -> Option<Instant> {
        match self.mode {
            Mode::Unsure(until) => Some(until),
            Mode::Acknowledged | Mode::Written => None,
        }
    }

    /// Nothing was acknowledged for so long that nothing will be.
    pub(crate) fn give_up(&mut self) {
        self.mode = Mode::Written;
        self.waiting.drain(..).for_each(|(_, bringer)| keep(bringer));
    }

    /// Whoever still waits hears nothing.
    pub(crate) fn end(&mut self) {
        self.waiting.clear();
    }

    /// Nothing more can be acknowledged: whoever waits for that is told nothing. As long as it is
    /// open whether anything is, that is no answer: whoever would acknowledge may have died.
    pub(crate) fn end_of_input(&mut self) {
        if self.mode == Mode::Acknowledged {
            self.waiting.clear();
        }
    }
}

fn keep(bringer: Bringer) {
    answer(bringer, Outcome::Kept);
}

/// Tells what became of an event. A bringer that has gone is no fault.
pub(crate) fn answer(bringer: Bringer, outcome: Outcome) {
    if bringer.send(outcome).is_err() {
        tracing::debug!("nobody waits for the answer to an event any more");
    }
}

/// The number of a global state that comes back; none if it is not one of this process's kind.
pub(crate) fn acknowledged(state: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
    }
    serde_json::from_str::<Numbered>(state.get()).ok().map(|state| state.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bring(confirm: &mut Confirm, seq: u64) -> oneshot::Receiver<Outcome> {
        let (bringer, told) = oneshot::channel();
        confirm.written(seq, vec![bringer]);
        told
    }

    #[test]
    fn an_event_is_kept_once_its_state_or_a_later_one_comes_back() {
        let mut confirm = Confirm::new(Instant::now());
        let mut told: Vec<_> = (1..=3).map(|seq| bring(&mut confirm, seq)).collect();
        assert!(told[0].try_recv().is_err());
        confirm.acknowledged(2);
        let heard: Vec<bool> = told.iter_mut().map(|told| told.try_recv().is_ok()).collect();
        assert_eq!(heard, [true, true, false]);
        confirm.end_of_input();
        assert_eq!(told[2].try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn where_nothing_is_acknowledged_a_written_line_is_kept() {
        let now = Instant::now();
        let mut confirm = Confirm::new(now);
        let mut first = bring(&mut confirm, 1);
        assert_eq!(confirm.unsure_until(), Some(now + UNSURE));
        confirm.give_up();
        assert_eq!(first.try_recv(), Ok(Outcome::Kept));
        assert_eq!(bring(&mut confirm, 2).try_recv(), Ok(Outcome::Kept));
        assert_eq!(confirm.unsure_until(), None);
    }

    #[test]
    fn a_state_without_a_number_is_no_acknowledgement() {
        let of = |text: &str| acknowledged(&RawValue::from_string(text.to_owned()).unwrap());
        assert_eq!(of(r#"{"events_cursor":1,"seq":7}"#), Some(7));
        assert_eq!((of(r#"{"events_cursor":1}"#), of("7")), (None, None));
    }
}
