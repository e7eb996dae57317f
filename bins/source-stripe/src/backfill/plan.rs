//! All streams of a backfill: whose page is asked for next. Pure.

use super::stream::{PageRequest, StreamPlan};

/// The streams of a run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The streams, in the order of the catalog.
    pub(crate) streams: Vec<StreamPlan>,
}

impl Plan {
    /// The streams that wait for a page, who is next first.
    ///
    /// Every stream gets its first page before any its second; those that cannot be split, and so
    /// may take longest, begin. After that whoever has least in flight.
    pub(crate) fn waiting(&self) -> Vec<usize> {
        let mut waiting: Vec<_> = (0_usize..)
            .zip(&self.streams)
            .filter(|(_, stream)| stream.is_waiting())
            .map(|(index, stream)| {
                let turn = (stream.asked > 0, stream.in_flight(), stream.can_split(), stream.asked);
                (turn, index)
            })
            .collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, index)| index).collect()
    }

    /// Objects expected to be left in the range that takes longest.
    pub(crate) fn longest(&self) -> f64 {
        let streams = self.streams.iter().filter(|stream| !stream.ended);
        streams.map(StreamPlan::longest).fold(0.0, f64::max)
    }

    /// The next page of a stream, marked as being asked for.
    pub(crate) fn ask(&mut self, index: usize) -> Option<PageRequest> {
        self.streams.get_mut(index)?.next(index)
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
