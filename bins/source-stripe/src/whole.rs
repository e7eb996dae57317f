//! Whole objects: the rest of lists inside them is fetched and put in place. The same for every way
//! on which an object comes.

use connector::Error;
use protocol::Class;
use url::form_urlencoded;

use crate::client::{Call, Client, Reply};
use crate::errors::Failure;
use crate::page::{CutList, Elements, Filling, Page, cut_lists, fill};
use crate::page_size::{self, PageSize};

/// A record line, as whole as it could be made.
struct Completed {
    line: Vec<u8>,
    /// Why lists in it are still cut.
    left: Vec<String>,
}

/// Makes the objects of a page whole. Where no more requests are allowed, the page ends before the
/// first object that is not whole.
///
/// # Errors
///
/// When Stripe could not be asked for the rest, or no object could be made whole.
pub(crate) async fn complete(
    client: &Client,
    stream: &str,
    page: &mut Page,
) -> Result<(), Failure> {
    for index in 0..page.len() {
        let lists = page.line(index).map(cut_lists).unwrap_or_default();
        let (false, Some(id)) = (lists.is_empty(), page.id(index)) else { continue };
        let line = page.line(index).unwrap_or_default();
        let completed = match complete_line(client, Place { stream, id: &id }, line, lists).await {
            Err(Failure::NoCallsLeft) if index > 0 => {
                page.cut_off(index);
                return Ok(());
            }
            completed => completed?,
        };
        page.replace(index, completed.line, completed.left);
    }
    Ok(())
}

/// Whose lists are completed.
#[derive(Clone, Copy)]
struct Place<'a> {
    stream: &'a str,
    id: &'a str,
}

async fn complete_line(
    client: &Client,
    place: Place<'_>,
    line: &[u8],
    lists: Vec<CutList>,
) -> Result<Completed, Failure> {
    let (mut fillings, mut left) = (Vec::new(), Vec::new());
    for list in lists {
        match filling(client, place, &list).await {
            Ok(filling) => fillings.push((list, filling)),
            Err(failure) => left.push(refused(failure)?),
        }
    }
    let line = fill(line, &fillings);
    let deeper = cut_lists(&line).len().saturating_sub(left.len());
    left.extend((0..deeper).map(|_| "it stands inside another list".to_owned()));
    Ok(Completed { line, left })
}

/// Why a list stays cut, if asking again would not help.
fn refused(failure: Failure) -> Result<String, Failure> {
    match failure {
        Failure::Denied(reason) | Failure::Unavailable(reason) => Ok(reason),
        Failure::CursorGone => Ok("its elements were deleted one after the other".to_owned()),
        Failure::Gone => Ok("the object was deleted meanwhile".to_owned()),
        Failure::Stream(error) if error.class() == Class::Data => Ok(error.report()),
        Failure::Stream(_) | Failure::Connection(_) | Failure::TooLarge | Failure::NoCallsLeft => {
            Err(failure)
        }
    }
}

async fn filling(client: &Client, place: Place<'_>, list: &CutList) -> Result<Filling, Failure> {
    let Some(last_id) = &list.last_id else {
        return Ok(Filling::All(elements(client, place, list, None).await?));
    };
    match elements(client, place, list, Some(last_id)).await {
        // The element that was shown last is deleted: the list is read from its top.
        Err(Failure::CursorGone) => Ok(Filling::All(elements(client, place, list, None).await?)),
        rest => Ok(Filling::Rest(rest?)),
    }
}

/// All elements after one, or all.
async fn elements(
    client: &Client,
    place: Place<'_>,
    list: &CutList,
    after: Option<&String>,
) -> Result<Vec<u8>, Failure> {
    let mut all = Elements { has_more: true, last_id: after.cloned(), ..Elements::default() };
    let read = |reply: &Reply| Ok((Elements::read(&reply.body)?, reply.body.len()));
    let mut size = PageSize::new(page_size::LARGE);
    while all.has_more {
        let call = call(place, list, size.limit(), all.last_id.as_deref())?;
        let (next, bytes) = match client.get(&size.bound(call), read).await {
            Err(Failure::TooLarge) => {
                size.too_large(size.limit());
                continue;
            }
            next => next?,
        };
        size.arrived(bytes);
        if next.has_more && (next.last_id.is_none() || next.last_id == all.last_id) {
            return Err(astray(place, list, "the list says that it goes on, and does not"));
        }
        all.append(&next);
    }
    Ok(all.text)
}

fn call(
    place: Place<'_>,
    list: &CutList,
    limit: usize,
    after: Option<&str>,
) -> Result<Call, Failure> {
    let (path, query) = list.url.split_once('?').unwrap_or((&list.url, ""));
    if !path.starts_with('/') {
        return Err(astray(place, list, "this is no path"));
    }
    let mut query: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    query.push(("limit".to_owned(), limit.to_string()));
    query.extend(after.map(|id| ("starting_after".to_owned(), id.to_owned())));
    // One budget for such lists of all objects of the stream.
    let endpoint = path.replace(place.id, "{id}");
    Ok(Call::nested(place.stream, path, endpoint, query))
}

fn astray(place: Place<'_>, list: &CutList, why: &str) -> Failure {
    let Place { stream, id } = place;
    let url = &list.url;
    Failure::Stream(Error::data(format!(
        "reading a list inside `{id}` of `{stream}` (GET {url}): {why}"
    )))
}
