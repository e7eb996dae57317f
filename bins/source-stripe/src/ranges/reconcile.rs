//! What is left of an earlier state under what this run asks.

use protocol::Timestamp;

use super::bounds::Bounds;
use super::state::{Remaining, Span, StreamState};

/// How far below the old upper end a later run begins again, because lists lag, in seconds.
const OVERLAP_SECONDS: i64 = 300;

/// The ranges that are left to read so that `asked` is accounted for.
///
/// Old ranges are cut to what is asked and what is new at both ends is added. A cursor stays unless
/// the upper bound was cut below it: what the cursor stands for was emitted, whatever the lower
/// bound. Where the upper end is open, one below the old end is that of another clock and no later
/// call of the same run, which has the very same end: the newest are asked for all the same.
pub(crate) fn reconcile(earlier: Option<&StreamState>, bounds: Bounds) -> Vec<Remaining> {
    let asked = bounds.span;
    let Some(earlier) = earlier else {
        return fresh(asked.gte, asked.lt).into_iter().collect();
    };
    let old = earlier.accounted_range;
    let kept = earlier.remaining.iter().filter_map(|range| cut(range, asked));
    let below = fresh(asked.gte, old.gte.min(asked.lt));
    let end = old.lt.min(asked.lt).millis();
    let overlap = end.saturating_sub(OVERLAP_SECONDS.saturating_mul(1000));
    let from = Timestamp::from_millis(overlap).max(asked.gte);
    let is_new = asked.lt > old.lt || (bounds.open_above && asked.lt < old.lt);
    let above = if is_new { fresh(from, asked.lt) } else { None };
    joined(kept.chain(below).chain(above).collect())
}

/// Joins ranges that touch and of which nothing was read, so that their number does not grow with
/// every run that was cut off.
fn joined(mut ranges: Vec<Remaining>) -> Vec<Remaining> {
    ranges.sort_by_key(|range| (range.cursor.is_some(), range.gte, range.lt));
    ranges.dedup_by(|next, last| {
        let join = next.cursor.is_none() && last.cursor.is_none() && next.gte <= last.lt;
        if join {
            last.lt = last.lt.max(next.lt);
        }
        join
    });
    ranges
}

/// What is in one or the other. A range that only one of them has loses its cursor, which says
/// nothing of the other.
pub(crate) fn united(one: Vec<Remaining>, other: Vec<Remaining>) -> Vec<Remaining> {
    let both: Vec<Remaining> = one.iter().filter(|range| other.contains(range)).cloned().collect();
    let rest = one.into_iter().chain(other).filter(|range| !both.contains(range));
    let rest = rest.map(|range| Remaining { cursor: None, ..range }).collect();
    both.iter().cloned().chain(joined(rest)).collect()
}

fn cut(range: &Remaining, asked: Span) -> Option<Remaining> {
    let (gte, lt) = (range.gte.max(asked.gte), range.lt.min(asked.lt));
    let cursor = range.cursor.clone().filter(|_| lt == range.lt);
    (gte < lt).then_some(Remaining { gte, lt, cursor })
}

fn fresh(gte: Timestamp, lt: Timestamp) -> Option<Remaining> {
    (gte < lt).then_some(Remaining { gte, lt, cursor: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(gte: i64, lt: i64) -> Span {
        Span { gte: Timestamp::from_seconds(gte), lt: Timestamp::from_seconds(lt) }
    }

    fn asked(gte: i64, lt: i64) -> Bounds {
        Bounds { span: span(gte, lt), open_below: false, open_above: false }
    }

    fn remaining(gte: i64, lt: i64, cursor: Option<&str>) -> Remaining {
        let Span { gte, lt } = span(gte, lt);
        Remaining { gte, lt, cursor: cursor.map(str::to_owned) }
    }

    fn state(accounted: Span, remaining: Vec<Remaining>) -> StreamState {
        StreamState { accounted_range: accounted, remaining }
    }

    #[test]
    fn without_a_state_everything_is_left() {
        assert_eq!(reconcile(None, asked(0, 10)), [remaining(0, 10, None)]);
        assert_eq!(reconcile(None, asked(10, 10)), []);
    }

    #[test]
    fn the_same_run_goes_on_where_it_was() {
        let left = vec![remaining(0, 50, None), remaining(50, 80, Some("a"))];
        let state = state(span(0, 1000), left.clone());
        assert_eq!(reconcile(Some(&state), asked(0, 1000)), left);
    }

    #[test]
    fn a_later_run_begins_five_minutes_before_the_old_end() {
        let state = state(span(0, 1000), vec![]);
        assert_eq!(reconcile(Some(&state), asked(0, 2000)), [remaining(700, 2000, None)]);
    }

    #[test]
    fn an_open_end_below_the_old_one_is_asked_for_and_the_same_end_is_not() {
        let state = state(span(0, 1000), vec![]);
        let open = |lt| reconcile(Some(&state), Bounds { open_above: true, ..asked(0, lt) });
        assert_eq!(open(900), [remaining(600, 900, None)]);
        assert_eq!(open(1000), []);
        assert_eq!(reconcile(Some(&state), asked(0, 900)), []);
    }

    #[test]
    fn a_wider_run_reads_what_is_below() {
        let state = state(span(100, 1000), vec![]);
        assert_eq!(reconcile(Some(&state), asked(0, 1000)), [remaining(0, 100, None)]);
    }

    #[test]
    fn a_cursor_survives_a_higher_lower_bound_but_no_lower_upper_bound() {
        let state = state(span(0, 1000), vec![remaining(0, 80, Some("a"))]);
        assert_eq!(reconcile(Some(&state), asked(40, 1000)), [remaining(40, 80, Some("a"))]);
        assert_eq!(reconcile(Some(&state), asked(0, 60)), [remaining(0, 60, None)]);
    }

    #[test]
    fn ranges_of_which_nothing_was_read_are_joined_where_they_touch() {
        let left =
            vec![remaining(0, 50, Some("a")), remaining(700, 1000, None), remaining(50, 60, None)];
        let joined =
            [remaining(50, 60, None), remaining(700, 2000, None), remaining(0, 50, Some("a"))];
        assert_eq!(reconcile(Some(&state(span(0, 1000), left)), asked(0, 2000)), joined);
    }

    #[test]
    fn what_several_streams_lack_is_read_for_all_of_them() {
        let (half, all) = (remaining(0, 50, Some("a")), remaining(0, 1000, None));
        let of = |range: &Remaining| vec![range.clone()];
        assert_eq!(united(of(&half), of(&half)), of(&half));
        assert_eq!(united(of(&half), of(&all)), of(&all));
        assert_eq!(united(vec![], of(&all)), of(&all));
        let page_ahead = remaining(0, 40, Some("b"));
        assert_eq!(united(vec![half], vec![page_ahead]), [remaining(0, 50, None)]);
    }

    #[test]
    fn ranges_outside_what_is_asked_are_left_out() {
        let state = state(span(0, 1000), vec![remaining(0, 80, None)]);
        assert_eq!(reconcile(Some(&state), asked(2000, 3000)), [remaining(2000, 3000, None)]);
    }
}
