//! Reads a slice of `/v1/events`.

use protocol::Timestamp;

use super::agenda::Reading;
use super::event::{Event, EventPage};
use super::slices::{MOST_EVENTS, Slice};
use crate::client::{Call, Client, Reply};
use crate::errors::Failure;
use crate::page::Malformed;
use crate::page_size::{self, PageSize};

/// Bytes that a slice may have before it is made shorter.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What a slice held.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Its events, newest first.
    pub(crate) events: Vec<Event>,
    /// How many could not be read, and why the first.
    pub(crate) poison: (usize, Option<String>),
    /// Stripe's time when reading it began, unix seconds.
    pub(crate) begun: i64,
    /// Where it holds too much to be read at once: the oldest event seen.
    pub(crate) too_many: Option<i64>,
}

/// A slice that was read for a reading.
pub(crate) struct Told {
    /// What it was read for.
    pub(crate) reading: Reading,
    /// Which slice.
    pub(crate) slice: Slice,
    /// What it held.
    pub(crate) gathered: Result<Gathered, Failure>,
}

/// Reads a slice.
///
/// # Errors
///
/// What it came to, after retries.
pub(crate) async fn gather(
    client: &Client,
    types: &[String],
    slice: Slice,
) -> Result<Gathered, Failure> {
    let mut gathered = Gathered { begun: now(client), ..Gathered::default() };
    let (mut size, mut bytes) = (PageSize::new(page_size::LARGE), 0_usize);
    let mut after: Option<String> = None;
    loop {
        let query = query(types, slice, size.limit(), after.as_deref());
        let page = match page(client, &size.bound(Call::events(query))).await {
            // What the page was to follow is older than Stripe keeps events, and so is the rest.
            Err(Failure::CursorGone) if after.is_some() => return Ok(gathered),
            Err(Failure::TooLarge) => {
                size.too_large(size.limit());
                continue;
            }
            page => page?,
        };
        size.arrived(page.1);
        bytes = bytes.saturating_add(page.1);
        let page = page.0;
        gathered.poison.0 = gathered.poison.0.saturating_add(page.poison.0);
        gathered.poison.1 = gathered.poison.1.or(page.poison.1);
        gathered.events.extend(page.events);
        if !page.has_more {
            return Ok(gathered);
        }
        let oldest = gathered.events.last().map(|event| event.created);
        let is_too_much = bytes > MOST_BYTES || is_too_much(&gathered, slice, oldest);
        if !slice.is_shortest && oldest.is_some() && is_too_much {
            gathered.too_many = oldest;
            return Ok(gathered);
        }
        after = page.last_id;
    }
}

/// A page, and the bytes that it had.
async fn page(client: &Client, call: &Call) -> Result<(EventPage, usize), Failure> {
    let read = |reply: &Reply| {
        let page = EventPage::read(&reply.body).map_err(Malformed::new)?;
        Ok((page, reply.body.len()))
    };
    client.get(call, read).await
}

/// Whether a slice is expected to hold more than is read at once, by the density seen.
fn is_too_much(gathered: &Gathered, slice: Slice, oldest: Option<i64>) -> bool {
    let Some(oldest) = oldest else { return false };
    let end = slice.lt.unwrap_or(gathered.begun).max(oldest).saturating_add(1);
    let (span, known) = (end.saturating_sub(slice.gte), end.saturating_sub(oldest));
    let seen = i64::try_from(gathered.events.len()).unwrap_or(i64::MAX);
    let most = i64::try_from(MOST_EVENTS).unwrap_or(i64::MAX);
    seen.saturating_mul(span) / known.max(1) > most
}

fn query(
    types: &[String],
    slice: Slice,
    limit: usize,
    after: Option<&str>,
) -> Vec<(String, String)> {
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut query = vec![text("limit", &limit.to_string())];
    query.push(text("created[gte]", &slice.gte.max(0).to_string()));
    query.extend(slice.lt.map(|lt| text("created[lt]", &lt.to_string())));
    query.extend(types.iter().map(|kind| text("types[]", kind)));
    query.extend(after.map(|after| text("starting_after", after)));
    query
}

/// Stripe's time, unix seconds.
pub(crate) fn now(client: &Client) -> i64 {
    client.now().map_or(0, Timestamp::seconds_floor)
}
