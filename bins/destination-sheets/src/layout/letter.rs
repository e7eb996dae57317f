//! Dead letters as rows: what they hold, and which cells change.

use std::collections::BTreeMap;

use connector::{DeadLetter, Refused};
use serde_json::{Value, json};

use super::cell::{empty, fitting};
use super::changes::Changes;
use super::tab::text;

/// The columns; a record takes the last one and as many after it as it needs.
pub(crate) const LETTER_COLUMNS: [&str; 7] =
    ["stream", "key", "error", "at", "tries", "digest", "record"];
/// Where the record begins.
const RECORD: usize = 6;
/// Bytes of a record in one cell: fewer than the characters that it holds.
const PIECE: usize = 45_000;
/// Bytes of a record that is kept: Google refuses a request of more than ten million.
pub(crate) const MOST_BYTES: usize = 8_000_000;

/// The letters below the header, `rows` read from row 2 on.
pub(crate) fn letters(rows: &[Vec<Value>]) -> Vec<DeadLetter> {
    let numbered = rows.iter().zip(2_i64..);
    let is_letter = |(row, _): &(&Vec<Value>, i64)| !text(row.first()).is_empty();
    numbered
        .filter(is_letter)
        .map(|(row, number)| {
            let cell = |at: usize| text(row.get(at));
            DeadLetter {
                number,
                tries: cell(4).parse().unwrap_or(1),
                stream: cell(0),
                key: cell(1),
                error: cell(2),
                record: row.iter().skip(RECORD).map(|piece| text(Some(piece))).collect(),
                at: cell(3),
            }
        })
        .collect()
}

/// What the tab needs to hold letters, and the cells that make them.
#[derive(Debug, Default)]
pub(crate) struct LetterCells {
    pub(crate) changes: Changes,
    pub(crate) row_count: u64,
    pub(crate) column_count: u64,
}

/// Adds letters to those that were read; one that is there is counted again.
pub(crate) fn add<'a>(
    rows: &[Vec<Value>],
    refused: impl Iterator<Item = (&'a str, &'a Refused)>,
    now: &str,
) -> LetterCells {
    let mut known: BTreeMap<(String, String), (u64, i64)> = BTreeMap::new();
    for (row, number) in rows.iter().zip(2_u64..) {
        let cell = |at: usize| text(row.get(at));
        known.insert((cell(0), cell(5)), (number, cell(4).parse().unwrap_or(1)));
    }
    let below = u64::try_from(rows.len()).unwrap_or(u64::MAX).saturating_add(2);
    let mut cells = LetterCells { row_count: below.saturating_sub(1), ..LetterCells::default() };
    for (stream, letter) in refused {
        let digest = digest(letter);
        let next = (cells.row_count.saturating_add(1), 0);
        let place = known.entry((stream.to_owned(), digest.clone())).or_insert(next);
        place.1 = place.1.saturating_add(1);
        let (row, tries) = *place;
        cells.row_count = cells.row_count.max(row);
        let cut = |text: &str| json!(fitting(text.to_owned()).0);
        let own = [
            json!(stream),
            cut(&letter.key_text()),
            cut(&letter.error),
            json!(now),
            json!(tries),
            json!(digest),
        ];
        let record = pieces(&letter.record).map(Value::from);
        for (column, value) in (0_u64..).zip(own.into_iter().chain(record)) {
            cells.changes.set(row, column, value);
            cells.column_count = cells.column_count.max(column.saturating_add(1));
        }
    }
    cells
}

/// Empties the rows of letters that are still as they were read.
pub(crate) fn remove(rows: &[Vec<Value>], gone: &[DeadLetter]) -> Changes {
    let mut changes = Changes::default();
    let is_gone = |letter: &&DeadLetter| gone.contains(letter);
    for letter in letters(rows).iter().filter(is_gone) {
        let row = u64::try_from(letter.number).unwrap_or_default();
        let at = usize::try_from(letter.number).unwrap_or_default().saturating_sub(2);
        let width = rows.get(at).map_or(0, Vec::len);
        for column in 0..u64::try_from(width).unwrap_or_default() {
            changes.set(row, column, empty());
        }
    }
    changes
}

/// Tells the same record that comes again; as a number it would lose digits.
fn digest(letter: &Refused) -> String {
    format!("{:016x}", letter.digest())
}

/// A record in parts that fit into cells.
fn pieces(record: &str) -> impl Iterator<Item = String> {
    let mut rest = record;
    std::iter::from_fn(move || {
        let end = PIECE.min(rest.len());
        let mut ends = (0..4).map(|back| end.saturating_sub(back));
        let (piece, others) = ends.find_map(|end| rest.split_at_checked(end))?;
        rest = others;
        (!piece.is_empty()).then(|| piece.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(id: &str, record: String) -> Refused {
        Refused { key: vec![id.to_owned()], error: "no".to_owned(), record }
    }

    fn rows(cells: &LetterCells) -> Vec<Vec<Value>> {
        let cell = |row, column| cells.changes.get(row, column).cloned().unwrap_or_else(empty);
        (2..=cells.row_count)
            .map(|row| (0..cells.column_count).map(|column| cell(row, column)).collect())
            .collect()
    }

    #[test]
    fn a_letter_of_any_length_is_read_as_it_was_kept() {
        let long = format!("{{\"name\":\"{}\"}}", "é😀".repeat(20_000));
        let all = [refused("a", "{}".to_owned()), refused("b", long.clone())];
        let cells = add(&[], all.iter().map(|one| ("customers", one)), "2026");
        let read = letters(&rows(&cells));
        assert_eq!((read[0].record.as_str(), read[0].key.as_str()), ("{}", "[\"a\"]"));
        assert_eq!((&read[1].record, read[1].number, read[1].tries), (&long, 3, 1));
        assert!(cells.column_count > 7);
    }

    #[test]
    fn the_same_record_is_one_letter_with_more_tries() {
        let one = refused("a", "{}".to_owned());
        let first = add(&[], [("x", &one), ("x", &one), ("y", &one)].into_iter(), "2026");
        let rows = rows(&first);
        let again = add(&rows, [("x", &one)].into_iter(), "2027");
        assert_eq!((first.row_count, again.row_count), (3, 3));
        assert_eq!(again.changes.get(2, 4), Some(&json!(3)));
    }

    #[test]
    fn a_letter_that_was_refused_again_meanwhile_stays() {
        let (one, two) = (refused("a", "{}".to_owned()), refused("b", "[]".to_owned()));
        let kept = rows(&add(&[], [("x", &one), ("x", &two)].into_iter(), "2026"));
        let mut gone = letters(&kept);
        gone[1].tries = 7;
        let changes = remove(&kept, &gone);
        assert_eq!(changes.span(), Some((2, 2)));
        assert_eq!(changes.get(2, 0), Some(&empty()));
    }
}
