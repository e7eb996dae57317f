//! Room for pages: how many bytes of them are in memory at once, whatever was expected.
//!
//! A page waits for its room with its head here and its body unread: what has been sent of that lies
//! in the buffers of the system. Whoever has waited longest is next. What a page takes beyond what
//! was expected it takes from a second room or not at all: nobody waits while half of a body is here.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of pages that may be here or be arriving.
pub(crate) const PAGES: usize = 5 * 1024 * 1024;
/// Bytes that a page may have in any case.
pub(crate) const SMALL: usize = 1024 * 1024;
/// Bytes that all pages may have together beyond what each may have.
const SPARE: usize = 8 * 1024 * 1024;

/// The room for pages, and that for what is larger than expected.
#[derive(Debug)]
pub(crate) struct Room {
    pages: Arc<Semaphore>,
    spare: Arc<Semaphore>,
}

/// A part of both; free again when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    _page: Option<OwnedSemaphorePermit>,
    spare: Option<OwnedSemaphorePermit>,
}

/// There is no room for what a page has beyond what was expected.
#[derive(Debug)]
pub(crate) struct TooLarge;

impl Default for Room {
    fn default() -> Self {
        Self { pages: Arc::new(Semaphore::new(PAGES)), spare: Arc::new(Semaphore::new(SPARE)) }
    }
}

impl Room {
    /// Waits for room for a page of so many bytes. One that is larger than all of it has it alone.
    pub(crate) async fn wait(&self, bytes: usize) -> Held {
        let bytes = u32::try_from(bytes.min(PAGES)).unwrap_or(u32::MAX);
        // It is never closed, so there always is some to wait for.
        let page = Arc::clone(&self.pages).acquire_many_owned(bytes).await;
        Held { _page: page.ok(), spare: None }
    }

    /// Bytes for pages that nobody has taken; who waits has what there was.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.pages.available_permits()
    }

    /// Takes as much more as a body of `length` bytes needs of which `expected` were expected, if it
    /// is not to be taken at any size.
    ///
    /// # Errors
    ///
    /// When there is not so much.
    pub(crate) fn cover(
        &self,
        length: usize,
        expected: Option<usize>,
        held: &mut Held,
    ) -> Result<(), TooLarge> {
        let Some(expected) = expected else { return Ok(()) };
        let taken = held.spare.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = length.saturating_sub(expected.max(SMALL)).saturating_sub(taken);
        let more = u32::try_from(more).map_err(|_| TooLarge)?;
        if more == 0 {
            return Ok(());
        }
        let spare = Arc::clone(&self.spare).try_acquire_many_owned(more).map_err(|_| TooLarge)?;
        match &mut held.spare {
            Some(held) => held.merge(spare),
            none => *none = Some(spare),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_is_larger_than_expected_shares_one_room() {
        let room = Room::default();
        let (mut one, mut other) = (Held::default(), Held::default());
        room.cover(SMALL, Some(0), &mut one).unwrap();
        assert!(one.spare.is_none(), "a small page takes none of it");
        room.cover(SMALL + SPARE - 5, Some(0), &mut one).unwrap();
        room.cover(SMALL + 5, Some(0), &mut other).unwrap();
        assert!(room.cover(SMALL + 6, Some(0), &mut other).is_err());
        room.cover(usize::MAX, None, &mut other).unwrap();
        drop(one);
        room.cover(SMALL + SPARE, Some(0), &mut other).unwrap();
    }

    #[test]
    fn who_waits_longest_for_room_has_it_first_however_much_it_is() {
        let room = Room::default();
        let first = room.wait(PAGES - 10).now_or_never().unwrap();
        let mut large = Box::pin(room.wait(PAGES * 5));
        assert!(large.as_mut().now_or_never().is_none(), "it needs all of it");
        let mut small = Box::pin(room.wait(5));
        assert!(small.as_mut().now_or_never().is_none(), "it came later");
        drop(first);
        let large = large.now_or_never().unwrap();
        assert!(small.as_mut().now_or_never().is_none(), "nothing is left");
        drop(large);
        drop(small.now_or_never().unwrap());
    }

    #[test]
    fn who_stops_waiting_leaves_the_room_to_others() {
        let room = Room::default();
        let first = room.wait(PAGES - 10).now_or_never().unwrap();
        let mut large = Box::pin(room.wait(PAGES));
        assert!(large.as_mut().now_or_never().is_none());
        drop(large);
        let second = room.wait(10).now_or_never().unwrap();
        assert!(room.wait(1).now_or_never().is_none());
        drop((first, second));
        room.wait(PAGES).now_or_never().unwrap();
    }
}
