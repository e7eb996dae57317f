//! From an event to the records of its object: from the event itself, or from the object asked for
//! again. One function for every way on which an event comes.

use std::sync::Arc;

use connector::Error;
use protocol::Timestamp;
use serde_json::json;
use stripe_api::StreamFacts;

use super::event::Event;
use super::feed::{Doubt, retrieve_path};
use crate::backfill::Frames;
use crate::client::{Call, Client};
use crate::clock::LIST_LAG_SECONDS;
use crate::errors::Failure;
use crate::page::{Malformed, Page, Stamp, Way, cut_lists};
use crate::whole;

/// Makes records of changed objects.
#[derive(Debug, Clone)]
pub(crate) struct Maker {
    client: Arc<Client>,
    expand_lists: bool,
}

/// The records of an object.
#[derive(Debug)]
pub(crate) struct Records {
    /// They.
    pub(crate) page: Page,
    /// Whether lists inside the object were asked for so soon after its event that they may show
    /// what was before it.
    pub(crate) may_lag: bool,
}

/// Seconds after an event from which on a list shows what it tells, in any part of its second.
pub(super) const SHOWN_SECONDS: i64 = LIST_LAG_SECONDS + 1;

/// What stands around the records of a stream, and how its objects are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Mould {
    /// What is known of the stream.
    pub(crate) facts: &'static StreamFacts,
    /// The frames of its records and those of its children.
    pub(crate) frames: Arc<Frames>,
}

impl Maker {
    /// A maker that asks this client, and makes lists inside objects whole if it is to.
    pub(crate) const fn new(client: Arc<Client>, expand_lists: bool) -> Self {
        Self { client, expand_lists }
    }

    /// The records of an event whose object needs nothing more; none if something has to be asked.
    ///
    /// # Errors
    ///
    /// When the object is none.
    pub(crate) fn at_once(&self, mould: &Mould, event: &Event) -> Result<Option<Page>, Malformed> {
        let mut page = self.told(mould, event)?;
        if self.lacks_lists(&page) {
            return Ok(None);
        }
        page.breed(&mould.frames.children);
        Ok(Some(page))
    }

    /// The records of an event, whatever it takes.
    ///
    /// # Errors
    ///
    /// When the object cannot be asked for.
    pub(crate) async fn make(
        &self,
        mould: &Mould,
        event: &Event,
        doubt: Option<Doubt>,
    ) -> Result<Records, Failure> {
        let mut page = match doubt {
            None => self.told(mould, event).map_err(|why| poison(mould, event, &why))?,
            Some(_) => self.fetch(mould, event).await?,
        };
        let shown_at = event.created.saturating_add(SHOWN_SECONDS);
        let may_lag = self.lacks_lists(&page) && self.now().seconds_floor() < shown_at;
        if self.expand_lists {
            whole::complete(&self.client, &mould.facts.name, &mut page).await?;
        }
        page.breed(&mould.frames.children);
        Ok(Records { page, may_lag })
    }

    /// Whether lists inside the object of a page have to be asked for.
    fn lacks_lists(&self, page: &Page) -> bool {
        self.expand_lists && page.line(0).is_some_and(|line| !cut_lists(line).is_empty())
    }

    fn told(&self, mould: &Mould, event: &Event) -> Result<Page, Malformed> {
        let way = if event.is_end() { Way::Deleted } else { Way::Told };
        let stamp = Stamp { updated_at: event.created, emitted_at: self.now() };
        Page::of_object(&event.text, &mould.frames.own, stamp, way)
    }

    /// The object as it is now. Its stamp is not above the moment in which it was asked for, less a
    /// second: it may have been read before a change in that second. Where lists in it are still to
    /// be asked for, less what these may lag: an object is no newer than the oldest part of it. One
    /// that is gone is deleted.
    async fn fetch(&self, mould: &Mould, event: &Event) -> Result<Page, Failure> {
        let id = event.object_id.as_deref().unwrap_or_default();
        let (Some(path), name) = (retrieve_path(mould.facts), &mould.facts.name) else {
            return self.told(mould, event).map_err(|why| poison(mould, event, &why));
        };
        let emitted_at = self.now();
        let of = |text: &str, age: i64| {
            let asked = emitted_at.seconds_floor().saturating_sub(age);
            let stamp = Stamp { updated_at: asked.max(event.created), emitted_at };
            Page::of_object(text, &mould.frames.own, stamp, Way::Fetched)
        };
        let read = |body: &[u8]| {
            let text = std::str::from_utf8(body)
                .map_err(|why| Malformed::new(format!("a body that is no UTF-8: {why}")))?;
            let mut page = of(text, 1)?;
            if self.lacks_lists(&page) {
                page = of(text, SHOWN_SECONDS)?;
            }
            if page.id(0).as_deref() == Some(id) {
                return Ok(page);
            }
            Err(Malformed::new("another object than the one that was asked for"))
        };
        let call = Call::object(name, path, id);
        match self.client.get(&call, |reply| read(&reply.body)).await {
            Err(Failure::Gone) => {
                let stub = json!({"id": id, "object": event.object, "deleted": true}).to_string();
                of(&stub, 1).map_err(|why| poison(mould, event, &why))
            }
            fetched => fetched,
        }
    }

    fn now(&self) -> Timestamp {
        self.client.now().unwrap_or(Timestamp::EPOCH)
    }
}

fn poison(mould: &Mould, event: &Event, why: &Malformed) -> Failure {
    let (name, id) = (&mould.facts.name, &event.id);
    Failure::Stream(Error::data(format!("reading the object of event `{id}` for `{name}`: {why}")))
}
