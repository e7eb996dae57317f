//! Batches that take in no more, in the order in which they are loaded. While they wait, the rows that
//! they are about are looked at.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use protocol::Written;

use crate::batch::{Batch, Seen};
use crate::destination::{Destination, Look};

/// Batches that wait at most: one whose rows are being answered for, and one that is asked for
/// meanwhile, so that the system never waits for us.
const MOST: usize = 2;

/// A batch on its way, and what it speaks for once it is durable.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) batch: Batch,
    /// Up to which record it speaks for them.
    pub(crate) position: u64,
    /// Counts of those that did not come into it.
    pub(crate) refused: Written,
}

#[derive(Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    batch: Arc<Batch>,
    position: u64,
    refused: Written,
    /// Until everything asked has been answered.
    look: Option<Look>,
    seen: Seen,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < MOST
    }

    /// Takes in a batch, and begins to look at its rows where that is worth it.
    pub(crate) fn push(&mut self, filled: Filled, destination: &impl Destination) {
        let Filled { mut batch, position, refused } = filled;
        for before in &self.waiting {
            batch.doubt(&before.batch);
        }
        let batch = Arc::new(batch);
        let is_worth_it = !batch.is_empty() && destination.looks_ahead();
        let look = is_worth_it.then(|| destination.look(&batch));
        self.waiting.push_back(Waiting { batch, position, refused, look, seen: Seen::new() });
    }

    /// The first batch, once nothing more will be seen of its rows.
    pub(crate) fn pop(&mut self) -> Option<Filled> {
        self.waiting.front().filter(|first| first.look.is_none())?;
        let first = self.waiting.pop_front()?;
        let mut batch = Arc::unwrap_or_clone(first.batch);
        batch.see(first.seen);
        Some(Filled { batch, position: first.position, refused: first.refused })
    }

    /// Bytes of documents that wait, but for the first batches, and of them those of the largest.
    pub(crate) fn sizes(&self, skipped: usize) -> (usize, usize) {
        let sizes = self.waiting.iter().skip(skipped).map(|waiting| waiting.batch.sizes());
        sizes.fold((0, 0), |(sum, most), (bytes, largest)| {
            (sum.saturating_add(bytes), most.max(largest))
        })
    }

    /// Returns once the first batch can be taken out.
    pub(crate) async fn first_is_seen(&mut self) {
        poll_fn(|context| {
            self.poll(context);
            match self.waiting.front() {
                Some(Waiting { look: Some(_), .. }) => Poll::Pending,
                Some(_) | None => Poll::Ready(()),
            }
        })
        .await;
    }

    /// Returns once nothing is looked at any more.
    pub(crate) async fn all_is_seen(&mut self) {
        poll_fn(|context| {
            self.poll(context);
            if self.is_looking() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.look.is_some())
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        for waiting in &mut self.waiting {
            let Some(look) = &mut waiting.look else { continue };
            if let Poll::Ready(seen) = look.as_mut().poll(context) {
                waiting.seen = seen;
                waiting.look = None;
            }
        }
    }
}
