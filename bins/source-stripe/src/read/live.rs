//! Events that are brought, and states that come back.

use connector::{Emitter, Error};
use tokio::time::Instant;

use super::confirm::{Bringer, Confirm, acknowledged, answer};
use super::run::Reading;
use crate::change::{Event, Taken};
use crate::live::{Delivery, Live, Outcome, Via};

/// So many events are taken in before their states are written.
const AT_ONCE: usize = 64;

/// What comes from outside while a read goes on.
pub(super) struct Outside {
    /// Who waits to hear that an event is kept.
    pub(super) confirm: Confirm,
    live: Option<Live>,
    /// Whether events can still be brought.
    is_open: bool,
    /// Whether states can still come back.
    hears: bool,
    taken: usize,
}

/// One thing that came.
pub(super) enum Brought {
    /// An event.
    Event(Delivery),
    /// The global state with this number is durable.
    Acknowledged(u64),
    /// Nothing was acknowledged for too long.
    Unsure,
    /// Nothing of interest.
    Nothing,
}

impl Outside {
    /// What `live` brings, if there is any. Where `answers` is not set nobody hears what becomes of
    /// an event: then none waits.
    pub(super) fn new(live: Option<Live>, answers: bool) -> Self {
        let (is_open, hears) = (live.is_some(), live.is_some());
        let mut confirm = Confirm::new(Instant::now());
        if !answers {
            confirm.give_up();
        }
        Self { confirm, live, is_open, hears, taken: 0 }
    }

    /// Whether nothing can be brought any more.
    pub(super) const fn is_over(&self) -> bool {
        !self.is_open
    }

    /// Whether Stripe brings events as they happen.
    pub(super) fn is_healthy(&self) -> bool {
        self.live.as_ref().is_some_and(Live::has_healthy_webhook)
    }

    /// The next thing that comes; waits for ever if nothing can. It may be dropped while it waits.
    pub(super) async fn next(&mut self) -> Brought {
        self.taken = 0;
        let unsure = self.confirm.unsure_until();
        let Some(live) = &mut self.live else { return std::future::pending().await };
        let unsure = async {
            match unsure {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            heard = live.confirmed.changed(), if self.hears => {
                if heard.is_err() {
                    self.hears = false;
                    self.confirm.end_of_input();
                    return Brought::Nothing;
                }
                let state = live.confirmed.borrow_and_update();
                let seq = state.as_ref().and_then(|state| acknowledged(state));
                seq.map_or(Brought::Nothing, Brought::Acknowledged)
            }
            delivery = live.deliveries.recv(), if self.is_open => match delivery {
                Some(delivery) => Brought::Event(delivery),
                None => {
                    self.is_open = false;
                    Brought::Nothing
                }
            },
            () = unsure => Brought::Unsure,
        }
    }

    /// A further event, if one is there already and not too many were taken at once.
    pub(super) fn ready(&mut self) -> Option<Delivery> {
        self.taken = self.taken.saturating_add(1);
        if self.taken >= AT_ONCE {
            return None;
        }
        self.live.as_mut()?.deliveries.try_recv().ok()
    }

    /// Ends everything. Whoever still waits hears nothing, and its event comes again.
    ///
    /// # Errors
    ///
    /// When what came on stdin was broken.
    pub(super) async fn close(&mut self, out: &mut Emitter) -> Result<(), Error> {
        self.confirm.end();
        match self.live.take() {
            Some(live) => live.close(out).await,
            None => Ok(()),
        }
    }
}

impl Reading<'_> {
    /// Takes in one event that was brought; gives its bringer if its records were emitted.
    pub(super) async fn take_in_delivery(
        &mut self,
        delivery: Delivery,
    ) -> Result<Option<Bringer>, Error> {
        let Delivery { body, via, answer: bringer } = delivery;
        let events =
            std::str::from_utf8(&body).map_err(|why| why.to_string()).and_then(Event::parse_all);
        let events = match events {
            Ok(events) => events,
            Err(why) => {
                self.changes.poison(why.clone());
                answer(bringer, Outcome::Refused(why));
                return Ok(None);
            }
        };
        // What comes on stdin was not on its way for long, as far as anybody knows.
        let is_prompt = via == Via::Stdin;
        let parts = (&mut self.backfill, &mut *self.out);
        match self.changes.take_in_brought(events, bringer, is_prompt, parts).await? {
            Taken::Emitted(bringer) => Ok(Some(bringer)),
            Taken::Later => Ok(None),
            Taken::NotOurs(bringer) => {
                answer(bringer, Outcome::NotOurs);
                Ok(None)
            }
        }
    }
}
