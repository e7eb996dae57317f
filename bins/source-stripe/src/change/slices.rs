//! In which slices of time events are read: oldest first, so that memory is flat and what was done
//! stays done. Pure.

/// Events that a slice may hold before it is made shorter.
pub(crate) const MOST_EVENTS: usize = 1_000;

/// How far a reading of events got, and how far the next slice goes. Times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slices {
    cursor: i64,
    from: i64,
    /// Where the reading ends; with none it ends now.
    until: Option<i64>,
    length: Option<i64>,
}

/// A slice to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    /// `created[gte]`.
    pub(crate) gte: i64,
    /// `created[lt]`; absent at the open end.
    pub(crate) lt: Option<i64>,
    /// Whether it cannot be made shorter: it ends in the second after the cursor.
    pub(crate) is_shortest: bool,
}

impl Slices {
    /// A reading from `cursor`, less an overlap because events may come late, up to `until` and
    /// including it, or up to now.
    pub(crate) const fn new(cursor: i64, overlap: i64, until: Option<i64>) -> Self {
        Self { cursor, from: cursor.saturating_sub(overlap), until, length: None }
    }

    /// The next slice, at `now` of Stripe's clock.
    pub(crate) fn next(&self, now: i64) -> Slice {
        let end = self.until.map(|until| until.saturating_add(1));
        let (gte, least) = (self.from, self.least());
        let Some(length) = self.length else {
            return Slice { gte, lt: end, is_shortest: end.is_some_and(|end| end <= least) };
        };
        let lt = gte.saturating_add(length).max(least);
        let is_last = lt > end.unwrap_or(now);
        let lt = if is_last { end } else { Some(lt) };
        Slice { gte, lt, is_shortest: lt.is_some_and(|lt| lt <= least) }
    }

    /// The slice holds too much: `seen` events so far, down to `oldest`. The next is shorter.
    pub(crate) fn too_many(&mut self, slice: Slice, seen: usize, oldest: i64, now: i64) {
        let end = slice.lt.unwrap_or_else(|| now.saturating_add(1).max(oldest.saturating_add(1)));
        let (span, known) = (end.saturating_sub(slice.gte), end.saturating_sub(oldest).max(1));
        // The density seen, over the whole slice; half of what would fit.
        let expected = count(seen).saturating_mul(span) / known;
        let fits = span.saturating_mul(count(MOST_EVENTS / 2)) / expected.max(1);
        self.length = Some(fits.min(span / 2).max(1));
    }

    /// The slice was read whole and held so many events; it was begun at `begun`. Says where the
    /// cursor is now, which never falls.
    pub(crate) fn done(&mut self, slice: Slice, events: usize, begun: i64) -> i64 {
        let end = slice.lt.unwrap_or(begun);
        let end = self.until.map_or(end, |until| end.min(until));
        self.cursor = self.cursor.max(end);
        self.from = slice.lt.unwrap_or(end);
        if events < MOST_EVENTS / 4 {
            self.length = self.length.map(|length| length.saturating_mul(2));
        }
        self.cursor
    }

    /// Whether nothing is left once this slice is read.
    pub(crate) fn ends_with(&self, slice: Slice) -> bool {
        match (slice.lt, self.until) {
            (None, _) => true,
            (Some(lt), Some(until)) => lt > until,
            (Some(_), None) => false,
        }
    }

    /// A slice ends after the cursor, and holds a second at least.
    fn least(&self) -> i64 {
        self.from.max(self.cursor).saturating_add(1)
    }
}

fn count(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads events at these seconds; gives the cursor after each slice, and the events read.
    fn crawl(slices: &mut Slices, events: &[i64], now: i64) -> (Vec<i64>, Vec<i64>) {
        let (mut cursors, mut read) = (Vec::new(), Vec::new());
        for _ in 0..10_000 {
            let slice = slices.next(now);
            let inside = |at: &&i64| **at >= slice.gte && slice.lt.is_none_or(|lt| **at < lt);
            let found: Vec<i64> = events.iter().filter(inside).copied().collect();
            if found.len() > MOST_EVENTS && !slice.is_shortest {
                let newest: Vec<i64> = found.iter().rev().take(100).copied().collect();
                slices.too_many(slice, newest.len(), *newest.last().unwrap(), now);
                continue;
            }
            read.extend(&found);
            let is_last = slices.ends_with(slice);
            cursors.push(slices.done(slice, found.len(), now));
            if is_last {
                return (cursors, read);
            }
        }
        panic!("it does not end: {slices:?}");
    }

    #[test]
    fn little_is_read_in_one_request() {
        let mut slices = Slices::new(1000, 60, None);
        assert_eq!(slices.next(5000), Slice { gte: 940, lt: None, is_shortest: false });
        assert_eq!(crawl(&mut slices, &[950, 4000], 5000), (vec![5000], vec![950, 4000]));
    }

    #[test]
    fn a_cursor_never_runs_backwards_however_short_a_slice_is() {
        let mut slices = Slices { length: Some(1), ..Slices::new(1000, 60, None) };
        let slice = slices.next(5000);
        assert_eq!(slice, Slice { gte: 940, lt: Some(1001), is_shortest: true });
        assert_eq!(slices.done(slice, 5000, 5000), 1001);
        assert_eq!(Slices::new(1000, 60, None).done(slice, 0, 5000), 1001);
        let behind = Slice { gte: 100, lt: Some(200), is_shortest: false };
        assert_eq!(Slices::new(1000, 60, None).done(behind, 0, 5000), 1000);
        assert_eq!(Slices::new(1000, 60, None).done(Slice { lt: None, ..behind }, 0, 900), 1000);
    }

    #[test]
    fn a_reading_with_an_end_stops_at_it() {
        let mut slices = Slices::new(100, 60, Some(500));
        let slice = slices.next(9000);
        assert_eq!((slice.gte, slice.lt), (40, Some(501)));
        assert!(slices.ends_with(slice));
        assert_eq!(slices.done(slice, 3, 9000), 500);
    }

    proptest! {
        #[test]
        fn every_event_is_read_and_progress_is_kept(
            bursts in prop::collection::vec((0_i64..20_000, 1_usize..1500), 0..12),
            cursor in 0_i64..20_000,
            until in prop::option::of(0_i64..20_000),
        ) {
            let now = 20_000;
            let mut events: Vec<i64> =
                bursts.iter().flat_map(|(at, count)| std::iter::repeat_n(*at, *count)).collect();
            events.sort_unstable();
            let until = until.map(|until| until.max(cursor));
            let mut slices = Slices::new(cursor, 60, until);
            let (cursors, mut read) = crawl(&mut slices, &events, now);
            let end = until.unwrap_or(i64::MAX);
            let expected: Vec<i64> =
                events.into_iter().filter(|at| *at >= cursor - 60 && *at <= end).collect();
            read.sort_unstable();
            prop_assert_eq!(read, expected);
            prop_assert!(cursors.is_sorted());
            prop_assert_eq!(cursors.last().copied(), Some(until.unwrap_or(now)));
        }
    }
}
