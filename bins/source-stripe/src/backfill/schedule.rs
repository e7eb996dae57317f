//! When the next page is asked for, under all budgets at once. Pure: the time comes in.

use std::time::Duration;

use super::plan::Plan;
use super::stream::PageRequest;
use crate::limits::{Grant, Limits, Rank};

/// Bytes of pages that may be on their way or waiting, where room for them is kept free.
const BYTES_IN_FLIGHT: usize = 7 * 1024 * 1024;

/// The plan, and what of it is under way.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// The streams and what is left of them.
    pub(crate) plan: Plan,
    max_in_flight: usize,
    in_flight: usize,
    /// Whether room for an answer is kept free from the moment it is asked for.
    reserves: bool,
    /// Bytes that are kept free.
    reserved: usize,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Ask for this page; its token is taken.
    Ask(PageRequest),
    /// Nothing before this time has passed or a page has come.
    Wait(Duration),
    /// Nothing before a page has come.
    Idle,
    /// No more requests are allowed at all.
    Never,
}

impl Schedule {
    /// Nothing is under way yet, and room is kept free for what will be.
    pub(crate) const fn new(plan: Plan, max_in_flight: usize) -> Self {
        Self { plan, max_in_flight, in_flight: 0, reserves: true, reserved: 0 }
    }

    /// Says whether room for answers is to be kept free from the moment they are asked for.
    pub(crate) const fn reserve(&mut self, reserves: bool) {
        self.reserves = reserves;
    }

    /// The next page to ask for, if it may be asked for now.
    pub(crate) fn turn(&mut self, limits: &mut Limits, now: Duration) -> Turn {
        if self.in_flight >= self.max_in_flight {
            return Turn::Idle;
        }
        let mut soonest: Option<Duration> = None;
        let longest = self.plan.longest();
        for index in self.plan.waiting() {
            match self.grant(index, longest, limits, now) {
                Some(Grant::Go) => return self.ask(index),
                Some(Grant::Never) => return Turn::Never,
                Some(Grant::Wait(wait)) => {
                    soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait)));
                }
                None => {}
            }
        }
        soonest.map_or(Turn::Idle, Turn::Wait)
    }

    /// Notes that the answer to a request is taken in now. Says how many requests to the same list
    /// could be made at once beside the one that follows it: nobody else waits for them.
    pub(crate) fn back(
        &mut self,
        request: &PageRequest,
        limits: &mut Limits,
        now: Duration,
    ) -> usize {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.reserved = self.reserved.saturating_sub(request.reserved);
        let Some(stream) = self.plan.streams.get(request.stream) else { return 0 };
        let path = &stream.list.path;
        let (mut waiting, mut here) = (1_usize, 1_usize);
        for other in self.plan.streams.iter().filter(|other| other.waiting() > 0) {
            // Whoever waits for the budget of another list wants nothing of this one's.
            if other.list.path == *path {
                here = here.saturating_add(other.waiting());
            } else if limits.endpoint_room(now, &other.list.path) == 0 {
                continue;
            }
            waiting = waiting.saturating_add(other.waiting());
        }
        let slots = self.max_in_flight.saturating_sub(self.in_flight);
        let account = limits.room(now).min(slots).saturating_sub(waiting);
        account.min(limits.endpoint_room(now, path).saturating_sub(here))
    }

    fn ask(&mut self, index: usize) -> Turn {
        let Some(mut request) = self.plan.ask(index) else { return Turn::Idle };
        request.reserved = if self.reserves { request.expected } else { 0 };
        self.in_flight = self.in_flight.saturating_add(1);
        self.reserved = self.reserved.saturating_add(request.reserved);
        Turn::Ask(request)
    }

    /// None when it has to wait for a page that is under way.
    fn grant(
        &self,
        index: usize,
        longest: f64,
        limits: &mut Limits,
        now: Duration,
    ) -> Option<Grant> {
        let stream = self.plan.streams.get(index)?;
        let expected = self.reserved.saturating_add(stream.page_bytes());
        if self.reserves && expected > BYTES_IN_FLIGHT && self.in_flight > 0 {
            return None;
        }
        let rank = if stream.next_work() >= longest { Rank::First } else { Rank::Later };
        Some(limits.take(now, &stream.list.path, rank))
    }
}
