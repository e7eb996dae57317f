//! Cuts rows into statements, by number and by size, and says how many may be on their way at once:
//! the driver holds a copy of each, or two.

use super::change::Change;

/// Rows of one statement: enough to be worth it, few enough to be pipelined.
pub(super) const ROWS: usize = 250;
/// Bytes of documents in one statement, unless a single document is larger.
const BYTES: usize = 512 * 1024;
/// Bytes of documents in the statements that are on their way.
const BYTES_UNDERWAY: usize = 2 * 1024 * 1024;
/// Statements that are on their way, however small.
const MOST_UNDERWAY: usize = 8;

/// The changes in order, cut, and how many of the pieces to send before the first is answered.
pub(super) fn chunks<'c, 'b>(changes: &'c [Change<'b>]) -> (Vec<&'c [Change<'b>]>, usize) {
    let (mut pieces, mut rest, mut largest) = (Vec::new(), changes, 1);
    while !rest.is_empty() {
        let (count, bytes) = fitting(rest);
        let (piece, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        largest = largest.max(bytes);
        pieces.push(piece);
        rest = others;
    }
    (pieces, (BYTES_UNDERWAY / largest).clamp(1, MOST_UNDERWAY))
}

/// How many of the first changes make one statement, at least one; and the bytes of these.
fn fitting(changes: &[Change<'_>]) -> (usize, usize) {
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for change in changes.iter().take(ROWS) {
        let more = bytes.saturating_add(change.document.as_deref().map_or(0, str::len));
        if count > 0 && more > BYTES {
            break;
        }
        count += 1;
        bytes = more;
    }
    (count, bytes)
}

#[cfg(test)]
mod tests {
    use super::super::split::Item;
    use super::*;
    use connector::{Sight, version::Stored};

    fn of_size(size: usize) -> Change<'static> {
        let item = Item { key: &[], versions: &[], sight: Sight::Unknown };
        let row = Stored { stamp: 0, content: 0, deleted: false };
        Change { item, row, document: Some("x".repeat(size).into()) }
    }

    fn cut(sizes: &[usize]) -> (Vec<usize>, usize) {
        let changes: Vec<_> = sizes.iter().map(|size| of_size(*size)).collect();
        let (pieces, at_once) = chunks(&changes);
        (pieces.iter().map(|piece| piece.len()).collect(), at_once)
    }

    #[test]
    fn small_rows_are_cut_by_number() {
        assert_eq!(cut(&[10; 600]), (vec![ROWS, ROWS, 100], MOST_UNDERWAY));
    }

    #[test]
    fn large_rows_are_cut_by_size() {
        assert_eq!(cut(&[BYTES / 2, BYTES / 2, 1]), (vec![2, 1], 4));
    }

    #[test]
    fn a_huge_row_goes_alone_and_nothing_beside_it() {
        assert_eq!(cut(&[1, 10 * BYTES, 1]), (vec![1, 1, 1], 1));
    }

    #[test]
    fn nothing_needs_no_statement() {
        assert_eq!(cut(&[]).0, Vec::<usize>::new());
    }
}
